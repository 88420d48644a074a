"""Downloads files over HTTPS with the certificate and proxy settings of pip.

`make install` has just fetched packages with these settings, whether they come from variables or
configuration files. All their authorities are trusted besides the system's: each file is compared
with a SHA-256 afterwards.
"""

import ast
import hashlib
import http.client
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import certifi
from jgo.constants import MAVEN_CENTRAL_URL

from shared.runtime.settings import Downloads, inherited_environment

TIMEOUT_SECONDS = 60
PASSING_CODES = {408, 425, 429, 500, 502, 503, 504}
BLOCK_BYTES = 1 << 16


class NotFetched(Exception):
    """A file could not be fetched. `lasting`: another try would fail the same way."""

    def __init__(self, why: str, *, lasting: bool) -> None:
        super().__init__(why)
        self.lasting = lasting


class Fetcher:
    """Fetches files below a base URL. Its messages never show the login in that URL."""

    def __init__(self, downloads: Downloads) -> None:
        pip = _pip_settings()
        base = urlsplit(downloads.maven or MAVEN_CENTRAL_URL)
        address = base.netloc.rpartition("@")[2]
        self.base = base._replace(netloc=address).geturl()
        self._host = address
        self._login = None
        if base.username is not None:
            login = f"{unquote(base.username)}:{unquote(base.password or '')}"
            self._login = f"Basic {b64encode(login.encode()).decode()}"
        certificates = list(downloads.certificates)
        if "cert" in pip:
            certificates.append(("pip's setting cert", Path(pip["cert"]).expanduser()))
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.HTTPSHandler(context=_trusting(certificates))
        ]
        if "proxy" in pip:
            handlers.append(
                urllib.request.ProxyHandler(dict.fromkeys(("http", "https"), pip["proxy"]))
            )
        self._opener = urllib.request.build_opener(*handlers)

    def fetch(self, path: str, target: Path) -> str:
        """Fetch `path` into `target` and return its SHA-256 in hex. Raises `NotFetched`."""
        request = urllib.request.Request(f"{self.base}/{path}")
        if self._login is not None:
            # Not sent to the target of a redirect.
            request.add_unredirected_header("Authorization", self._login)
        digest = hashlib.sha256()
        try:
            with (
                self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer,
                target.open("wb") as file,
            ):
                while block := answer.read(BLOCK_BYTES):
                    digest.update(block)
                    file.write(block)
        except urllib.error.HTTPError as error:
            why = f"{self._host} answers {error.code} {error.reason}"
            raise NotFetched(why, lasting=error.code not in PASSING_CODES) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._not_fetched(error) from None
        return digest.hexdigest()

    def _not_fetched(self, error: Exception) -> NotFetched:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if not isinstance(cause, ssl.SSLCertVerificationError):
            words = str(cause) or type(cause).__name__
            return NotFetched(f"{self._host} cannot be reached: {words}", lasting=False)
        return NotFetched(
            f"the certificate of {self._host} is not trusted ({cause.verify_message}). Behind a "
            "proxy that re-signs TLS, set PIP_CERT (or `pip config set global.cert FILE`) to a "
            "file with the proxy's certificate authority; or set ROLLFORWARD_MAVEN to the URL of "
            "a Maven repository that can be reached",
            lasting=True,
        )


def _trusting(certificates: list[tuple[str, Path]]) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, certifi's, and these."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    for name, path in certificates:
        try:
            if path.is_dir():
                context.load_verify_locations(capath=path)
            else:
                context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror or str(error)
            raise NotFetched(
                f"{name} names {path}, which cannot be used: {why}", lasting=True
            ) from None
    return context


def _pip_settings() -> Mapping[str, str]:
    """Return pip's settings for downloads; none where pip is not installed.

    A variable takes precedence over the section of a pip command, and that over `global`.
    """
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
        env=inherited_environment(PIP_DISABLE_PIP_VERSION_CHECK="1"),
    )
    settings = dict(line.split("=", 1) for line in asked.stdout.splitlines() if "=" in line)
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for name in ("cert", "proxy"):
            if (text := settings.get(f"{section}.{name}")) is not None:
                found[name] = str(ast.literal_eval(text))
    return found
