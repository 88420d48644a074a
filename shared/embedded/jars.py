"""The broker's jars: exactly those of `jars.lock`, downloaded once into the installation.

`python -m shared.embedded` downloads what is missing; `make install` calls it, so that no start
needs the network. A jar gets its name only after its SHA-256 was checked, so an incomplete one is
never used.
"""

import hashlib
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from shared.embedded.fetching import Fetcher, NotFetched
from shared.runtime.settings import Downloads, SettingsError

LOCK = Path(__file__).with_name("jars.lock")
BROKER = "org.apache.kafka:kafka_2.13:4.1.0"
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
"""Connects the broker's log calls to the log4j that it depends on; of the same version."""
TRIES = 4
PAUSE_SECONDS = 1.0


class JarsMissing(Exception):
    """The broker's jars are missing and could not be downloaded; run `make install` online."""


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
    """Return the jars of the broker and of all that it depends on."""
    lines = LOCK.read_text("utf-8").splitlines()
    return [Jar(*re.split("[: ]", line)) for line in lines]


def classpath(folder: Path | None = None) -> list[Path]:
    """Return the paths of all jars, fetching those that are missing.

    Raises `JarsMissing`, one line, when they cannot be fetched.
    """
    folder = folder or home()
    jars = locked()
    missing = [jar for jar in jars if not (folder / jar.file_name).exists()]
    if missing:
        _fetch(missing, folder)
    return [folder / jar.file_name for jar in jars]


def _fetch(jars: list[Jar], folder: Path) -> None:
    try:
        fetcher = Fetcher(Downloads.from_environment())
        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as cache,
            ThreadPoolExecutor(max_workers=8) as pool,
        ):
            try:
                work = [pool.submit(_fetch_one, fetcher, j, folder, Path(cache)) for j in jars]
                for fetched in work:
                    fetched.result()
            except JarsMissing:
                pool.shutdown(cancel_futures=True)  # the others would fail the same way
                raise
    except (SettingsError, NotFetched) as error:
        raise JarsMissing(f"the broker's jars cannot be fetched: {error}") from error
    except OSError as error:
        raise JarsMissing(f"the broker's jars cannot be kept in {folder}: {error}") from error


def _fetch_one(fetcher: Fetcher, jar: Jar, folder: Path, cache: Path) -> None:
    """Fetch one jar; errors that may pass are retried a few times, from the start."""
    path = f"{jar.group.replace('.', '/')}/{jar.artifact}/{jar.version}/{jar.file_name}"
    fresh, reason = cache / jar.file_name, ""
    for attempt in range(TRIES):
        time.sleep(PAUSE_SECONDS * (2.0**attempt - 1))
        try:
            digest = fetcher.fetch(path, fresh)
        except NotFetched as error:
            reason = str(error)
            if error.lasting:
                break
            continue
        if digest == jar.sha256:
            fresh.replace(folder / jar.file_name)
            return
        reason = f"the file from {fetcher.base} does not have the SHA-256 of jars.lock"
    raise JarsMissing(
        f"{jar.group}:{jar.artifact}:{jar.version} could not be fetched "
        f"(tries: {attempt + 1}): {reason}"
    )


def relock() -> None:
    """Write `jars.lock`: the broker and its dependencies, as Maven would choose them."""
    # These libraries resolve dependencies, and only `make lock` needs them.
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as cache:
        repositories = {"central": Downloads.from_environment().maven or MAVEN_CENTRAL_URL}
        context = MavenContext(repo_cache=Path(cache), remote_repos=repositories, timeout=60)
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
