"""The random histories are worth playing: same seed, same history, and nothing left out."""

import itertools

import pytest

from shared.ledger import commands as c
from tests.support.histories import History, coverage, history, played
from tests.support.naive_prices import ONE_DAY, days_between, month_of
from tests.support.naive_views import day_states, invoices

HISTORIES = [history(seed, size=40) for seed in range(250)]
BY_SEED = pytest.mark.parametrize("told", HISTORIES[:60], ids=lambda told: f"seed-{told.seed}")

REASONS: dict[type, tuple[str, ...]] = {
    c.SignedUp: (
        "not_permitted",
        "over_limit",
        "already_signed_up",
        "unknown_price",
        "username_taken",
        "gap_too_large",
        "too_many_periods",
    ),
    c.Ticked: ("outside_period", "gap_too_large"),
    c.Changed: (
        "not_permitted",
        "over_limit",
        "before_joining",
        "unknown_price",
        "username_taken",
        "gap_too_large",
        "too_many_periods",
    ),
    c.PaymentReceived: ("reference_already_used",),
    c.DiscountGranted: (
        "not_permitted",
        "unknown_period",
        "no_standing_bill",
        "exceeds_bill",
        "over_limit",
    ),
    c.AdjustmentMade: ("not_permitted", "unknown_period"),
    c.RefundMade: (
        "not_permitted",
        "unknown_target",
        "already_cancelled",
        "exceeds_payment",
        "exceeds_credit",
    ),
    c.CancellationRequested: (
        "not_permitted",
        "unknown_target",
        "already_cancelled",
        "has_refunds",
        "superseded",
        "over_limit",
        "reference_already_used",
        "exceeds_payment",
        "exceeds_credit",
        "not_cancellable",
    ),
    c.BillUpToSet: (
        "not_permitted",
        "already_billed",
        "customer_left",
        "too_many_periods",
        "bill_cancelled",
    ),
    c.RebillRequested: ("not_permitted", "unknown_period", "already_billed"),
}
KINDS = "bill skip extension proration discount adjustment payment refund reversal restatement"


def test_equal_seeds_make_equal_histories() -> None:
    assert history(seed=7) == history(seed=7)
    assert history(seed=7) != history(seed=8)


def test_histories_bring_about_every_outcome_reason_and_kind_of_line() -> None:
    seen = coverage(HISTORIES)

    wanted: set[tuple[str, ...]] = {("line", kind) for kind in KINDS.split()}
    for command, reasons in REASONS.items():
        wanted |= {(command.__name__, "refused", reason) for reason in reasons}
        wanted |= {(command.__name__, outcome) for outcome in ("accepted", "duplicate")}
        wanted.add((command.__name__, "refused", "conflicting_duplicate"))
        if command not in (c.SignedUp, c.Ticked):
            wanted.add((command.__name__, "parked"))
    assert sorted(wanted - set(seen)) == []


@BY_SEED
def test_the_naive_model_keeps_the_promises_itself(told: History) -> None:
    model = played(told)

    for customer_id, account in model.accounts.items():
        rows, lines = model.statement(customer_id), model.lines(customer_id)
        heads = {line.period: line for line in lines}
        due = account.signup.opening_due
        for row in rows:
            assert heads[row.period][6:14] == (*row[4:10], row.coverage_from, row.coverage_to)
            assert heads[row.period].previous_due == row.previous_due == due
            assert row.billed == row.charge - row.discount + row.vat
            assert row.due == row.previous_due + row.billed - row.paid
            assert row.period == month_of(row.coverage_from)
            due = row.due
        for before, after in itertools.pairwise(rows):
            assert before.coverage_to == after.coverage_from
        assert [line.seq for line in lines] == list(range(1, len(lines) + 1))


@BY_SEED
def test_the_naive_reports_agree_with_one_another(told: History) -> None:
    model = played(told)

    for customer_id, account in model.accounts.items():
        rows = model.statement(customer_id)
        monthly = invoices(model, customer_id, "monthly")
        assert [made[:5] for made in monthly] == [
            made[:5] for made in invoices(model, customer_id, "cumulative")
        ]
        assert [made.amount for made in monthly] == [row.billed for row in rows]
        assert all(made.paid + made.open == max(made.amount, 0) for made in monthly)
        through = account.billed_through()
        days = day_states(model, customer_id, through + 3 * ONE_DAY)
        starts = rows[0].coverage_from if rows else through + 3 * ONE_DAY
        assert tuple(days) == days_between(starts, through + 3 * ONE_DAY)
