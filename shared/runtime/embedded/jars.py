"""The broker's jars: exactly those of `jars.lock`, fetched once into the installation.

`python -m shared.runtime.embedded` fetches what is missing; `make install` calls it, so
that no start needs the network. A jar is there whole and right, or not at all: it is
checked against its SHA-256 before it gets its name.
"""

import hashlib
import logging
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jgo.maven import MavenContext

LOCK = Path(__file__).with_name("jars.lock")
BROKER = "org.apache.kafka:kafka_2.13:4.1.0"
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
"""Binds the broker's log calls to the log4j that it brings, of the same version."""
TRIES = 4


class JarsMissing(Exception):
    """The broker's jars are not here and could not be fetched; run `make install` online."""


class Jar(NamedTuple):
    """One line of `jars.lock`: Maven coordinates and the SHA-256 of the file, in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def home() -> Path:
    """Return the folder of the jars: it belongs to the installation, not to a user or a fleet."""
    return Path(sys.prefix) / "share" / "rollforward" / "kafka"


def locked() -> list[Jar]:
    """Return the jars that the broker is made of."""
    lines = LOCK.read_text("utf-8").splitlines()
    return [Jar(*re.split("[: ]", line)) for line in lines]


def classpath(folder: Path | None = None) -> list[Path]:
    """Return the paths of all jars, fetching those that are missing.

    Raises `JarsMissing`, one line, when the package index cannot be reached.
    """
    folder = folder or home()
    jars = locked()
    missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if missing:
        _fetch(missing, folder)
    return [folder / jar.file_name for jar in jars]


def _fetch(jars: list[Jar], folder: Path) -> None:
    logging.getLogger("jgo").setLevel(logging.ERROR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as cache,
            ThreadPoolExecutor(max_workers=8) as pool,
        ):
            for fetched in [pool.submit(_fetch_one, jar, folder, Path(cache)) for jar in jars]:
                fetched.result()
    except OSError as error:
        raise JarsMissing(f"the broker's jars cannot be kept in {folder}: {error}") from error


def _fetch_one(jar: Jar, folder: Path, cache: Path) -> None:
    """Fetch one jar with a few tries, each from scratch."""
    reason = ""
    for attempt in range(TRIES):
        time.sleep(2.0**attempt - 1)
        place = Path(tempfile.mkdtemp(dir=cache))
        context = MavenContext(repo_cache=place, timeout=60)
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            file = artifact.resolve()
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            reason = f"{type(error).__name__}: {error}"
            continue
        if _sha256(file) == jar.sha256:
            file.replace(folder / jar.file_name)
            shutil.rmtree(place)
            return
        reason = "its SHA-256 is not that of jars.lock"
    raise JarsMissing(
        f"{jar.group}:{jar.artifact}:{jar.version} could not be fetched in {TRIES} tries: {reason}"
    )


def relock() -> None:
    """Write `jars.lock`: the broker and all that it needs, as Maven would choose them."""
    with tempfile.TemporaryDirectory() as cache:
        context = MavenContext(repo_cache=Path(cache), timeout=60)
        broker, needed = context.resolver.resolve([context.create_dependency(BROKER)])
        chosen = [*broker, *needed, context.create_dependency(LOGGING)]
        rows = [
            f"{jar.groupId}:{jar.artifactId}:{jar.version} {_sha256(jar.artifact.resolve())}\n"
            for jar in chosen
            if jar.scope in ("compile", "runtime", None)
        ]
    LOCK.write_text("".join(sorted(rows)), "utf-8")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
