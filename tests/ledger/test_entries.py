"""Double entry: on random histories every entry balances, and all add up to what is owed."""

from collections import Counter

import pytest

from shared.ledger.commands import PaymentReceived, RefundMade
from shared.ledger.entries import CASH, OPENING, TAX, Entries, Entry
from tests.support.audited import Recorded
from tests.support.histories import history
from tests.support.rules import Rules
from tests.support.tell import tell


@pytest.mark.parametrize("seed", range(1, 81))
def test_entries_balance_and_give_the_dues_of_the_ledger(seed: int) -> None:
    rules = Recorded().play(history(seed, 60).steps)
    for customer_id, lines in rules.stored.items():
        asked = {each.command.command_id: each.command for each in rules.asked[customer_id]}
        entries = Entries(rules.policies, customer_id)
        heads = {line.period: line for line in lines}
        opening = rules.accounts[customer_id].opening_due
        total = Counter(entries.opening(lines[0].effective_on, opening).postings)
        for line in lines:
            command = asked.get(line.command_id)
            method = command.method if isinstance(command, PaymentReceived) else None
            payment_id = command.payment_id if isinstance(command, RefundMade) else None
            entry = entries.of(line, method, payment_id)
            for account, amount in (entry.postings if entry else {}).items():
                total[account] += amount

        assert sum(total.values()) == 0
        assert total[f"assets:receivable:{customer_id}"] == heads[max(heads)].due
        assert -_sum(total, TAX) == sum(line.vat for line in heads.values())
        given_back = total[OPENING] + opening
        assert _sum(total, CASH) + given_back == sum(line.paid for line in heads.values())


def _sum(total: Counter[str], prefix: str) -> int:
    return sum(amount for account, amount in total.items() if account.startswith(prefix))


def journal(story: str) -> list[Entry]:
    """The entries of rahim in a story."""
    rules = tell(story)[1]
    assert isinstance(rules, Rules)
    entries = Entries(rules.policies, "rahim")
    made = []
    for line in rules.lines("rahim"):
        method = "bkash" if line.command_id.startswith("payment/b") else "cash"
        of = {"refund/r1": "b1", "refund/r2": "c1"}.get(line.command_id)
        made.append(entries.of(line, method if line.kind == "payment" else None, of))
    return [entry for entry in made if entry is not None]


def cash(entry: Entry) -> dict[str, int]:
    money = (CASH, OPENING)
    return {name: amount for name, amount in entry.postings.items() if name.startswith(money)}


def test_a_refund_goes_out_of_the_account_that_its_payment_came_into_and_names_it() -> None:
    *_, bill, first, second, refund, undo = journal("""
        policy
        2026-01-01  signup  rahim  100.00 a month
        2026-01-02  pay     rahim  50.00, as c1
        2026-01-03  pay     rahim  70.00, as b1
        2026-01-04  refund  rahim  60.00, of b1, as r1
        2026-01-05  cancel  rahim  refund r1, as x1
    """)

    assert bill.what == "bill 2026-01"
    assert [cash(each) for each in (first, second)] == [
        {"assets:cash:cash": 5000},
        {"assets:cash:bkash": 7000},
    ]
    assert (cash(refund), refund.what) == (
        {"assets:cash:bkash": -6000},
        "refund 2026-01 of payment/b1",
    )
    assert (cash(undo), undo.what) == ({"assets:cash:bkash": 6000}, "reversal 2026-01 of refund/r1")


def test_a_refund_of_credit_goes_out_of_what_was_paid_last_and_then_of_the_opening_credit() -> None:
    *_, refund, rest, undo = journal("""
        policy
        2026-01-01  signup  rahim  100.00 a month, opening due -200.00
        2026-01-02  pay     rahim  50.00, as b1
        2026-01-03  pay     rahim  30.00, as c1
        2026-01-04  refund  rahim  60.00, as r3
        2026-01-05  refund  rahim  110.00, as r4
        2026-01-06  cancel  rahim  refund r4, as x1
    """)

    assert cash(refund) == {"assets:cash:cash": -3000, "assets:cash:bkash": -3000}
    assert cash(rest) == {"assets:cash:bkash": -2000, OPENING: -9000}
    assert cash(undo) == {"assets:cash:bkash": 2000, OPENING: 9000}
