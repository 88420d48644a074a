"""What a clerk is answered from the book alone, by commands of their own."""

import asyncio
import json
import re

import asyncpg
import pytest
from click.testing import CliRunner, Result

from services.console.main import main
from shared.embedded.preparing import as_role
from shared.ledger.postgres.roles import READER, allow_login
from tests.postgres.kept import Kept, adjustment, payment, signup
from tests.postgres.test_rehearse import NO_NEXT_LABEL


@pytest.fixture
async def kept(connection: asyncpg.Connection) -> Kept:
    """Two months of Karim and Rahim; Salma is billed from next year on."""
    kept = Kept(connection)
    await kept.tell(
        signup("karim", "2026-01-01"),
        signup("rahim", "2026-01-01"),
        signup("salma", "2026-01-01", bill_from="2027-01-01"),
    )
    await kept.tick("2026-02-01")
    return kept


async def ask(database: str, *arguments: str) -> Result:
    env = {
        "ROLLFORWARD_KAFKA": "127.0.0.1:1",
        "ROLLFORWARD_DATABASE_URL": database,
        "ROLLFORWARD_DATA": "",
    }
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=env)


async def test_who_asks_for_a_period_that_is_not_there_is_told_which_are(
    kept: Kept, database: str
) -> None:
    wrong = await ask(database, "explain", "rahim", "2026-07")
    too_soon = await ask(database, "explain", "salma", "2026-01")
    unknown = await ask(database, "explain", "nobody", "2026-01")

    assert [each.exit_code for each in (wrong, too_soon, unknown)] == [1, 1, 1]
    assert "rahim has no period 2026-07" in wrong.stderr
    assert "2026-01, 2026-02" in wrong.stderr
    assert "salma has no period 2026-01" in too_soon.stderr
    assert "none yet" in too_soon.stderr
    assert "nobody is not known" in unknown.stderr


async def test_a_rehearsal_names_whom_the_run_could_not_bill_and_why(
    kept: Kept, connection: asyncpg.Connection, database: str
) -> None:
    await connection.execute(NO_NEXT_LABEL)

    rehearsed = await ask(database, "rehearse", "--as-of", "2026-03-01")

    assert rehearsed.exit_code == 0
    assert "0 customers in quarantine, 1 customer who cannot be billed" in rehearsed.stdout
    assert "\nrahim: ValueError: " in rehearsed.stdout


async def test_refusals_of_somebody_unknown_fail_and_those_of_a_customer_may_be_none(
    kept: Kept, database: str
) -> None:
    mistyped = await ask(database, "refusals", "rahimm")
    none = await ask(database, "refusals", "rahim")

    assert mistyped.exit_code == 1
    assert "customer rahimm is not known" in mistyped.stderr
    assert (none.exit_code, none.stdout) == (0, "nothing was refused\n")


async def test_who_has_only_parked_commands_is_told_where_they_are(
    kept: Kept, database: str
) -> None:
    await kept.tell(payment("p-1", "jamal", "5.00", "2026-02-01"))
    of_jamal = [
        ("statement", "jamal"),
        ("explain", "jamal", "2026-01"),
        ("refusals", "jamal"),
    ]

    one = [await ask(database, *command) for command in of_jamal]
    await kept.tell(payment("p-2", "jamal", "5.00", "2026-02-01"))
    two = await ask(database, "statement", "jamal")

    for each in one:
        assert (each.exit_code, each.stdout) == (1, "")
        assert each.stderr == (
            "rollforward: customer jamal is not known; 1 command of theirs waits for a signup:"
            " `rollforward parked jamal`\n"
        )
    assert "2 commands of theirs wait for a signup" in two.stderr
    assert (await ask(database, "parked", "jamal")).exit_code == 0


async def test_what_is_parked_of_somebody_unknown_fails_and_of_a_customer_may_be_none(
    kept: Kept, database: str
) -> None:
    unknown = await ask(database, "parked", "nobody")
    none = await ask(database, "parked", "rahim")

    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert unknown.stderr == "rollforward: customer nobody is not known\n"
    assert (none.exit_code, none.stdout) == (0, "nothing is parked\n")


async def test_more_refusals_than_are_listed_are_mentioned(kept: Kept, database: str) -> None:
    await kept.tell(
        adjustment("a-1", "rahim", "5.00", "2026-01"),
        adjustment("a-2", "rahim", "5.00", "2026-01"),
    )

    assert (await ask(database, "refusals", "--limit", "1")).stderr == (
        "there are more: see --limit\n"
    )


INSTANT = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?([+-]\d\d:?\d\d|Z| UTC)"
QUARANTINED = "INSERT INTO book.quarantine VALUES ('x', 'why', now(), 0)"
NOTICE = (
    "INSERT INTO book.notice (notice_id, customer_id, kind, period, amount, text, segments,"
    " bucket) VALUES ('due/rahim/2026-01', 'rahim', 'due', '2026-01', 1, 'Pay', 1, 0)"
)


@pytest.mark.parametrize(
    "command",
    [
        ("parked",),
        ("refusals",),
        ("quarantine", "list"),
        ("notices",),
        ("policy", "show"),
        ("explain", "rahim", "2026-01"),
        ("statement", "rahim", "--as-of", "2199-01-01T00:00:00Z"),
    ],
    ids=" ".join,
)
async def test_people_read_instants_in_the_business_zone_and_programs_in_utc(
    kept: Kept, connection: asyncpg.Connection, database: str, command: tuple[str, ...]
) -> None:
    await kept.policy('[[tax]]\ncode = "VAT"\nrate = "5"\nfrom = 2026-01-01\n')
    await kept.tell(
        payment("p-1", "jamal", "5.00", "2026-02-01"),
        adjustment("a-1", "rahim", "5.00", "2026-01"),
    )
    await connection.execute(QUARANTINED)
    await connection.execute(NOTICE)

    answer = await ask(database, *command)
    as_json = await ask(database, *command, "--json")

    assert answer.exit_code == 0
    assert set(re.findall(INSTANT, answer.output)) == {"+06:00"}
    assert json.loads(as_json.stdout)
    assert set(re.findall(INSTANT, as_json.stdout)) <= {"+00:00", "Z"}


async def test_a_login_for_reports_alone_is_told_what_it_does_not_see(
    kept: Kept, connection: asyncpg.Connection, database: str
) -> None:
    await allow_login(connection, READER, "read")
    url = as_role(database, READER, "read")

    now = await ask(url, "statement", "rahim")
    then = await ask(url, "statement", "rahim", "--as-of", "2199-01-01T00:00:00Z")
    whole = await ask(database, "statement", "rahim", "--as-of", "2199-01-01T00:00:00Z")

    limited = "this login may read schema report alone: "
    missing = "payments, refunds and planned changes are not shown\n"
    assert (now.exit_code, now.stderr) == (0, limited + missing)
    today = "name, terms, status and expiry are those of today; "
    assert (then.exit_code, then.stderr) == (0, limited + today + missing)
    assert (whole.exit_code, whole.stderr) == (0, "")
    assert "rahim  Rahim" in then.stdout


async def test_what_was_owed_before_has_a_row_of_its_own(kept: Kept, database: str) -> None:
    await kept.tell(signup("jamal", "2026-02-01", opening_due="70.00"))

    owes = await ask(database, "explain", "jamal")
    as_json = json.loads((await ask(database, "explain", "jamal", "--json")).stdout)

    row = next(line for line in owes.stdout.splitlines() if line.startswith("opening due"))
    assert row.split()[2:] == ["2026-02-01", "70.00", "0.00", "70.00", "70.00", "2026-02-11"]
    assert as_json["opening_due_open"] == "70.00"
    assert [each["period"] for each in as_json["open"]] == ["2026-02"]
