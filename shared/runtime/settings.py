"""Settings: the only place where the environment is read.

Everything else takes a `Settings` or plain values, so that a test or an embedded fleet can choose
settings without changing its own environment.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, urlsplit
from zoneinfo import ZoneInfo

from shared.kafka.buckets import buckets_of

_DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SSL_FILES = ("sslrootcert", "sslcert", "sslkey")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """The configuration cannot be used; the message names the variable and what it accepts."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings from the environment, checked; each field is one `ROLLFORWARD_…` variable.

    `kafka` is "host:port" or several with commas between, `database_url` a `postgresql://` URL;
    either is None where the embedded fleet in `data` is used. `metrics_port` 0 takes any free port.
    `supervisor` is a process id: this worker exits when that process does. A worker's log goes to
    `log_file`, else to stderr; each log file of a fleet is rotated at `log_bytes`.
    """

    kafka: str | None = None
    database_url: str | None = field(default=None, repr=False)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Dhaka"))
    data: Path | None = None
    partitions: int = 12
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    log_level: str = "INFO"
    supervisor: int | None = None
    log_file: Path | None = None
    log_bytes: int = 10 << 20

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return the settings, or raise `SettingsError` with one clear line.

        A variable that is set but empty counts as not set.
        """
        source = os.environ if environment is None else environment
        given = {name: value for name, value in source.items() if value.strip()}
        unset = cls()
        data, log_file = given.get("ROLLFORWARD_DATA"), given.get("ROLLFORWARD_LOG_FILE")
        supervisor = _number(given, "ROLLFORWARD_SUPERVISOR", 0, 0, 2**31 - 1)
        return cls(
            kafka=_bootstrap(given.get("ROLLFORWARD_KAFKA")),
            database_url=_database_url(
                given.get("ROLLFORWARD_DATABASE_URL"),
                given.get("ROLLFORWARD_DATABASE_PASSWORD_FILE"),
            ),
            zone=_zone(given.get("ROLLFORWARD_ZONE", unset.zone.key)),
            data=Path(data).expanduser() if data else None,
            partitions=_number(given, "ROLLFORWARD_PARTITIONS", unset.partitions, 1, 1000),
            metrics_host=given.get("ROLLFORWARD_METRICS_HOST", unset.metrics_host).strip(),
            metrics_port=_number(given, "ROLLFORWARD_METRICS_PORT", 0, 0, 65535),
            log_level=_log_level(given.get("ROLLFORWARD_LOG_LEVEL", unset.log_level)),
            supervisor=supervisor or None,
            log_file=Path(log_file).expanduser() if log_file else None,
            log_bytes=_number(given, "ROLLFORWARD_LOG_BYTES", unset.log_bytes, 1024, 2**40),
        )

    @property
    def buckets(self) -> int:
        """How many buckets a fleet of so many partitions has."""
        return buckets_of(self.partitions)

    def with_servers(self, kafka: str, database_url: str) -> Self:
        """Return these settings pointed at the given servers."""
        return replace(self, kafka=kafka, database_url=database_url)

    def environment(self) -> dict[str, str]:
        """Return the variables from which `from_environment` makes these settings again."""
        values = {
            "ROLLFORWARD_KAFKA": self.kafka,
            "ROLLFORWARD_DATABASE_URL": self.database_url,
            "ROLLFORWARD_ZONE": self.zone.key,
            "ROLLFORWARD_DATA": self.data,
            "ROLLFORWARD_PARTITIONS": self.partitions,
            "ROLLFORWARD_METRICS_HOST": self.metrics_host,
            "ROLLFORWARD_METRICS_PORT": self.metrics_port,
            "ROLLFORWARD_LOG_LEVEL": self.log_level,
            "ROLLFORWARD_SUPERVISOR": self.supervisor,
            "ROLLFORWARD_LOG_FILE": self.log_file,
            "ROLLFORWARD_LOG_BYTES": self.log_bytes,
        }
        return {name: str(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Downloads:
    """Where the broker's jars are downloaded from, and which certificate authorities are trusted.

    `maven` is the base URL of a Maven repository, which may hold a login (never shown); None means
    Maven Central.
    `certificates` are (variable, file or folder) of authorities to trust besides the system's.
    """

    maven: str | None = None
    certificates: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return them, or raise `SettingsError` with one clear line."""
        source = os.environ if environment is None else environment
        given = {name: value.strip() for name, value in source.items() if value.strip()}
        return cls(
            maven=_maven(given.get("ROLLFORWARD_MAVEN")),
            certificates=tuple(
                (name, Path(given[name]).expanduser()) for name in CERTIFICATES if name in given
            ),
        )


CERTIFICATES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The variables from which pip and its libraries take certificate authorities."""


def _maven(text: str | None) -> str | None:
    """Return the URL of a Maven repository. An error never shows it: it may hold a password."""
    if text is None:
        return None
    try:
        url = urlsplit(text)
        usable = url.scheme in ("https", "http") and url.hostname and (url.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError("ROLLFORWARD_MAVEN: not a URL like https://repo.example/maven2")
    return text.rstrip("/")


def inherited_environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with `changes`, to start a child with."""
    return {**os.environ, **changes}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise SettingsError(
            f"ROLLFORWARD_ZONE: {name!r} is not a time zone; write one like Asia/Dhaka"
        ) from None


def _number(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = given.get(name, str(default)).strip()
    if text.isascii() and text.isdigit() and low <= int(text) <= high:
        return int(text)
    raise SettingsError(f"{name}: {text!r} is not a whole number from {low} to {high}")


def _log_level(text: str) -> str:
    level = text.strip().upper()
    if level in _LOG_LEVELS:
        return level
    raise SettingsError(f"ROLLFORWARD_LOG_LEVEL: {text!r} is none of {', '.join(_LOG_LEVELS)}")


def _bootstrap(text: str | None) -> str | None:
    if text is None:
        return None
    servers = [server.strip() for server in text.split(",")]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not _is_host(host) or "/" in host or not _is_port(port):
            raise SettingsError(f"ROLLFORWARD_KAFKA: {server!r} is not host:port")
    return ",".join(servers)


def _database_url(text: str | None, password_file: str | None) -> str | None:
    """Return a plain `postgresql://` URL, with the password of the file where it has none.

    An error never shows the text: it holds a password.
    """
    if text is None:
        return None
    try:
        url = urlsplit(text.strip())
        usable = url.scheme in _DATABASE_SCHEMES and url.hostname and (url.port or 1) > 0
        # asyncpg would take what stands behind the first @ for the host, a password's end too.
        usable = usable and url.netloc.count("@") <= 1 and "%" not in url.netloc.split("@")[-1]
        usable = usable and all(map(_is_host, str(url.hostname).split(",")))
    except ValueError:  # the port is not a number
        usable = False
    if not usable:
        raise SettingsError(
            "ROLLFORWARD_DATABASE_URL: not a URL like postgresql://user:password@host:5432/name"
        )
    _check_options(url.query)
    if password_file is not None and not url.password:
        if not url.username:
            raise SettingsError(
                "ROLLFORWARD_DATABASE_URL: names no user for the password of a file"
            )
        password = quote(_password(Path(password_file.strip()).expanduser()), safe="")
        user, address = url.netloc.rsplit("@", 1)
        url = url._replace(netloc=f"{user.removesuffix(':')}:{password}@{address}")
    return url._replace(scheme="postgresql").geturl()


def _is_host(text: str) -> bool:
    """Whether a name can be looked up at all: no empty part, none of more than 63 characters."""
    try:
        return bool(text.strip().encode("idna"))
    except UnicodeError:
        return False


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= 65535


def _check_options(query: str) -> None:
    options = parse_qsl(query, keep_blank_values=True)
    for name, count in Counter(name for name, _ in options).items():
        if count > 1:
            raise SettingsError(f"ROLLFORWARD_DATABASE_URL: {name!r} is given {count} times")
    for name, value in options:
        if name == "sslmode":
            if value not in _SSL_MODES:
                raise SettingsError(
                    f"ROLLFORWARD_DATABASE_URL: sslmode is none of {', '.join(_SSL_MODES)}"
                )
        elif name not in _SSL_FILES:
            raise SettingsError(
                f"ROLLFORWARD_DATABASE_URL: unknown option {name!r}; known are sslmode, "
                + ", ".join(_SSL_FILES)
            )
        elif not os.access(value, os.R_OK):
            raise SettingsError(f"ROLLFORWARD_DATABASE_URL: {name}: {value!r} cannot be read")


def _password(file: Path) -> str:
    try:
        password = file.read_text("utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingsError(f"ROLLFORWARD_DATABASE_PASSWORD_FILE: {file}: {why}") from None
    if not password:
        raise SettingsError(f"ROLLFORWARD_DATABASE_PASSWORD_FILE: {file} is empty")
    return password
