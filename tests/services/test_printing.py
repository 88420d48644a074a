"""What people read in a terminal: tables of 80 columns, counts of seconds, a reader who leaves."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from random import Random
from threading import Event

import pytest

from services.console.output import whole
from shared.operator.printing import beginning, table, working, wrapped

HELD = """
import sys, time
from pathlib import Path
from services.console.output import whole
with whole(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("holding", flush=True)
    time.sleep(600)
"""


def test_a_table_puts_numbers_to_the_right_and_texts_to_the_left() -> None:
    assert table(["who", "count"], [("a", 5), ("bcde", None), ("", 1234)]) == (
        "who   count\na         5\nbcde      -\n       1234"
    )


def test_amounts_that_are_texts_go_to_the_right_too() -> None:
    assert table(["id", "due"], [("a", "-5.00"), ("b", None), ("c", "1000.00")]) == (
        "id      due\na     -5.00\nb         -\nc   1000.00"
    )


def test_columns_are_as_wide_as_a_terminal_shows_them() -> None:
    """A wide character takes two cells, a mark on a letter none."""
    assert table(["name", "x"], [("山田", 1), ("e\u0301", 2), ("abcd", 3)]) == (
        "name  x\n山田  1\ne\u0301     2\nabcd  3"
    )
    assert beginning("山田", 3) == "山"


def test_a_wide_text_is_broken_where_a_terminal_would() -> None:
    assert wrapped("山田山田 ab 山田山田山", 8, "", "  ") == [
        "山田山田",
        "  ab",
        "  山田山",
        "  田山",
    ]
    assert table(["name"], [("山" * 50,)]).splitlines()[1:] == ["山" * 40, " " * 8 + "山" * 10]


def test_columns_that_do_not_fit_go_on_below() -> None:
    heads = ["command", "outcome", "reason"]
    rows = [("p" * 50, "refused", "reference_already_used"), ("q", "accepted", None)]

    assert table(heads, rows, width=70) == "\n".join(
        [
            "command".ljust(50) + "  outcome",
            "    reason",
            "p" * 50 + "  refused",
            "    reference_already_used",
            "q".ljust(50) + "  accepted",
            "    -",
        ]
    )


@pytest.mark.parametrize("seed", range(30))
def test_no_line_of_a_table_takes_more_than_80_columns_and_no_word_is_lost(seed: int) -> None:
    random = Random(seed)
    columns = random.randrange(1, 12)
    heads = [f"h{number}" for number in range(columns)]
    rows = [
        [" ".join("w" * random.randrange(1, 40) for _ in range(random.randrange(1, 4)))
         for _ in heads]
        for _ in range(5)
    ]  # fmt: skip

    lines = table(heads, rows)

    assert max(map(len, lines.splitlines())) <= 80
    assert lines.split() == [
        word for row in [heads, *rows] for cell in row for word in cell.split()
    ]


def test_what_is_shown_does_nothing_to_a_terminal() -> None:
    said = table(["who"], [("a\x1b[2Jb\nc\u202ed\x9be \u0995\u09cd\u200d\u09b7",)])

    assert said == "who\na\\x1b[2Jb\\nc\\u202ed\\x9be \u0995\u09cd\u200d\u09b7"


def test_an_account_of_a_journal_is_one_name_on_one_line() -> None:
    from shared.exports.hledger import _account

    assert _account("assets:cash:a  b;c\n\n2026-07-01 forged\u2028") == (
        "assets:cash:a b_c__2026-07-01 forged_"
    )


def test_an_instant_is_shown_in_the_zone_of_the_business() -> None:
    from zoneinfo import ZoneInfo

    instant = datetime(2026, 1, 31, 18, 30, tzinfo=UTC)

    assert table(["at"], [(instant,)], ZoneInfo("Asia/Dhaka")).splitlines()[1] == (
        "2026-02-01 00:30:00+06:00"
    )


class Terminal(StringIO):
    """Stderr on a terminal that says when something is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def test_what_takes_long_is_counted_on_a_terminal_and_then_wiped_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    with working("waiting for the fleet", every=0.5):
        assert terminal.written.wait(60)

    shown = terminal.getvalue()
    assert shown.startswith("\rwaiting for the fleet ... 0 s ")
    assert shown.endswith("\r\033[K")


def test_what_is_quick_or_not_on_a_terminal_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working("elsewhere", every=0.001):
        Event().wait(0.05)
    assert capsys.readouterr().err == ""

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with working("quick", every=600):
        pass
    assert terminal.getvalue() == ""


def test_a_reader_who_has_had_enough_is_no_error() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        said = subprocess.run(
            [sys.executable, "-m", "services.console", "--help"],
            stdout=writes, stderr=subprocess.PIPE, check=False, timeout=300,
        )  # fmt: skip
    finally:
        os.close(writes)

    assert (said.returncode, said.stderr) == (0, b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_file_is_as_it_was_before(number: signal.Signals, tmp_path: Path) -> None:
    target = tmp_path / "ledger.csv"
    target.write_bytes(b"as it was")
    with subprocess.Popen(
        [sys.executable, "-c", HELD, str(target)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"holding\n"
        held.send_signal(number)
        code = held.wait(300)

    assert code != 0
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.csv"]
    assert target.read_bytes() == b"as it was"


INTERRUPTED_EARLY = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["rollforward", "--help"]
from services.console.start import start
start()
"""


def test_ctrl_c_while_python_reads_the_modules_is_quiet() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_EARLY], capture_output=True, check=False, timeout=300
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


def test_an_ignored_signal_leaves_a_file_alone(tmp_path: Path) -> None:
    """A command under nohup goes on when the terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with whole(tmp_path / "x") as file:
            os.kill(os.getpid(), signal.SIGHUP)
            file.write(b"done")
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    assert (tmp_path / "x").read_bytes() == b"done"


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere" / "ledger.csv"

    with pytest.raises(FileNotFoundError) as wrong, whole(missing):
        pass

    assert wrong.value.filename == str(missing)


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_stdout_may_be_named(name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with whole(Path(name)) as file:
        file.write(b"here")

    assert capfdbinary.readouterr().out == b"here"
