"""An account that is loaded in part, and the instants that its lines bear."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.ledger.account import Account, Head
from shared.ledger.commands import DiscountGranted, PaymentReceived
from shared.ledger.decide import decide
from shared.ledger.errors import Broken
from shared.ledger.line import Line
from shared.ledger.reach import WHOLE, Reach, reach
from shared.ledger.references import Held
from shared.ledger.terms import Cycle, Package, Terms, always
from shared.ledger.world import World
from tests.support.rules import StoredRules
from tests.support.tell import tell

DAY = date(2026, 3, 5)


def loaded(wanted: Reach) -> Account:
    """Return an account with the periods 2026-01 to 2026-03, loaded as far as is wanted."""
    *_, rules = tell("""
        2026-03-01  signup  rahim  100.00 a month, joined 2026-01-01
    """)
    assert isinstance(rules, StoredRules)
    return rules.load("rahim", wanted)


def paid(day: date) -> PaymentReceived:
    return PaymentReceived("payment/p", "rahim", 100, "cash", "field", day, None, "field-1")


def test_the_instants_of_a_customers_lines_never_go_back() -> None:
    account = loaded(Reach())
    earlier = World(datetime(2020, 1, 1, tzinfo=UTC))

    decision = decide(account, paid(DAY), earlier)
    assert decision.account is not None
    decision.account.bill_through(date(2026, 4, 1), earlier)

    instants = [line.recorded_at for line in decision.account.lines]
    assert instants == [account.recorded_at, account.recorded_at]


def test_a_payment_of_today_needs_the_last_period_and_a_late_one_no_more_than_it_reaches() -> None:
    late = date(2026, 2, 28)

    assert [line.period for line in loaded(reach(paid(DAY))).periods] == ["2026-03"]
    assert reach(paid(late)) == Reach("2026-01", late)
    assert [line.period for line in loaded(reach(paid(date(2026, 3, 1)))).periods] == ["2026-03"]


def test_the_reach_of_a_batch_is_that_of_all_its_commands() -> None:
    early, late = Reach("2025-12", date(2026, 1, 5)), Reach("2026-02", DAY, postings=True)

    assert early.and_also(late) == Reach("2025-12", date(2026, 1, 5), postings=True)
    assert late.and_also(Reach()) == late
    assert late.and_also(Reach("2026-02")) == Reach("2026-02", None, postings=True)
    assert Reach(contact=True).and_also(late) == late._replace(contact=True)


def test_what_was_not_loaded_is_never_guessed() -> None:
    head, granted = loaded(Reach()), DiscountGranted(
        "discount/d", "rahim", 1, "2026-03", DAY, "boss", "goodwill"
    )  # fmt: skip

    with pytest.raises(Broken, match="was not loaded"):
        head.period_covering(date(2026, 1, 5))
    with pytest.raises(Broken, match="not loaded"):
        head.index_of("2026-01")
    with pytest.raises(Broken, match="postings were asked for but not loaded"):
        head.posting("payment/p")
    assert reach(granted).postings


def test_the_day_before_the_loaded_periods_is_not_guessed_within_their_own_month() -> None:
    *_, rules = tell("""
        2026-03-20  signup  rahim  100.00 a month, joined 2026-01-01, custom day 10
    """)
    assert isinstance(rules, StoredRules)

    with pytest.raises(Broken, match="was not loaded"):
        rules.load("rahim", Reach()).period_covering(date(2026, 3, 5))


def test_a_whole_account_knows_what_there_is_not() -> None:
    whole = loaded(WHOLE)

    assert whole.index_of("2025-12") is None
    assert whole.index_of("2026-04") is None
    assert whole.period_covering(date(2025, 1, 1)) == 0
    assert whole.posting("payment/p") is None


def test_a_refused_command_leaves_the_account_as_it_was() -> None:
    account = loaded(WHOLE)
    before = (list(account.periods), account.seq, account.hash, account.terms)

    world = World(
        datetime(2026, 4, 1, tzinfo=UTC),
        references={("cash", "r"): Held(("payment/other",), False)},
    )
    decision = decide(account, paid(DAY)._replace(reference="r"), world)

    assert decision == ("refused", "reference_already_used", account, ())
    assert (account.periods, account.seq, account.hash, account.terms) == before


AT = datetime(2026, 4, 1, tzinfo=UTC)
JOINED = date(2026, 3, 5)
TERMS = Terms(
    always(Package("home", 100_000)), always(Cycle("start_of_month", 1)), always("cumulative"),
    always(False), always(0), always(False),
)  # fmt: skip


def billed(world: World, of: dict[str, Any], **asked: Any) -> Line:
    """Return the next bill of an account that is like all others but for what `of` says."""
    like: dict[str, Any] = {
        "customer_id": "rahim",
        "joined_on": JOINED,
        "bill_from": JOINED,
        "opening_due": 0,
        "terms": TERMS,
        "contact": None,
    }
    return Account(**like | of).bill_next(world, JOINED, **asked)


@pytest.mark.parametrize(
    ("of", "asked"),
    [
        ({}, {}),
        ({"opening_due": 7, "seq": 3, "hash": bytes(31) + b"1"}, {}),
        ({"terms": TERMS.changed(vip=always(True))}, {}),
        ({"terms": TERMS.changed(package=always(Package("home", 1)))}, {}),
        ({"terms": TERMS.changed(status=always("suspended"))}, {}),
        ({"bill_from": JOINED + timedelta(days=1)}, {}),
        ({"closed": Head("2026-02", 500, JOINED), "postings": None, "seq": 1}, {}),
        ({"closed": Head("2026-03", 500, JOINED), "postings": None, "seq": 1}, {}),
        ({"recorded_at": AT + timedelta(microseconds=1)}, {}),
        ({}, {"actor": "boss"}),
        ({}, {"ends": date(2026, 4, 9)}),
    ],
)
def test_a_bill_does_not_depend_on_who_was_billed_before_in_the_batch(
    of: dict[str, Any], asked: dict[str, Any]
) -> None:
    alone = billed(World(AT), of, **asked)

    world = World(AT)
    billed(world, {})
    assert billed(world, {"customer_id": "karim"}).customer_id == "karim"
    assert billed(world, of, **asked) == alone
    assert billed(world, of, **asked) == alone
