"""The faults of a chaos run, each a function of the scene that returns when it is over."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import date, timedelta

import asyncpg

from shared.embedded.starting import get
from shared.ledger.postgres.locks import lock_buckets
from tests.faults.chaos_fleet import worker
from tests.faults.made_anew import anew
from tests.faults.scene import ROOT, TERMINATE, Scene

HOLDING_SECONDS = 25.0
LEAVES_SECONDS_MAX = 15.0

Fault = Callable[[Scene], Awaitable[None]]


async def kill(scene: Scene) -> None:
    """Kill -9 a worker; its supervisor starts it again."""
    await _signal(scene, signal.SIGKILL)


async def terminate(scene: Scene) -> None:
    """Tell a worker to stop; its supervisor starts it again."""
    await _signal(scene, signal.SIGTERM)


async def _signal(scene: Scene, number: signal.Signals) -> None:
    pids = await scene.pids()
    for name in scene.random.sample(sorted(pids), 2):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[name], number)


async def steps(scene: Scene) -> None:
    """Let workers die at a step of a batch of theirs, before it or after it, one after another."""
    for _ in range(4):
        kind = scene.random.choice(("coordinator", "generator", "collector", "notifier", "relay"))
        order = {"at": scene.random.randint(1, 30), "early": scene.random.random() < 0.5}
        said = scene.folder / f"step-{kind}"
        fresh = scene.folder / f".{said.name}"
        fresh.write_text(json.dumps(order), "utf-8")
        fresh.replace(said)
        await _until(lambda said=said: not said.exists(), 3)  # type: ignore[misc]
        said.unlink(missing_ok=True)


async def supervisor(scene: Scene) -> None:
    """Kill -9 the supervisor, or tell it to stop: broker and workers end with it."""
    await scene.stop_fleet(scene.random.choice((signal.SIGKILL, signal.SIGTERM)))
    await scene.start_fleet()


async def zombie(scene: Scene) -> None:
    """Stop a worker with a batch in hand until another has taken over and done it; wake it up."""
    kind = scene.random.choice(("collector", "generator", "notifier"))
    hold, held = scene.folder / f"hold-{kind}", scene.folder / f"held-{kind}"
    held.unlink(missing_ok=True)
    hold.touch()
    try:
        if not await _until(held.exists):
            return
        said = json.loads(held.read_text("utf-8"))
        with contextlib.suppress(ProcessLookupError):
            os.kill(said["pid"], signal.SIGSTOP)
            hold.unlink()
            await _until_done_by_another(scene, kind, said["offsets"])
            before = scene.said()["fenced"]
            os.kill(said["pid"], signal.SIGCONT)
            await _until(lambda: scene.said()["fenced"] > before or not _runs(said["pid"]), 10)
    finally:
        hold.unlink(missing_ok=True)


async def _until_done_by_another(
    scene: Scene, kind: str, offsets: list[tuple[str, int, int]]
) -> None:
    topics, partitions, firsts = zip(*offsets, strict=True)

    async def done() -> bool:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with scene.connected() as connection:
                moved = await connection.fetchval(
                    "SELECT count(*) FROM book.position"
                    " JOIN unnest($2::text[], $3::integer[], $4::bigint[])"
                    " AS held (topic, partition, first) USING (topic, partition)"
                    " WHERE consumer = $1 AND next_offset > first",
                    kind, list(topics), list(partitions), list(firsts),
                )  # fmt: skip
                return bool(moved == len(offsets))
        return False

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HOLDING_SECONDS):
            while not await done():
                await asyncio.sleep(0.1)


async def rebalance(scene: Scene) -> None:
    """Let one more worker join, and leave in order within seconds."""
    kind = scene.random.choice(("collector", "generator", "notifier", "coordinator", "relay"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = scene.environment | {
        "ROLLFORWARD_KAFKA": await scene.kafka(),
        "ROLLFORWARD_METRICS_PORT": str(port),
    }
    with (scene.folder / f"guest-{kind}.log").open("ab") as log:
        guest = await asyncio.create_subprocess_exec(
            *worker(scene.folder, kind), stdout=log, stderr=log, env=environment, cwd=ROOT
        )
    try:
        async with asyncio.timeout(HOLDING_SECONDS):
            while (await get("127.0.0.1", port, "/readyz"))[0] != 200 and guest.returncode is None:
                await asyncio.sleep(0.1)
        guest.terminate()
        async with asyncio.timeout(LEAVES_SECONDS_MAX):
            if await guest.wait():
                scene.wrong.append(f"a {kind} that was told to leave ended with {guest.returncode}")
    except TimeoutError:
        if guest.returncode is None:
            guest.kill()
            await guest.wait()
    except ProcessLookupError:
        pass


async def broker(scene: Scene) -> None:
    """Kill -9 the broker; its supervisor starts it again."""
    if (pid := scene.broker_pid()) is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def postgres(scene: Scene) -> None:
    """Stop PostgreSQL immediately, as a machine that loses its power; its keeper starts it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(scene.postgres.pid, signal.SIGQUIT)


async def sessions(scene: Scene) -> None:
    """Terminate the sessions of workers, again and again."""
    for _ in range(8):
        await _tell(scene, TERMINATE)
        await asyncio.sleep(0.25)


async def commits(scene: Scene) -> None:
    """Cut connections while COMMIT is in flight: half of the commits count, half do not."""
    scene.proxy.cut_commits(8)


async def locks(scene: Scene) -> None:
    """Hold some customers' locks for a while."""
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        async with scene.connected() as connection, connection.transaction():
            await lock_buckets(connection, range(32))
            await asyncio.sleep(3)


async def timeouts(scene: Scene) -> None:
    """Let statements and locks time out soon, while some locks are held."""
    await _tell(scene, "ALTER DATABASE rollforward SET statement_timeout = '40ms'")
    await _tell(scene, "ALTER DATABASE rollforward SET lock_timeout = '15ms'")
    try:
        await _tell(scene, TERMINATE)
        await locks(scene)
    finally:
        await _tell(scene, "ALTER DATABASE rollforward RESET statement_timeout")
        await _tell(scene, "ALTER DATABASE rollforward RESET lock_timeout")
        await _tell(scene, TERMINATE)


async def disk(scene: Scene) -> None:
    """Let PostgreSQL's disk be full for a while."""
    home = scene.folder / "database" / "postgres"
    if not home.is_mount():
        return
    ballast = home / "ballast"
    try:
        with ballast.open("wb") as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while free := shutil.disk_usage(home).free // size * size:
                        os.posix_fallocate(file.fileno(), file.tell(), free)
                        file.seek(0, os.SEEK_END)
        await asyncio.sleep(4)
    finally:
        ballast.unlink(missing_ok=True)


async def clock(scene: Scene) -> None:
    """Let all clocks jump a day back, then a month forward, then right again."""
    shown = (scene.folder / "clock").read_text("utf-8")
    day = date.fromisoformat(shown[:10])
    try:
        for days in (-1, 31):
            scene.show(f"{day + timedelta(days=days)}{shown[10:]}")
            await _tell(scene, f"UPDATE chaos.clock SET ahead = '{days} days'")
            await asyncio.sleep(2)
    finally:
        scene.show(shown)
        await _tell(scene, "UPDATE chaos.clock SET ahead = '0'")


async def rogue(scene: Scene) -> None:
    """A writer that forgot its locks appends what others have appended meanwhile, each wrong line
    until the book has said no to it (or, without its constraints, yes)."""
    for changes in STALE_LINES * 2:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HOLDING_SECONDS):
                while not await _appended(scene, changes):
                    await asyncio.sleep(0.1)


async def _appended(scene: Scene, changes: dict[str, str]) -> bool:
    """Try to append a wrong line; return whether the book has answered."""
    try:
        async with scene.connected() as connection:
            columns = await connection.fetchval(
                "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
                " WHERE table_schema = 'book' AND table_name = 'line'"
                " AND column_name <> 'position'"
            )
            await connection.execute("SET ROLE rollforward_writer")
            done: str = await connection.execute(_stale_line(columns, changes))
            return done != "INSERT 0 0"  # there is no line yet to follow
    except asyncpg.IntegrityConstraintViolationError:
        return True
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False


STALE_LINES: tuple[dict[str, str], ...] = (
    {},  # the line that another has written
    {"seq": "seq + 1"},  # the revision that another has written
    {
        "seq": "seq + 1",
        "revision": "revision + 1",
        "previous_due": "previous_due + 1",
        "due": "due + 1",
    },
    {"seq": "seq + 1", "revision": "revision + 1", "paid": "paid + 1"},
    {"seq": "seq + 1", "revision": "revision + 1", "kind": "'bill'"},  # on one that stands
)


def _stale_line(columns: str, changes: dict[str, str]) -> str:
    chosen = ", ".join(changes.get(name, name) for name in columns.split(", "))
    return (
        f"INSERT INTO book.line ({columns}) SELECT {chosen} FROM book.line AS last"
        " WHERE standing AND NOT EXISTS (SELECT FROM book.line AS later"
        " WHERE later.customer_id = last.customer_id AND later.seq > last.seq)"
        " ORDER BY customer_id LIMIT 1"
    )


AHEAD = """
ALTER TABLE book.line ADD COLUMN IF NOT EXISTS later text;
ALTER TABLE book.account ADD COLUMN IF NOT EXISTS later text;
CREATE TABLE IF NOT EXISTS book.later (number integer PRIMARY KEY);
ALTER TABLE book.later OWNER TO rollforward_owner;
GRANT SELECT, INSERT ON book.later TO rollforward_writer;
INSERT INTO book.migration (name) VALUES ('9999_later.sql') ON CONFLICT DO NOTHING;
"""
"""An expand migration of a later release: it only adds."""


async def ahead(scene: Scene) -> None:
    """Apply the migration of a later release under load; then every worker dies, and those that are
    started find a book ahead of them."""
    await _tell(scene, AHEAD)
    for pid in (await scene.pids()).values():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def _tell(scene: Scene, statement: str) -> None:
    """Have PostgreSQL do something, however often it must be asked."""
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async with scene.connected() as connection:
                await connection.execute(statement)
                return
        await asyncio.sleep(0.1)


async def _until(holds: Callable[[], bool], seconds: float = HOLDING_SECONDS) -> bool:
    """Wait until something holds; return whether it does, in the end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.05)
    return holds()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        kill, terminate, steps, supervisor, zombie, rebalance, broker, postgres, sessions, commits,
        locks, timeouts, disk, clock, rogue, ahead, anew,
    )
}  # fmt: skip
