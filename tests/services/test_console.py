"""The command line by itself: usage, exit codes, and what needs no fleet."""

import json
from codecs import BOM_UTF8
from datetime import date
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from benches import proving
from services.console.main import main
from services.console.values import Day
from services.workers import worker_command
from shared.embedded import fleet as fleets
from shared.embedded.fleet import Fleet, Roles

DATABASE = "ROLLFORWARD_DATABASE_URL"
NOWHERE = {
    "ROLLFORWARD_KAFKA": "",
    "ROLLFORWARD_DATABASE_URL": "",
    "ROLLFORWARD_DATA": "",
    "ROLLFORWARD_ZONE": "",
}
AWAY = {
    **NOWHERE,
    "ROLLFORWARD_KAFKA": "127.0.0.1:1",
    "ROLLFORWARD_DATABASE_URL": "postgresql://clerk:very-secret@127.0.0.1:1/book",
}
TICK = {
    "specversion": "1.0",
    "id": "t1",
    "source": "test",
    "type": "billing.tick.v1",
    "data": {"tick_id": "t1", "period": "2026-01", "as_of": "2026-01-01", "trigger": "manual"},
}


def run(*arguments: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, env=env or NOWHERE, input=stdin)


def test_help_names_every_command_that_others_rely_on() -> None:
    said = run("--help").stdout

    names = (
        "demo up migrate worker policy publish tick settle statement explain verify"
        " seal export rehearse refusals parked dlq quarantine bench"
    )
    for name in names.split(" "):
        assert f"  {name} " in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("settle",),
        ("statement", "c-1"),
        ("policy", "show"),
        ("tick", "--as-of", "2026-01-01"),
        ("verify",),
        ("export", "--format", "csv"),
        ("dlq", "list"),
        ("quarantine", "retry"),
        ("worker", "relay"),
        ("up",),
        ("settle", "--timeout", "0"),
        ("settle", "--timeout", "nan"),
        ("tick", "--as-of", "2026-02-30"),
        ("tick", "--as-of", "1999-12-31"),
        ("statement", "c-1", "--as-of", "2026-02-01T00:00:00"),
        ("statement", "c-1", "--as-of", "9999-12-31T23:59:59-14:00"),
        ("nothing-like-this",),
    ],
)
def test_wrong_usage_or_configuration_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr != ""
    assert isinstance(result.exception, SystemExit), "no traceback"


@pytest.mark.parametrize(
    "arguments",
    [("settle",), ("statement", "c-1"), ("policy", "show"), ("parked",), ("verify",)],
)
def test_a_database_that_is_away_is_exit_code_3(arguments: tuple[str, ...]) -> None:
    result = run(*arguments, env=AWAY)

    assert result.exit_code == 3
    assert "127.0.0.1:1/book cannot be reached" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "very-secret" not in result.output


def test_a_broker_that_is_away_is_exit_code_3() -> None:
    result = run("publish", "-", env=AWAY, stdin=json.dumps(TICK))

    assert result.exit_code == 3
    assert "Kafka at 127.0.0.1:1 cannot be reached" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROLLFORWARD_ZONE", "Asia/Dacca-on-Sea"),
        ("ROLLFORWARD_KAFKA", "no-port"),
        ("ROLLFORWARD_KAFKA", "127.0.0.1:99999"),
        ("ROLLFORWARD_KAFKA", "kafka..example:9092"),
        ("ROLLFORWARD_DATABASE_URL", "postgresql://u:very-secret@db..example/b"),
        ("ROLLFORWARD_DATABASE_URL", "mysql://x"),
        ("ROLLFORWARD_DATABASE_URL", "postgresql://u:very-secret@h/b?sslmode=verify_full"),
        ("ROLLFORWARD_DATABASE_URL", "postgresql://u:very-secret@h/b?ssl=require"),
        (
            "ROLLFORWARD_DATABASE_URL",
            "postgresql://u:very-secret@h/b?sslmode=disable&sslmode=verify-full",
        ),
        ("ROLLFORWARD_DATABASE_URL", "postgresql://u:very@secret@h/b"),
        ("ROLLFORWARD_DATABASE_URL", "postgresql://u:very-secret@h%00/b"),
        ("ROLLFORWARD_DATABASE_URL", "postgresql://u:very-secret@h/b?sslrootcert=/no/such.pem"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(name: str, value: str) -> None:
    result = run("settle", env={**AWAY, name: value})

    assert result.exit_code == 2
    assert name in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_option_of_the_database_that_is_given_twice_is_named() -> None:
    twice = "postgresql://u@h/b?sslmode=disable&sslmode=verify-full"

    assert "'sslmode' is given 2 times" in run("settle", env={**AWAY, DATABASE: twice}).stderr


def test_a_worker_that_there_is_not_is_refused_with_the_names_that_there_are() -> None:
    result = run("worker", "foo", env=AWAY)

    assert result.exit_code == 2
    assert "Invalid value for 'NAME': 'foo' is not one of 'coordinator'" in result.stderr
    assert "worker [OPTIONS] NAME" in result.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "starting Kafka, PostgreSQL and the workers ...\n"),
        ({DATABASE: AWAY[DATABASE]}, "starting Kafka and the workers ...\n"),
        ({name: AWAY[name] for name in ("ROLLFORWARD_KAFKA", DATABASE)}, "starting the workers"),
    ],
)
def test_up_says_at_once_what_it_starts(
    settings: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_fleet(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fleets, "Fleet", no_fleet)

    result = run("up", "--data", str(tmp_path), env=NOWHERE | settings)

    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.startswith(said)
    assert result.stderr.splitlines()[1:] == ["rollforward: interrupted"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "no JSON", "[" * 100_000, '{"sealed_at": "tomorrow"}', b"\xff"]
)
def test_what_is_no_seal_is_exit_code_2(text: str | bytes, tmp_path: Path) -> None:
    file = tmp_path / "seal.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())

    result = run("verify", "--seal", str(file), env=AWAY)

    assert result.exit_code == 2
    assert result.stderr == (
        f"rollforward: {file} is not a seal: give a file that `rollforward seal --out` wrote\n"
    )


def test_a_folder_without_a_fleet_says_how_to_start_one(tmp_path: Path) -> None:
    result = run("settle", "--data", str(tmp_path))

    assert result.exit_code == 2
    assert f"rollforward up --data {tmp_path}" in result.stderr


URL = "postgresql://clerk:very-secret@127.0.0.1:1/book"
ODD = (
    "", "null", "[]", "7", "{", "[" * 100_000, "{}", '"x"',
    '{"kafka": "127.0.0.1:1"}',
    f'{{"database_admin": "{URL}"}}',
    f'{{"kafka": null, "database_admin": "{URL}"}}',
    f'{{"kafka": 9092, "database_admin": "{URL}"}}',
    f'{{"kafka": ["127.0.0.1:1"], "database_admin": "{URL}"}}',
    f'{{"kafka": "", "database_admin": "{URL}"}}',
    f'{{"kafka": "nowhere", "database_admin": "{URL}"}}',
    f'{{"kafka": "127.0.0.1:1\\u0000", "database_admin": "{URL}"}}',
    '{"kafka": "127.0.0.1:1", "database_admin": {}}',
    '{"kafka": "127.0.0.1:1", "database_admin": "very-secret"}',
    '{"kafka": "127.0.0.1:1", "database_admin": "postgresql://u:very-secret@h:x/b"}',
)  # fmt: skip


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_a_connection_file_that_no_fleet_wrote_is_one_line_and_exit_code_2(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "connection.json"
    file.write_text(text)
    for arguments in (("statement", "rahim"), ("settle",), ("positions", "list"), ("migrate",)):
        result = CliRunner().invoke(main, [*arguments, "--data", str(tmp_path)], env=NOWHERE)
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert str(file) in line
        assert "stop the fleet and start it again" in line
        assert "very-secret" not in line


@pytest.mark.parametrize("text", ["", "null", "[]", '{"pids": 7}', '{"pids": {"relay": []}}'])
def test_a_fleet_starts_over_a_connection_file_that_no_fleet_wrote(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "connection.json").write_text(text)
    fleet = Fleet(tmp_path, {}, prepare=_nothing, command=worker_command)

    assert not fleet._is_leftover()(psutil.Process())


async def _nothing(_: object) -> Roles:
    raise AssertionError("the fleet is not started")


def test_a_policy_file_with_faults_is_refused_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('[[tax]]\ncode = "VAT"\nrate = 5\nfrom = 2026-01-01\n[billing]\ndays = 3\n')

    result = run("policy", "apply", str(file))

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines()[:2] == [
        'policy.toml:3: tax[1] rate: must be a string such as "12.5"',
        "policy.toml:6: billing days: is not a key; known are grace_days",
    ]


def test_a_byte_order_mark_before_the_first_event_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(BOM_UTF8 + json.dumps(TICK).encode())

    # Kafka is away: the exit code says that sending was tried.
    assert run("publish", str(file), env=AWAY).exit_code == 3


def test_a_line_that_cannot_be_routed_stops_the_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    lines = [json.dumps(TICK), "", "{", json.dumps({**TICK, "type": "x"}), json.dumps(TICK)]
    file.write_text("\n".join(lines))

    # Kafka is away: had anything been sent, the exit code would be 3.
    result = run("publish", str(file), env=AWAY)

    assert result.exit_code == 1
    first, second, last = result.stderr.splitlines()
    assert first.startswith(f"{file}:3: not JSON")
    assert second == f"{file}:4: type: 'x' is not known"
    assert last.endswith("2 lines cannot be routed; nothing was sent")


def test_a_line_that_the_fleet_could_not_read_stops_the_whole_file_unless_it_is_asked_for(
    tmp_path: Path,
) -> None:
    lines = tmp_path / "events.jsonl"
    odd = {**TICK, "data": {**TICK["data"], "as_of": "2026-02-30"}}  # type: ignore[dict-item]
    lines.write_text(f"{json.dumps(TICK)}\n{json.dumps(odd)}\n")

    refused = run("publish", str(lines), env=AWAY)
    sent = run("publish", str(lines), "--anyway", env=AWAY)

    assert refused.exit_code == 1
    assert f"{lines}:2: data.as_of" in refused.stderr
    assert "1 line cannot be read by the fleet; nothing was sent" in refused.stderr
    assert sent.exit_code == 3, "it went on to Kafka, which is away"


def test_a_day_is_read_as_the_events_read_it() -> None:
    assert Day().convert("2026-02-01", None, None) == date(2026, 2, 1)


@pytest.mark.parametrize(("load", "quiet"), [(0.0, True), (1.994, True), (2.0, False)])
def test_a_bench_says_whether_the_machine_was_quiet_when_it_began(
    load: float, quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: object) -> dict[str, str]:
        monkeypatch.setattr(psutil, "getloadavg", lambda: (9.0, 9.0, 9.0))
        return {"bench": "verify"}

    monkeypatch.setattr(psutil, "getloadavg", lambda: (load, 9.0, 9.0))
    monkeypatch.setattr(proving, "verify", busy)

    said = json.loads(run("bench", "verify").stdout)

    assert said == {"bench": "verify", "load_average": round(load, 2), "quiet": quiet}


@pytest.mark.parametrize(
    "arguments",
    [
        ("customers", "--limit", f"{10**20}"),
        ("refusals", "--limit", f"{10**20}"),
        ("policy", "show", "--version", f"{10**20}"),
        ("restored", "--incarnation", f"{10**20}"),
    ],
    ids=" ".join,
)
def test_a_number_that_the_book_could_not_hold_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    result = run(*arguments, env=AWAY)

    assert result.exit_code == 2
    assert "100000000000000000000 is not in the range" in result.stderr.splitlines()[-1]
