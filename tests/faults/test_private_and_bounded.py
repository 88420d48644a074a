"""The folder of a fleet: nobody else may read anything in it, and its logs stay small."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from services.workers import worker_command
from shared.embedded import DataFolder, Kafka
from shared.embedded.fleet import Fleet
from shared.embedded.preparing import prepare
from shared.embedded.process import spawn
from shared.runtime.rotation import FILES
from shared.runtime.settings import Settings
from tests.support.patience import until

TINY = 1024
RECORD_BYTES_MAX = 1000
"""A log passes its bound by one record at most."""


def readable_by_others(folder: Path) -> list[str]:
    """Name what group or others may read, write or list, the folder itself among it."""
    return [
        f"{stat.filemode(path.lstat().st_mode)} {path}"
        for path in (folder, *folder.rglob("*"))
        if path.lstat().st_mode & 0o066 and not path.is_symlink()
    ]


def open_to_all(folder: Path) -> None:
    """Give a folder the rights that an earlier release left it."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def written(log: Path) -> list[Path]:
    """Return a log's files, the oldest first."""
    before = [log.with_name(f"{log.name}.{number}") for number in range(FILES + 2, 0, -1)]
    return [file for file in (*before, log) if file.exists()]


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A shell whose new files everybody may read, as most are."""
    before = os.umask(0o022)
    yield
    os.umask(before)


async def test_nobody_else_may_read_anything_in_the_folder_of_a_fleet(
    tmp_path: Path, open_umask: None
) -> None:
    """A new folder, then one that an earlier release left open; while the fleet runs and after."""
    data, settings = tmp_path / "fleet", Settings(log_bytes=TINY)
    for _ in range(2):
        async with Fleet(
            data, {"relay": 1}, prepare=prepare(settings), command=worker_command, settings=settings
        ) as fleet:
            assert fleet.connection_file.exists()
            assert readable_by_others(data) == []
        assert (data / "log" / "relay.log").stat().st_size
        assert readable_by_others(data) == []
        open_to_all(data)


async def test_who_may_only_read_reaches_no_other_database_of_our_server(tmp_path: Path) -> None:
    """From there it could fill the table of locks that all databases share."""
    settings = Settings()
    async with Fleet(
        tmp_path / "fleet", {}, prepare=prepare(settings), command=worker_command, settings=settings
    ) as fleet:
        for other in ("postgres", "template1"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                await asyncpg.connect(f"{fleet.database.rpartition('/')[0]}/{other}")


async def test_what_others_keep_in_the_folder_keeps_its_rights(tmp_path: Path) -> None:
    theirs = tmp_path / "policy.toml"
    theirs.touch()
    theirs.chmod(0o644)
    link = tmp_path / "log" / "elsewhere"
    link.parent.mkdir()
    link.symlink_to(theirs)

    folder = DataFolder(tmp_path)
    folder.lock()
    folder.unlock()

    assert stat.S_IMODE(theirs.stat().st_mode) == 0o644
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


async def test_the_logs_of_a_fleet_are_rotated_by_size_and_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.embedded.servers.LOGS_SECONDS", 0.05)
    settings = Settings(log_bytes=TINY)
    data = tmp_path / "fleet"
    worker, server = data / "log" / "relay.log", data / "postgres" / "log"
    async with Fleet(
        data, {"relay": 1}, prepare=prepare(settings), command=worker_command, settings=settings
    ) as fleet:
        while len(written(worker)) < 2:
            await fleet.stop_worker("relay")
            await fleet.start_worker("relay")

        connection = await asyncpg.connect(fleet.database_admin)
        newest = max(server.iterdir())
        while max(server.iterdir()) == newest:
            await connection.execute("DO $$ BEGIN RAISE LOG '%', repeat('x', 900); END $$")
        for year in range(2001, 2009):
            (server / f"postgres-{year}0101-000000.log").touch()
        await until(lambda: len(list(server.iterdir())) <= FILES)
        assert newest in server.iterdir(), "the oldest go first"
        await connection.close()

    assert all(file.stat().st_size < TINY + RECORD_BYTES_MAX for file in written(worker))


async def test_the_broker_s_log_is_rotated_by_size_and_few(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    log = folder.log / "kafka.log"
    broker = Kafka(folder, log_bytes=100)
    for _ in range(3):
        await broker.start()
        await broker.stop()

    assert len(written(log)) == FILES
    assert len(list(folder.log.glob("kafka.log*"))) == FILES


WRITER = """
import logging, os, sys
from pathlib import Path
from shared.runtime.log import set_up

set_up("INFO", Path(sys.argv[1]), int(sys.argv[2]))
for number in range(int(sys.argv[3])):
    logging.info("record %d", number)
print("printed", flush=True)
os.write(2, b"the last words")
os.kill(os.getpid(), 9)
"""


def test_a_worker_that_is_killed_loses_no_word_of_what_is_kept(tmp_path: Path) -> None:
    log, count = tmp_path / "worker.log", 100

    ended = subprocess.run([sys.executable, "-c", WRITER, log, str(TINY), str(count)], check=False)

    assert ended.returncode == -signal.SIGKILL
    files = written(log)
    assert len(files) == FILES
    assert all(file.stat().st_size < TINY + RECORD_BYTES_MAX for file in files)
    lines = "".join(file.read_text("utf-8") for file in files).splitlines()
    assert lines[-2:] == ["printed", "the last words"]
    first = count - len(lines) + 2
    assert first > 0
    for number, line in enumerate(lines[:-2], start=first):
        assert f'"record {number}"' in line


async def test_a_process_that_dies_at_once_again_and_again_does_not_fill_the_disk(
    tmp_path: Path,
) -> None:
    log = tmp_path / "worker.log"
    for _ in range(30):
        process = await spawn(
            ["/bin/sh", "-c", "printf '%400s' x"], log=log, log_bytes=TINY, environment={}
        )
        assert await process.wait() == 0

    assert len(written(log)) == FILES
    assert all(file.stat().st_size < TINY + RECORD_BYTES_MAX for file in written(log))
    assert len(list(tmp_path.iterdir())) == FILES
