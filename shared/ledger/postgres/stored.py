"""Reads and writes terms and contacts as JSON. Workers write it, but reading does not trust it.

Somebody may have changed a row by hand. If it cannot be parsed, `Unreadable` is raised with the
exact reason, so that the caller can quarantine one customer.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from shared.ledger.account import Contact
from shared.ledger.errors import Unreadable
from shared.ledger.terms import ALWAYS, Terms, decode, read_timeline

T = TypeVar("T")


def read_terms(text: str) -> Terms:
    """Return terms from the text of their row; raises Unreadable if it cannot be parsed."""
    return _read("terms", decode, text)


def read_contact(text: str) -> Contact:
    """Return the contact of an account's row; raises Unreadable if it cannot be parsed."""
    return _read("contact", _decode_contact, text)


def encode_contact(contact: Contact | None) -> str:
    """Return a contact as JSON: {field: [[day or null, text], ...]} for name, phone, language."""
    assert contact is not None
    return json.dumps(
        {
            name: [[None if day == ALWAYS else day.isoformat(), text] for day, text in timeline]
            for name, timeline in contact._asdict().items()
        }
    )


def _decode_contact(text: str) -> Contact:
    dated: dict[str, Any] = {
        name: read_timeline((day, said) for day, said in of)
        for name, of in json.loads(text).items()
    }
    contact = Contact(**dated)
    for name, timeline in contact._asdict().items():
        if not all(isinstance(said, str) for _, said in timeline):
            raise ValueError(f"{name} is not a text")
    return contact


def _read(what: str, decoded: Callable[[str], T], text: str) -> T:
    try:
        return decoded(text)
    except Exception as error:
        said = f"{what} of the account cannot be read: {type(error).__name__}: {error}"
        raise Unreadable(said[:300]) from error
