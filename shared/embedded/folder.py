"""The folder of an embedded fleet: its lock, and the ports and passwords stored in it.

It holds customers' names and telephone numbers, so only its owner may read it.
"""

import contextlib
import fcntl
import json
import os
import random
import secrets
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

# Below the range from which systems take ports for outgoing connections, so that a port stored for
# months is rarely taken by another program.
_PORTS = range(15_000, 32_000)


OURS = ("log", "kafka", "postgres", "lock", "kept.json", "connection.json")
"""What a fleet creates in its folder; other files there are left alone."""


class DirectoryInUse(Exception):
    """Another fleet runs on this folder; stop it first, or choose another folder."""


class DataFolder:
    """One fleet's folder: `path`, its `log` folder, and what is kept in `kept.json` (0600)."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.log = self.path / "log"
        self._kept = self.path / "kept.json"
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Lock the folder until `unlock` or the end of this process, and make it private, even if
        an earlier release left it readable.

        Raises `DirectoryInUse` with the process id of its owner.
        """
        self.path.mkdir(0o700, parents=True, exist_ok=True)
        self.log.mkdir(0o700, exist_ok=True)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        file = os.fdopen(descriptor, "a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            file.close()
            raise DirectoryInUse(
                f"{self.path} is in use by a fleet that runs (process {owner})"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._lock = file
        make_private(self.path, *(self.path / name for name in OURS))

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def locked(self) -> bool:
        return self._lock is not None

    def password(self, name: str) -> str:
        """Return the password stored under `name`; made at random the first time."""
        return str(self._keep(f"password {name}", lambda: secrets.token_urlsafe(24)))

    def port(self, name: str) -> int:
        """Return the loopback port stored under `name`; a new one if another program uses it
        now."""
        key = f"port {name}"
        taken = {port for other, port in self._read().items() if other.startswith("port ")}
        port = int(self._keep(key, lambda: _free_port(taken)))
        if not _is_free(port):
            self._write({**self._read(), key: (port := _free_port(taken))})
        return port

    def _keep(self, key: str, make: Callable[[], str | int]) -> str | int:
        kept = self._read()
        if key not in kept:
            kept[key] = make()
            self._write(kept)
        return kept[key]

    def _read(self) -> dict[str, str | int]:
        try:
            kept: dict[str, str | int] = json.loads(self._kept.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return kept

    def _write(self, kept: dict[str, str | int]) -> None:
        self.path.mkdir(0o700, parents=True, exist_ok=True)
        write_atomically(self._kept, json.dumps(kept, indent=1) + "\n")


def make_private(folder: Path, *inside: Path) -> None:
    """Remove all rights of group and others from a folder, and from the given paths in it,
    recursively.

    A folder of another owner, a volume for instance, keeps its rights: whatever we create in it is
    private by itself.
    """
    with contextlib.suppress(PermissionError):
        _take_rights(folder)
    for path in inside:
        _take_rights(path)
        for at, folders, files in os.walk(path):
            for name in (*folders, *files):
                _take_rights(Path(at, name))


def _take_rights(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
        mode = path.lstat().st_mode
        if mode & 0o077 and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~0o077)


def write_atomically(file: Path, text: str) -> None:
    """Write a file (0600) so that readers, even after a crash, see the old text or the new one."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(descriptor)
    fresh.replace(file)


def _free_port(taken: set[str | int]) -> int:
    candidates = random.sample(_PORTS, 200)
    return next(port for port in candidates if port not in taken and _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
