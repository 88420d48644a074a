"""An account loaded in part is decided on as a whole one, however far from its periods a date is.

    pytest tests/ledger/test_far_dates.py --histories 10000

plays a thousand histories: one in ten of those that the option asks for.
"""

import random
from collections import Counter
from datetime import timedelta

import pytest

from shared.ledger.commands import DiscountGranted
from tests.support.far import far
from tests.support.options import seeds
from tests.support.playing import books, play_in_batches
from tests.support.promises import as_naive
from tests.support.rules import Rules, StoredRules

ONE_IN = 10
BATCH_MAX = 2


@pytest.mark.timeout(0)
def test_accounts_in_part_and_whole_ones_and_the_naive_model_agree_far_from_the_books(
    request: pytest.FixtureRequest,
) -> None:
    for seed in seeds(request.config)[::ONE_IN]:
        told = far(seed)
        part, whole = StoredRules(), Rules()

        outcomes, again = (
            play_in_batches(rules, told.history.steps, random.Random(seed), BATCH_MAX)
            for rules in (part, whole)
        )

        assert outcomes == again, seed
        assert books(part) == books(whole), seed
        assert outcomes == told.outcomes, seed
        for customer_id in part.kept:
            lines = [as_naive(line) for line in part.lines(customer_id)]
            assert lines == told.model.lines(customer_id), seed


def test_the_histories_pass_limits_by_earlier_discounts_alone_on_dates_beyond_the_books() -> None:
    seen: Counter[tuple[str, str | None]] = Counter()
    for seed in range(40):
        told = far(seed)
        rules = Rules()
        for step in told.history.steps:
            if not hasattr(step, "command_id"):
                rules.apply_policy(step)
                continue
            outcome = rules.apply(step)
            if not isinstance(step, DiscountGranted) or step.period is not None:
                continue
            account = rules.accounts.get(step.customer_id)
            if account is None or not account.periods:
                continue
            late = step.granted_on - account.billed_through > timedelta(days=62)
            early = step.granted_on < account.bill_from - timedelta(days=62)
            limit = rules.policy.discount_ppm_max(step.actor) or 0
            line = account.periods[-1]
            gross = line.billed + line.granted_discount + line.granted_vat
            alone = step.amount * 1_000_000 <= limit * gross
            seen["late", outcome.reason if alone else "-"] += late
            seen["early", outcome.reason] += early

    assert seen["late", "over_limit"] > 5
    assert seen["late", None] > 10
    assert seen["early", None] > 20
