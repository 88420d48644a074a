"""What is refused is said: `refusals`, `policy apply`, as a clerk meets them on a real fleet."""

import json
from pathlib import Path
from typing import Any

from shared.runtime.embedded import Kafka
from tests.services.test_console_live import PAID, PAYMENT, POLICY, SIGNED_UP, Clerk, clerk, event
from tests.support.live import live

CONFLICT = {**event(PAID["type"], {**PAYMENT, "customer_id": "karim"}), "id": "e-2"}


async def test_a_payment_id_typed_for_another_house_is_listed_and_published_with_what_it_said(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        assert await at.says("refusals") == "nothing was refused\n"
        await at.publishes(SIGNED_UP)
        await at.publishes(PAID)
        await at.publishes(CONFLICT)
        await at.publishes(CONFLICT)

        (row,) = json.loads(await at.says("refusals", "--json"))
        told = await at.says("refusals")
        others = await at.says("refusals", "rahim")
        out = [json.loads(each.value) for each in await at.fleet.records("billing.refusals.v1")]

    assert (row["command_id"], row["customer_id"], row["reason"], row["amount"], row["ce_id"]) == (
        "payment/p-1", "karim", "conflicting_duplicate", "200.00", "e-2",
    )  # fmt: skip
    assert row["said"]["customer_id"] == "karim"
    assert "Refused: payment/p-1 of karim: this id came before with other content" in told
    assert "reason conflicting_duplicate, amount 200.00, actor field-3, event e-2 of test" in told
    assert others == "nothing was refused\n"
    assert [(each["sentence"], each["said"]) for each in out] == [
        (row["sentence"], row["said"])
    ] * 2


async def test_refusals_are_listed_newest_first_and_what_is_left_out_is_said(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        await at.publishes(SIGNED_UP)
        for number in range(3):
            await at.publishes(_adjusted(f"a-{number}"))

        rows = json.loads(await at.says("refusals", "--json"))
        short = await at.runs("refusals", "--limit", "2", "--json")

    assert [row["command_id"] for row in rows] == [f"adjustment/a-{n}" for n in (2, 1, 0)]
    assert [row["reason"] for row in rows] == ["not_permitted"] * 3
    assert json.loads(short.stdout) == rows[:2]
    assert "there are more than these 2" in short.stderr


def _adjusted(adjustment_id: str) -> dict[str, Any]:
    said = {
        "adjustment_id": adjustment_id,
        "customer_id": "rahim",
        "amount": "1.00",
        "made_at": "2026-01-20T10:00:00+06:00",
        "actor": "nobody",
        "reason": "a router",
    }
    return {**event("billing.adjustment.made.v1", said), "id": adjustment_id}


async def test_a_policy_that_takes_taxes_or_staff_away_needs_a_word_more(
    kafka: Kafka, database: str, tmp_path: Path
) -> None:
    full, less, empty = (tmp_path / f"{name}.toml" for name in ("full", "less", "empty"))
    full.write_text(POLICY)
    less.write_text("[billing]\ngrace_days = 5\n")
    empty.write_text("# all of it later\n")

    async with live(kafka.bootstrap, database, workers=("relay",)) as fleet:
        at = Clerk(fleet)
        first = await at.says("policy", "apply", str(full))
        again = await at.says("policy", "apply", str(full))
        nothing = await at.runs("policy", "apply", str(empty), "--remove")
        refused = await at.runs("policy", "apply", str(less))
        kept = await at.says("policy", "show")
        removed = await at.says("policy", "apply", str(less), "--remove")
        versions = await fleet.rows("SELECT version FROM book.policy")

    assert first.splitlines() == [
        "tax VAT: added, 5 % from 2020-01-01",
        "staff boss: added, may cancel, discount, no limit on discounts",
        "policy version 1 applied",
    ]
    assert again == "policy version 1 unchanged: it is the latest already\n"
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert nothing.stderr.startswith("empty.toml:1: the file says nothing")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[:2] == [
        "tax VAT: taken away (5 % from 2020-01-01)",
        "staff boss: taken away (may cancel, discount)",
    ]
    assert "--remove" in refused.stderr
    assert kept.strip() == POLICY.strip()
    assert removed.splitlines()[-2:] == ["days of grace: 10 becomes 5", "policy version 2 applied"]
    assert len(versions) == 2
