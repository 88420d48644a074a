"""Double entry: on random histories every entry balances, and all add up to what is owed."""

from collections import Counter

import pytest

from shared.ledger.commands import PaymentReceived, RefundMade
from shared.ledger.entries import CASH, TAX, Entries
from tests.support.audited import Recorded
from tests.support.histories import history


@pytest.mark.parametrize("seed", range(1, 81))
def test_entries_balance_and_give_the_dues_of_the_ledger(seed: int) -> None:
    rules = Recorded().play(history(seed, 60).steps)
    for customer_id, lines in rules.stored.items():
        asked = {each.command.command_id: each.command for each in rules.asked[customer_id]}
        entries = Entries(rules.policies, customer_id)
        heads = {line.period: line for line in lines}
        total = Counter(entries.opening(lines[0].effective_on, lines[0].previous_due).postings)
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
        assert _sum(total, CASH) == sum(line.paid for line in heads.values())


def _sum(total: Counter[str], prefix: str) -> int:
    return sum(amount for account, amount in total.items() if account.startswith(prefix))
