"""Numbers of documents are read as they are printed."""

import pytest

from shared.ledger.numbers import Number, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("INV-2026-000001", Number("invoice", 2026, 1)),
        ("A-.RCT-2199-1234567", Number("receipt", 2199, 1_234_567, "A-.")),
        ("INV-CRN-2026-999999", Number("credit_note", 2026, 999_999, "INV-")),
    ],
)
def test_a_number_is_read_and_printed(text: str, number: Number) -> None:
    assert read_number(text) == number
    assert str(number) == text


@pytest.mark.parametrize(
    "text",
    ["", "INV-2026-1", "INV-2026-000000", "INV-2026-0000001", "inv-2026-000001", "INV-26-000001",
     "INV-2026-00000\u0661", "INV-2026-000001 ", "X" * 17 + "INV-2026-000001", "ABC-2026-000001"],
)  # fmt: skip
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number like INV-2026-000001"):
        read_number(text)
