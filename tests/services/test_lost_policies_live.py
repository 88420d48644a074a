"""A policy that was applied within the lost hours of a restore: `restored` sees it in the lines."""

from pathlib import Path

import pytest

from shared.embedded import Kafka
from shared.schemas.topics import LEDGER
from tests.services.test_console_live import Clerk
from tests.services.test_restored_live import (
    POLICY,
    amounts,
    an_evening,
    copied,
    the_lost_hours,
    until_all_stand_still,
)
from tests.support.live import Live, live

TAXED = '[[tax]]\ncode = "VAT"\nrate = "15"\nfrom = 2026-01-01\n'


async def applied(fleet: Live, folder: Path, text: str) -> str:
    """Apply a policy; return what was said on stderr."""
    file = folder / "policy.toml"
    file.write_text(text, "utf-8")
    result = await Clerk(fleet).runs("policy", "apply", str(file))
    assert result.exit_code == 0, result.output
    return result.stderr


@pytest.mark.parametrize("way", ["applied again", "without"])
async def test_a_policy_of_the_lost_hours_is_asked_for_before_the_fleet_goes_on(
    kafka: Kafka, database: str, tmp_path: Path, way: str
) -> None:
    server = kafka.bootstrap
    async with live(server, database) as fleet:
        await applied(fleet, tmp_path, POLICY)
        await an_evening(fleet)
    async with copied(database, f"put_back_{way[:7].strip()}") as put_back:
        async with live(server, database, fresh=False) as fleet:
            assert await applied(fleet, tmp_path, POLICY + TAXED) == "", "nothing was restored"
            await the_lost_hours(fleet)
            lines = await fleet.rows("SELECT FROM book.line WHERE policy_version = 2")
            before = await amounts(fleet)
            assert await fleet.records(LEDGER)
        async with live(server, put_back, fresh=False) as fleet:
            at = Clerk(fleet)
            await until_all_stand_still(fleet)

            refused = await at.runs("restored")

            assert (refused.exit_code, refused.stdout) == (1, "")
            (said,) = refused.stderr.splitlines()
            assert "the book has lost policy version 2: published lines name it" in said
            assert "priced and permitted by version 1" in said
            assert await fleet.rows("SELECT FROM book.incarnation") == []
            if way == "without":
                await at.says("restored", "--without-policies")
            else:
                words = await applied(fleet, tmp_path, POLICY + TAXED)
                assert (
                    f"and {len(lines)} published lines of the lost hours came of a version 2"
                    in (words)
                )
                assert "this file must be the one that was applied then" in words
                none = await applied(fleet, tmp_path, POLICY + TAXED + "[billing]\n")
                assert "no line published since its backup names version 3" in none
                opened = await at.runs("restored")
                assert opened.exit_code == 0
                assert "prices of version 2 come from the file applied at " in opened.stderr
                assert "version 1 come" not in opened.stderr, "the backup has it"
                assert "version 3 come" not in opened.stderr, "no line names it"
            await fleet.settle()
            await at.says("verify")
            assert (await amounts(fleet) == before) == (way != "without")
            await at.says("restored")  # pressed again it is open already
