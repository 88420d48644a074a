"""What options of the event commands accept, and how a wrong one is named."""

import pytest
from click.testing import CliRunner

from services.console import values
from services.console.main import main
from tests.services.test_console import AWAY

SIGNUP = ("signup", "rahim", "--name", "Rahim", "--phone", "+8801711000001")


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("ip", {"code": "ip"}),
        ("ip=5", {"code": "ip", "price": "5"}),
        ("2xip", {"code": "ip", "quantity": 2}),
        ("10xip v4=5.50", {"code": "ip v4", "price": "5.50", "quantity": 10}),
        ("box", {"code": "box"}),
        ("x2", {"code": "x2"}),
    ],
)
def test_an_extra_is_read(text: str, extra: dict[str, object]) -> None:
    assert values.extra(text) == extra


def test_a_package_has_no_quantity() -> None:
    assert values.package("2xfast=9") == {"code": "2xfast", "price": "9"}


def test_a_cycle_is_read() -> None:
    assert values.cycle("anniversary") == {"kind": "anniversary"}
    assert values.cycle("custom:07") == {"kind": "custom", "day": 7}


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--extra", "-1xip"),
        ("--extra", "+1xip"),
        ("--extra", "1.5xip"),
        ("--extra", "٢xip"),
        ("--extra", "2x"),
        ("--extra", "2x=5"),
        ("--extra", "ip="),
        ("--extra", "=5"),
        ("--extra", " "),
        ("--extra", f"{'9' * 5000}xip"),
        ("--package", "home="),
        ("--cycle", "start_of_month:5"),
        ("--cycle", "custom"),
        ("--cycle", "custom:٥"),
        ("--cycle", "custom:-5"),
        ("--cycle", "weekly"),
    ],
)
def test_a_wrong_one_is_one_line_that_names_its_option(
    option: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.console.commands.asking.business_zone", lambda _: None)
    rest = {"--package": "home=5", "--cycle": "anniversary"} | {option: text}
    options = [word for each in rest.items() for word in each]

    result = CliRunner().invoke(main, [*SIGNUP, *options], env=AWAY)

    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"rollforward: {option} {text!r} is not ")
    assert line.endswith("; nothing was sent")
