"""Parses rows in the text format of COPY.

Fields are separated by tabs, null is `\\N`, and backslashes and control characters in texts are
escaped. Dates and timestamps are in ISO form, timestamps in UTC (copied_session.sql).
"""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from shared.ledger.audit.closing import Opened
from shared.ledger.errors import Unreadable
from shared.ledger.line import Line, canonical
from shared.ledger.postgres.stored import read_contact, read_terms

NULL = rb"\N"
LABEL = re.compile(rb"[0-9]{4}-(0[1-9]|1[0-2])")
HASH_BACKSLASHES = 2
"""COPY writes a bytea as two backslashes, an x and hex digits."""
HEX_AT = 3


def read_line(row: bytes) -> tuple[Line, bytes]:
    """Return the line of a row of verify_lines.sql, and its canonical form.

    The row and the canonical form differ in four ways: the row has customer, instant and hash
    first, and at its end the fields that the hash does not cover; it writes the instant
    differently; and it escapes backslashes and control characters.
    """
    customer_id, written, digest, *f = row.split(b"\t")
    at = read_instant(written)
    reverses, actor, reason = f[13], f[15], f[16]
    starts, granted, granted_vat = read_day(f[10]), int(f[26]), int(f[27])
    line = tuple.__new__(
        Line,
        (
            str(customer_id, "utf-8"), int(f[0]), _label(f[1]), int(f[2]), _text(f[3]),
            int(f[4]), int(f[5]), int(f[6]), int(f[7]), int(f[8]), int(f[9]),
            starts, read_day(f[11]), str(f[12], "utf-8"),
            None if reverses == NULL else plain(reverses), read_day(f[14]),
            None if actor == NULL else plain(actor), None if reason == NULL else plain(reason),
            int(f[17]), at, bytes.fromhex(str(digest[HEX_AT:], "ascii")),
            int(f[18]), int(f[19]), f[20] == b"t", int(f[21]), f[22] == b"t", int(f[23]),
            int(f[24]), int(f[25]), granted, granted_vat,
            *(starts if each == NULL else read_day(each) for each in f[28:30]),
            granted + granted_vat if f[30] == NULL else int(f[30]),
            granted_vat if f[31] == NULL else int(f[31]),
        ),
    )  # fmt: skip
    nulls = sum(each == NULL for each in (reverses, actor, reason, *f[28:]))
    if row.count(b"\\") == HASH_BACKSLASHES + nulls:
        return line, b"\n".join((customer_id, *f[:18], canonical_instant(written), *f[18:28]))
    return line, canonical(line)


def read_account(row: bytes) -> tuple[Opened, bool]:
    """Return the account of a row of verify_accounts.sql, and whether the customer is quarantined.
    Raises Unreadable if the row cannot be parsed."""
    _, joined_on, bill_from, opening_due, terms, contact, quarantined = row.split(b"\t")
    opened = Opened(
        _days(joined_on, "joined_on"),
        _days(bill_from, "bill_from"),
        int(opening_due),
        read_terms(plain(terms)),
        read_contact(plain(contact)),
    )
    return opened, quarantined == b"t"


def read_command(row: bytes) -> dict[str, Any]:
    """Return a row of verify_commands.sql as a dict: texts, and `recorded_at` as a datetime."""
    customer_id, kind, content, outcome, reason, command_id, written = row.split(b"\t")
    return {
        "customer_id": plain(customer_id),
        "type": plain(kind),
        "content": plain(content),
        "outcome": plain(outcome),
        "reason": None if reason == NULL else plain(reason),
        "command_id": plain(command_id),
        "recorded_at": read_instant(written),
    }


@lru_cache(maxsize=4096)
def read_day(text: bytes) -> date:
    return date.fromisoformat(text.decode())


def _days(text: bytes, name: str) -> date:
    try:
        return read_day(text)
    except ValueError as error:
        raise Unreadable(f"{name} of the account cannot be read: {error}") from error


@lru_cache(maxsize=4096)
def _label(text: bytes) -> str:
    if not LABEL.fullmatch(text):
        raise ValueError(f"{text!r} is no label of a month")
    return text.decode()


@lru_cache(maxsize=4096)
def _text(text: bytes) -> str:
    return text.decode()


@lru_cache(maxsize=4096)
def read_instant(text: bytes) -> datetime:
    return datetime.fromisoformat(text.decode()).astimezone(UTC)


@lru_cache(maxsize=65_536)
def canonical_instant(text: bytes) -> bytes:
    """Return an instant in the format of a line's canonical form."""
    return read_instant(text).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()


ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
MEANS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def plain(text: bytes) -> str:
    """Return the unescaped text of a field that is not null."""
    if b"\\" in text:
        text = ESCAPED.sub(lambda found: MEANS.get(found[1], found[1]), text)
    return text.decode()
