"""`dlq replay` and `quarantine retry` pressed twice, by two at once, or killed half way."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

from shared.embedded import Kafka
from shared.schemas.dead_letters import dead_letter_headers
from shared.schemas.envelope import Message
from shared.schemas.publish import binary
from shared.schemas.topics import PAYMENTS, dead_letters_of
from tests.services.test_bad_input_live import NOT_UTF8, payment, signup
from tests.support.later import MIGRATED_LATER
from tests.support.live import Live, live

PAYMENT, SIGNUP = "billing.payment.received.v1", "billing.customer.signed_up.v1"
BREAK = """
ALTER TABLE book.line DISABLE TRIGGER append_only;
UPDATE book.line SET previous_due = previous_due + {0}, due = due + {0} WHERE customer_id = 'c-1';
ALTER TABLE book.line ENABLE ALWAYS TRIGGER append_only;
"""
"""What a hand on the database may do: no line can follow this one."""
ALARM = (
    MIGRATED_LATER,
    """
    CREATE FUNCTION public.alarm() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = 'data_exception'; END $$
    """,
    """
    CREATE TRIGGER alarm BEFORE INSERT ON book.line FOR EACH ROW WHEN (new.customer_id = 'c-1')
        EXECUTE FUNCTION public.alarm()
    """,
)
"""What fails here is neither a rule nor a constraint, and is yet of the row."""


async def press(fleet: Live, *arguments: str, module: str = "services.console") -> Process:
    """Start a command as a process of its own."""
    env = {
        **os.environ,
        "ROLLFORWARD_KAFKA": fleet.kafka,
        "ROLLFORWARD_DATABASE_URL": fleet.url,
        "ROLLFORWARD_DATA": "",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", *module.split(), *arguments, "--json",
        stdout=PIPE, stderr=PIPE, env=env,
    )  # fmt: skip


async def answer(process: Process, *codes: int) -> Any:
    said, told = await process.communicate()
    assert process.returncode in (codes or (0,)), told
    return json.loads(said)


async def letters(fleet: Live, count: int) -> None:
    """Put good payments where dead letters lie, as a release left them that could not read them."""
    await asyncio.gather(*(fleet.send(letter(number)) for number in range(count)))


def letter(number: int) -> Message:
    topic, key, value, headers = binary(PAYMENT, payment(f"p-{number}"), f"e-{number}", "test")
    strange = [] if number else [(NOT_UTF8, b"x")]
    came = dead_letter_headers([*headers, *strange], topic, 0, number, 0, "too new for us")
    return Message(dead_letters_of(PAYMENTS), key, value, came)


async def expect_paid_once(fleet: Live, count: int) -> None:
    await fleet.settle()
    rows = await fleet.rows("SELECT command_id FROM report.ledger WHERE kind = 'payment'")
    assert sorted(row["command_id"] for row in rows) == sorted(
        f"payment/p-{number}" for number in range(count)
    )


async def test_replays_at_once_and_again_apply_each_letter_once(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish(SIGNUP, signup())
        await letters(fleet, 20)
        listed = await answer(await press(fleet, "dlq", "list"))
        assert [each["now"] for each in listed] == ["readable"] * 20

        both = [await press(fleet, "dlq", "replay") for _ in range(2)]
        assert 20 in [(await answer(process))["replayed"] for process in both]
        await expect_paid_once(fleet, 20)

        again = await answer(await press(fleet, "dlq", "replay"))
        assert again == {"replayed": 0, "applied_already": 20, "unreadable": 0}


async def test_a_replay_that_was_killed_half_way_sends_the_rest_when_pressed_again(
    kafka: Kafka, database: str
) -> None:
    half, count = 30, 50
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish(SIGNUP, signup())
        await letters(fleet, count)
        killed = await press(fleet, "dlq", "replay", module=f"tests.support.dying_console {half}")
        assert await killed.wait() == -signal.SIGKILL
        await expect_paid_once(fleet, half)

        again = await answer(await press(fleet, "dlq", "replay"))
        assert again == {"replayed": count - half, "applied_already": half, "unreadable": 0}
        await expect_paid_once(fleet, count)


async def test_retries_at_once_release_a_customer_once(kafka: Kafka, database: str) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish(SIGNUP, signup())
        await fleet.settle()
        await fleet.rows(
            "INSERT INTO book.quarantine SELECT 'c-1', 'x', now(), bucket"
            " FROM book.account WHERE customer_id = 'c-1'"
        )
        for number in range(3):
            await fleet.publish(PAYMENT, payment(f"p-{number}"))
        await fleet.settle()

        both = [await press(fleet, "quarantine", "retry", "c-1") for _ in range(2)]
        told = [(await answer(process, 0, 1))[0] for process in both]
        assert sorted((each["result"], each["applied"]) for each in told) == [
            ("not quarantined", 0),
            ("released", 3),
        ]
        assert sorted(process.returncode for process in both) == [0, 1]  # type: ignore[type-var]
        await expect_paid_once(fleet, 3)
        assert await fleet.rows("SELECT * FROM report.quarantine") == []
        assert await fleet.rows("SELECT * FROM report.parked") == []


async def test_while_the_cause_persists_a_retry_changes_nothing_and_order_is_kept(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        await fleet.publish(SIGNUP, signup())
        await fleet.settle()
        await _execute(fleet, BREAK.format(1))
        for number in range(3):
            await fleet.publish(PAYMENT, payment(f"p-{number}"))
            await fleet.settle()
        (apart,) = await fleet.rows("SELECT * FROM report.quarantine")

        for _ in range(2):
            (told,) = await answer(await press(fleet, "quarantine", "retry"), 1)
            assert told["result"] == "still quarantined"
            assert "does not follow its chain" in told["reason"]
            assert await fleet.rows("SELECT * FROM report.quarantine") == [apart]
            waiting = await fleet.rows("SELECT command_id FROM report.parked ORDER BY parked_at")
            assert [row[0] for row in waiting] == ["payment/p-0", "payment/p-1", "payment/p-2"]

        await _execute(fleet, BREAK.format(-1))
        (told,) = await answer(await press(fleet, "quarantine", "retry"))
        assert (told["result"], told["applied"]) == ("released", 3)
        rows = await fleet.rows("SELECT command_id FROM report.ledger ORDER BY seq")
        assert [row[0] for row in rows[1:]] == ["payment/p-0", "payment/p-1", "payment/p-2"]


async def test_one_who_cannot_be_released_does_not_keep_the_next_one(
    kafka: Kafka, database: str
) -> None:
    async with live(kafka.bootstrap, database) as fleet:
        for name in ("c-1", "c-2"):
            await fleet.publish(SIGNUP, signup(name))
        await fleet.settle()
        await fleet.rows(
            "INSERT INTO book.quarantine SELECT 'c-2', 'x', now(), bucket"
            " FROM book.account WHERE customer_id = 'c-2'"
        )
        for statement in ALARM:
            await fleet.rows(statement)
        for name in ("c-1", "c-2"):
            await fleet.publish(PAYMENT, payment(f"p-{name}", customer_id=name))
        await fleet.settle()

        first, second = await answer(await press(fleet, "quarantine", "retry"), 1)
        assert (first["customer_id"], first["result"]) == ("c-1", "still quarantined")
        assert first["reason"].startswith("DataError: not this one")
        assert (second["result"], second["applied"]) == ("released", 1)

        await fleet.rows("DROP TRIGGER alarm ON book.line")
        (told,) = await answer(await press(fleet, "quarantine", "retry", "c-1"))
        assert (told["result"], told["applied"]) == ("released", 1)
        rows = await fleet.rows("SELECT command_id FROM report.ledger WHERE kind = 'payment'")
        assert sorted(row[0] for row in rows) == ["payment/p-c-1", "payment/p-c-2"]


async def _execute(fleet: Live, statements: str) -> None:
    for statement in filter(str.strip, statements.split(";")):
        await fleet.rows(statement)
