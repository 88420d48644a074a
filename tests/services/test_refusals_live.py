"""What is refused is said: `refusals`, `policy apply`, as a clerk meets them on a real fleet."""

import json
from pathlib import Path
from typing import Any

from shared.embedded import Kafka
from tests.services.test_console_live import PAID, PAYMENT, POLICY, SIGNED_UP, Clerk, clerk, event
from tests.support.live import live
from tests.support.patience import PATIENT

# Another house in the same partition, so that the two payments are judged in the order sent.
CONFLICT = {**event(PAID["type"], {**PAYMENT, "customer_id": "jamal"}), "id": "e-2"}


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
        "payment/p-1", "jamal", "conflicting_duplicate", "200.00", "e-2",
    )  # fmt: skip
    assert row["said"]["customer_id"] == "jamal"
    assert max(map(len, told.splitlines())) <= 80
    words = " ".join(told.split())
    assert "Refused: payment/p-1 of jamal: this id came before with other content" in words
    assert "reason conflicting_duplicate, amount 200.00, actor field-3, event e-2 of test" in words
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
    assert short.stderr == "there are more: see --limit\n"


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
        "would change: tax VAT: taken away (5 % from 2020-01-01)",
        "would change: staff boss: taken away (may cancel, discount)",
    ]
    assert "--remove" in refused.stderr
    assert kept.strip() == POLICY.strip()
    assert removed.splitlines()[-2:] == ["days of grace: 10 becomes 5", "policy version 2 applied"]
    assert len(versions) == 2


# What `tick`, `publish --wait` and `settle` say ---------------------------------------------------


async def test_a_tick_that_is_refused_is_exit_code_1_with_the_reason_in_words(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        before = await at.ticks("2025-10-01")
        refused = await at.runs("tick", "--as-of", "2026-02-01", *PATIENT)
        as_json = await at.runs("tick", "--as-of", "2026-02-02", "--json", *PATIENT)
        settled = await at.runs("settle", *PATIENT)
        allowed = await at.ticks("2026-02-01", "--allow-gap")
        quiet = await at.runs("settle", *PATIENT)
        runs = await at.fleet.rows("SELECT as_of::text FROM report.run ORDER BY as_of")

    assert before[1] == "accepted"
    assert refused.exit_code == as_json.exit_code == 1
    assert refused.stdout.splitlines()[1] == "refused gap_too_large"
    assert "the date lies too far past the business date" in refused.stderr
    said = json.loads(as_json.stdout)
    assert (said["outcome"], said["reason"]) == ("refused", "gap_too_large")
    assert settled.exit_code == 0
    assert f"the newest tick made no run. Refused: tick/{said['tick_id']}" in settled.stderr
    assert allowed[1] == "accepted"
    assert "no run" not in quiet.stderr
    assert [row["as_of"] for row in runs] == ["2025-10-01", "2026-02-01"]


async def test_publish_waits_for_each_outcome_and_exits_1_where_one_was_not_done(
    kafka: Kafka, database: str
) -> None:
    async with clerk(kafka, database) as at:
        done = await at.says(
            "publish", "-", "--wait", "--json", *PATIENT, stdin=json.dumps(SIGNED_UP)
        )
        mixed = await at.runs(
            "publish", "-", "--wait", "--anyway", "--json", *PATIENT,
            stdin="\n".join(map(json.dumps, [
                PAID, PAID, {**PAID, "id": "e-9"}, CONFLICT, _adjusted("a-1"),
                event(PAID["type"], {**PAYMENT, "payment_id": "p-2", "customer_id": "nobody"}),
                event(PAID["type"], {**PAYMENT, "payment_id": "p-3", "amount": 5}),
            ])),
        )  # fmt: skip
        plain = await at.runs(
            "publish", "-", "--wait", *PATIENT, stdin=json.dumps(_adjusted("a-1"))
        )
        odd = await at.runs(
            "publish", "-", "--wait", "--anyway", *PATIENT,
            stdin=json.dumps(event(PAID["type"], {**PAYMENT, "payment_id": "p-4", "amount": 5})),
        )  # fmt: skip
        nothing = await at.runs("publish", "-", "--wait", stdin="")

    assert [each["outcome"] for each in json.loads(done)["outcomes"]] == ["accepted"]
    assert mixed.exit_code == 1
    found = [
        (each["line"], each["command_id"], each["outcome"], each["reason"])
        for each in json.loads(mixed.stdout)["outcomes"]
    ]
    assert found[:6] == [
        (1, "payment/p-1", "accepted", None),
        (2, "payment/p-1", "accepted", None),
        (3, "payment/p-1", "duplicate", None),
        (4, "payment/p-1", "conflicting_duplicate", "conflicting_duplicate"),
        (5, "adjustment/a-1", "refused", "not_permitted"),
        (6, "payment/p-2", "parked", "not_signed_up"),
    ]
    assert found[6][:3] == (7, None, "malformed")
    assert "not done: 3 of 7 events: 1 conflicting_duplicate, 1 malformed, 1 refused" in (
        mixed.stderr
    )
    assert plain.exit_code == 1
    assert "line 1: data.amount: must be a string" in odd.stderr
    assert [line.split() for line in odd.stdout.splitlines()[1:]] == [
        ["line", "command", "customer", "outcome"], ["1", "-", "-", "malformed"],
    ]  # fmt: skip
    assert "refused" in plain.stdout
    assert "Refused: adjustment/a-1 of rahim: the policy does not permit this" in plain.stderr
    assert (nothing.exit_code, nothing.stdout[:18]) == (0, "published 0 events")
    assert nothing.stderr == "stdin holds no event; nothing was sent\n"


async def test_what_is_sent_and_not_judged_in_time_is_exit_code_3(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database, workers=("relay",)) as fleet:
        at = Clerk(fleet)
        tick = await at.runs("tick", "--as-of", "2026-02-01", "--timeout", "0.2")
        sent = await at.runs(
            "publish", "-", "--wait", "--timeout", "0.2", "--json", stdin=json.dumps(SIGNED_UP)
        )

    assert (tick.exit_code, sent.exit_code) == (3, 3)
    assert tick.stdout.splitlines()[1] == "pending"
    assert "sent, not judged yet: 1 of 1 event;" in tick.stderr
    assert [each["outcome"] for each in json.loads(sent.stdout)["outcomes"]] == ["pending"]
