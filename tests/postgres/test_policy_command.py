"""What `policy apply` and `policy show` say and do, with a book and no Kafka."""

import asyncio
import json
from pathlib import Path

import asyncpg
from click.testing import CliRunner, Result

from services.console.main import main
from tests.postgres.kept import Kept, signup

STAFF = '[[staff]]\nid = "boss"\nmay = ["price", "tick"]\n'
HOME = '[[price]]\ncode = "home"\nname = "Home"\nfrom = 2026-01-01\namount = "1000.00"\n'
LATER = '[[price]]\ncode = "home"\nfrom = 2026-07-01\namount = "1100"\n'
IP = '[[price]]\ncode = "ip"\nfrom = 2026-01-01\namount = "50"\n'
PRINTED = '[seller]\nname = "My ISP"\n[documents]\nprefix = "A-"\n'


async def run(database: str, *arguments: str) -> Result:
    env = {"ROLLFORWARD_KAFKA": "", "ROLLFORWARD_DATABASE_URL": database, "ROLLFORWARD_DATA": ""}
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=env)


async def apply(database: str, folder: Path, source: str, *options: str) -> Result:
    file = folder / "policy.toml"
    file.write_text(source)
    return await run(database, "policy", "apply", str(file), *options)


async def test_prices_that_are_added_and_changed_are_said_and_need_no_more(
    database: str, tmp_path: Path
) -> None:
    first = await apply(database, tmp_path, HOME)
    second = await apply(database, tmp_path, HOME.replace("1000.00", "1010.00") + LATER + IP)

    assert (first.exit_code, first.stdout.splitlines()) == (
        0,
        ["price home: added, 1000.00 from 2026-01-01", "policy version 1 applied"],
    )
    assert (second.exit_code, second.stdout.splitlines()) == (
        0,
        [
            "price home from 2026-01-01: 1000.00 becomes 1010.00",
            "price home: added, 1100.00 from 2026-07-01",
            "price ip: added, 50.00 from 2026-01-01",
            "policy version 2 applied",
        ],
    )


async def test_a_price_that_is_taken_away_needs_a_word_more(database: str, tmp_path: Path) -> None:
    await apply(database, tmp_path, HOME + LATER + IP)

    refused = await apply(database, tmp_path, HOME)
    removed = await apply(database, tmp_path, HOME, "--remove")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[:2] == [
        "would change: price home: taken away (1100.00 from 2026-07-01)",
        "would change: price ip: taken away (50.00 from 2026-01-01)",
    ]
    assert "no policy was changed. If that is meant, add --remove" in refused.stderr
    assert removed.exit_code == 0
    assert removed.stdout.splitlines()[-1] == "policy version 2 applied"


async def test_a_price_that_customers_go_by_stays_whatever_the_word(
    connection: asyncpg.Connection, database: str, tmp_path: Path
) -> None:
    await apply(database, tmp_path, HOME + IP)
    await Kept(connection).tell(
        signup("rahim", "2026-01-01", package={"code": "home"}),
        signup("karim", "2026-01-01", package={"code": "home"}, extras=[{"code": "ip"}]),
    )

    refused = await apply(database, tmp_path, STAFF, "--remove")
    kept = await run(database, "policy", "show")

    assert (refused.exit_code, refused.stdout) == (1, "")
    told = refused.stderr.splitlines()
    assert told[:2] == [
        "price home: 2 customers still go by it",
        "price ip: 1 customer still goes by it",
    ]
    assert "no policy was changed" in told[2]
    assert "Keep these prices in the file" in told[2]
    assert kept.stdout == HOME + IP


async def test_a_policy_is_shown_to_programs_as_its_values_and_its_text(
    database: str, tmp_path: Path
) -> None:
    source = STAFF + LATER + HOME + PRINTED
    await apply(database, tmp_path, source)

    shown = json.loads((await run(database, "policy", "show", "--json")).stdout)

    assert shown.pop("applied_at")
    assert shown == {
        "version": 1,
        "source": source,
        "tax": [],
        "staff": [{"id": "boss", "may": ["price", "tick"], "max_discount_percent": None}],
        "price": [
            {"code": "home", "name": "Home", "from": "2026-01-01", "amount": "1000.00"},
            {"code": "home", "name": None, "from": "2026-07-01", "amount": "1100.00"},
        ],
        "billing": {"grace_days": 10},
        "seller": {"name": "My ISP", "address": None, "tax_id": None, "phone": None},
        "documents": {"prefix": "A-"},
    }


async def test_before_the_first_policy_programs_are_shown_the_empty_one(database: str) -> None:
    shown = json.loads((await run(database, "policy", "show", "--json")).stdout)

    assert (shown["version"], shown["source"], shown["applied_at"]) == (0, None, None)
    assert (shown["tax"], shown["price"], shown["staff"]) == ([], [], [])


async def test_a_code_that_comes_back_at_another_price_is_warned_of(
    database: str, tmp_path: Path
) -> None:
    """Bills made under the version without it read the new price when they are priced again."""
    for source in (HOME + IP, HOME, STAFF + HOME):
        await apply(database, tmp_path, source, "--remove")
    dearer = HOME + IP.replace('"50"', '"60"')

    back = await apply(database, tmp_path, dearer, "--remove")
    await apply(database, tmp_path, HOME, "--remove")
    same = await apply(database, tmp_path, dearer)

    assert back.exit_code == 0
    (warning,) = back.stderr.splitlines()
    assert warning.startswith("warning: price ip comes back with other entries than version 1 had")
    assert "bills made under versions 2 to 3, where it is missing, now read the new ones" in warning
    assert (same.exit_code, same.stderr) == (0, ""), "at its old price nothing changes"
