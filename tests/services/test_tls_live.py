"""TLS to PostgreSQL is spelled one way for every command and worker (deploy/README.md)."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from services.console.main import main
from services.workers import worker_command
from shared.embedded import Kafka
from shared.ledger.postgres import verifying
from tests.services.test_console_live import PAYMENT, SIGNUP
from tests.support.live import live
from tests.support.tls import Pair, pair, postgres_behind_tls

COMMANDS = (
    ("migrate",),
    ("settle",),
    ("statement", "rahim"),
    ("verify",),
    ("policy", "show"),
    ("quarantine", "retry"),
    ("export", "--format", "csv"),
)


class Secured(NamedTuple):
    """A server, its URL without options, and who may enter."""

    url: str
    server: Pair
    client: Pair
    stranger: Pair

    def options(self, trusted: Pair, mode: str = "verify-full") -> str:
        """Return the URL with a client's certificate, trusting an authority."""
        return f"{self.url}?" + urlencode({
            "sslmode": mode,
            "sslrootcert": trusted.certificate,
            "sslcert": self.client.certificate,
            "sslkey": self.client.key,
        })  # fmt: skip

    @property
    def password(self) -> str:
        return urlsplit(self.url).password or ""


@pytest_asyncio.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    home = tmp_path_factory.mktemp("tls")
    server, client, stranger = (pair(home, name) for name in ("server", "client", "stranger"))
    async with postgres_behind_tls(home / "data", server, client) as url:
        yield Secured(url, server, client, stranger)


@pytest.fixture
def shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `verify` share out even the smallest book to processes."""
    monkeypatch.setattr(verifying, "LINES_PER_RANGE", 1)


async def run(kafka: Kafka, url: str, *arguments: str, **others: str) -> Result:
    env = {
        "ROLLFORWARD_KAFKA": kafka.bootstrap,
        "ROLLFORWARD_DATABASE_URL": url,
        "ROLLFORWARD_DATA": "",
        **others,
    }
    return await asyncio.to_thread(CliRunner().invoke, main, arguments, env=env)


async def started(kafka: Kafka, url: str, **others: str) -> tuple[int, str]:
    """Start a worker that is to end by itself; return its code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *worker_command("collector"),
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "ROLLFORWARD_KAFKA": kafka.bootstrap,
            "ROLLFORWARD_DATABASE_URL": url,
            **others,
        },
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return await process.wait(), said.decode()


@pytest.mark.usefixtures("shared_out")
async def test_one_url_does_for_every_worker_and_command(kafka: Kafka, secured: Secured) -> None:
    url = secured.options(secured.server)
    made = await run(kafka, url, "migrate")
    assert made.exit_code == 0, made.output

    async with live(kafka.bootstrap, url) as fleet:
        for name in ("rahim", "karim"):
            signup = {**SIGNUP, "customer_id": name}
            await fleet.publish("billing.customer.signed_up.v1", signup)
        await fleet.publish("billing.payment.received.v1", PAYMENT)
        await fleet.settle()
        for command in COMMANDS:
            done = await run(kafka, url, *command)
            assert done.exit_code == 0, done.output
        verified = await run(kafka, url, "verify", "--json")

    assert json.loads(verified.stdout)["customers"] == 2


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_wrong_authority_is_one_clear_line_and_exit_code_3(
    kafka: Kafka, secured: Secured, command: tuple[str, ...]
) -> None:
    result = await run(kafka, secured.options(secured.stranger), *command)

    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert "certificate is not trusted" in line
    assert "sslrootcert" in line
    assert secured.password not in result.output


async def test_a_worker_that_does_not_trust_the_server_ends_with_code_3(
    kafka: Kafka, secured: Secured
) -> None:
    code, said = await started(kafka, secured.options(secured.stranger))

    assert code == 3
    assert "certificate is not trusted" in json.loads(said.splitlines()[-1])["message"]
    assert "Traceback" not in said
    assert secured.password not in said


async def test_without_tls_nobody_enters(kafka: Kafka, secured: Secured) -> None:
    result = await run(kafka, f"{secured.url}?sslmode=disable", "settle")

    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1


async def test_the_password_may_be_in_a_file_of_its_own(
    kafka: Kafka, secured: Secured, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(f"{secured.password}\n")
    wrong.write_text("no-such-p@ss/word\n")
    bare = secured.options(secured.server).replace(f":{secured.password}@", "@")
    name = "ROLLFORWARD_DATABASE_PASSWORD_FILE"

    assert (await run(kafka, bare, "migrate", **{name: str(right)})).exit_code == 0
    refused = await run(kafka, bare, "settle", **{name: str(wrong)})
    code, said = await started(kafka, bare, **{name: str(wrong)})

    assert (refused.exit_code, code) == (3, 3)
    assert "password" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    for each in (refused.output, said):
        assert "p@ss" not in each
        assert "p%40ss" not in each
