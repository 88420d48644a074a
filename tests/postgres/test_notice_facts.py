"""What the notifier reads of customers is what the view of customers says."""

import pytest

from shared.ledger.policy.policy import Policy
from shared.ledger.postgres import notices
from tests.postgres.booked import Booked
from tests.support.histories import history

VIEW = """
SELECT
    customer_id, phone, language, mode, status, expires_on, due, period, billed, standing, bill_seq,
    (
        SELECT command_id FROM book.line
        WHERE line.customer_id = customer.customer_id AND line.seq = customer.bill_seq
    ),
    coalesce((SELECT max(seq) FROM book.line WHERE line.customer_id = customer.customer_id), 0),
    username, package, texting, untold_seq
FROM book.customer JOIN book.account USING (customer_id) ORDER BY customer_id
"""


@pytest.mark.parametrize("seed", range(300, 308), ids=lambda seed: f"seed-{seed}")
async def test_a_notice_says_of_a_customer_what_the_view_says(books: Booked, seed: int) -> None:
    steps = history(seed, size=60).steps
    for number, step in enumerate(steps):
        await books.play(step)
        if isinstance(step, Policy) or number % 5:
            continue
        expected = await books.rows(VIEW)
        customers = [row[0] for row in expected]

        facts = await notices.facts(books.connection, customers)

        assert [tuple(each[:-1]) for each in facts] == expected
