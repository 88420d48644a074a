"""The broker's jars from a Maven repository behind TLS that the system does not trust."""

import base64
import hashlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.runtime.embedded import JarsMissing, jars
from shared.runtime.settings import CERTIFICATES, Downloads, SettingsError

PATH = "/maven2/org/example/broker/1.0/broker-1.0.jar"
CONTENT = b"a jar"
SECRET = "a-very-secret-word"


class Repository:
    """A Maven repository on https://localhost, its certificate signed by a proxy that nobody knows.

    `answers` are the statuses of the next requests, 200 after them; `seen` the paths and logins of
    requests, `strangers` how many ended before one because our certificate was not trusted.
    """

    def __init__(self, folder: Path) -> None:
        self.certificate, ours = folder / "authority.pem", folder / "ours.pem"
        key, request, names = folder / "key.pem", folder / "request.pem", folder / "names"
        names.write_text("subjectAltName=DNS:localhost")
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=proxy",
                      "-keyout", key, "-out", self.certificate)  # fmt: skip
        self._openssl("req", "-new", "-key", key, "-subj", "/CN=localhost", "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", key,
                      "-set_serial", "7", "-extfile", names, "-out", ours)  # fmt: skip
        self.answers: list[int] = []
        self.seen: list[tuple[str, str | None]] = []
        self.strangers = 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(ours, key)
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def do_GET(self) -> None:
                repository.seen.append((self.path, self.headers["Authorization"]))
                status = repository.answers.pop(0) if repository.answers else 200
                self.send_response(status if self.path == PATH else 404)
                self.end_headers()
                if status == 200 and self.path == PATH:
                    self.wfile.write(CONTENT)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                repository.strangers += 1

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def url(self, login: str = "") -> str:
        return f"https://{login}localhost:{self._server.server_port}/maven2"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here: apt-get install openssl")
    for name in (*CERTIFICATES, "SSL_CERT_DIR", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")  # and no other configuration file
    monkeypatch.setattr(jars, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(
        jars,
        "locked",
        lambda: [jars.Jar("org.example", "broker", "1.0", hashlib.sha256(CONTENT).hexdigest())],
    )
    repository = Repository(tmp_path)
    monkeypatch.setenv("ROLLFORWARD_MAVEN", repository.url(f"clerk:{SECRET}@"))
    yield repository
    repository.close()


def test_a_certificate_that_is_not_trusted_is_tried_once_and_the_message_says_what_to_set(
    repository: Repository, tmp_path: Path
) -> None:
    with pytest.raises(JarsMissing) as missing:
        jars.classpath(tmp_path / "jars")

    said = str(missing.value)
    assert "certificate of localhost" in said
    assert "set PIP_CERT" in said
    assert "ROLLFORWARD_MAVEN" in said
    assert "(tries: 1)" in said
    assert SECRET not in said
    assert len(said.splitlines()) == 1
    assert (repository.strangers, repository.seen) == (1, [])
    assert list((tmp_path / "jars").iterdir()) == []


def _variable(name: str) -> Callable[[Repository, Path, pytest.MonkeyPatch], None]:
    return lambda repository, _, patch: patch.setenv(name, str(repository.certificate))


def _pip_s_file(repository: Repository, folder: Path, patch: pytest.MonkeyPatch) -> None:
    file = folder / "pip.conf"
    file.write_text(f"[global]\ncert = {repository.certificate}\n")
    patch.setenv("PIP_CONFIG_FILE", str(file))


def _folder_of_authorities(repository: Repository, folder: Path, patch: pytest.MonkeyPatch) -> None:
    authorities = folder / "authorities"
    authorities.mkdir()
    shutil.copy(repository.certificate, authorities)
    subprocess.run(["openssl", "rehash", str(authorities)], check=True)
    patch.setenv("REQUESTS_CA_BUNDLE", str(authorities))


WAYS = {
    **{name: _variable(name) for name in CERTIFICATES},
    "pip config": _pip_s_file,
    "folder": _folder_of_authorities,
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_by_which_pip_knows_an_authority_counts_for_the_jars_too(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    WAYS[way](repository, tmp_path, monkeypatch)

    (jar,) = jars.classpath(tmp_path / "jars")

    assert jar.read_bytes() == CONTENT
    login = base64.b64encode(f"clerk:{SECRET}".encode()).decode()
    assert repository.seen == [(PATH, f"Basic {login}")]
    assert [file.name for file in (tmp_path / "jars").iterdir()] == ["broker-1.0.jar"]


@pytest.mark.parametrize(
    ("answers", "tries", "words"),
    [([404], 1, "404"), ([401], 1, "401"), ([503] * 4, 4, "503")],
)
def test_only_what_may_pass_is_tried_again(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[int],
    tries: int,
    words: str,
) -> None:
    monkeypatch.setenv("PIP_CERT", str(repository.certificate))
    repository.answers = list(answers)

    with pytest.raises(JarsMissing, match=words) as missing:
        jars.classpath(tmp_path / "jars")

    assert len(repository.seen) == tries
    assert SECRET not in str(missing.value)


def test_a_repository_that_was_busy_for_a_moment_is_asked_again(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CERT", str(repository.certificate))
    repository.answers = [503, 429]

    (jar,) = jars.classpath(tmp_path / "jars")

    assert jar.read_bytes() == CONTENT
    assert len(repository.seen) == 3


def test_another_file_than_that_of_the_lock_is_not_kept(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CERT", str(repository.certificate))
    monkeypatch.setattr(
        jars, "locked", lambda: [jars.Jar("org.example", "broker", "1.0", "0" * 64)]
    )

    with pytest.raises(JarsMissing, match=r"SHA-256.*jars\.lock"):
        jars.classpath(tmp_path / "jars")

    assert list((tmp_path / "jars").iterdir()) == []


def test_a_file_of_authorities_that_is_not_there_is_named_with_its_variable(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))

    with pytest.raises(JarsMissing, match=r"REQUESTS_CA_BUNDLE names .*nowhere\.pem"):
        jars.classpath(tmp_path / "jars")


@pytest.mark.parametrize("url", ["repo.example", f"ftp://u:{SECRET}@repo", f"https://u:{SECRET}@"])
def test_a_mirror_that_is_no_url_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="ROLLFORWARD_MAVEN") as wrong:
        Downloads.from_environment({"ROLLFORWARD_MAVEN": url})

    assert SECRET not in str(wrong.value)
