"""Terms and contacts as the book keeps them: JSON that only workers write, read with suspicion.

Whoever may write to the tables may have changed a row by hand: what cannot be read is
`Unreadable`, with the exact reason, so that a caller can set one customer apart.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from shared.ledger.account import Contact
from shared.ledger.errors import Unreadable
from shared.ledger.terms import ALWAYS, Terms, decode, read_timeline

T = TypeVar("T")


def read_terms(text: str) -> Terms:
    """Return terms from the text of their row; Unreadable when they are none."""
    return _read("terms", decode, text)


def read_contact(text: str) -> Contact:
    """Return the contact of an account's row; Unreadable when it is none."""
    return _read("contact", _decode_contact, text)


def encode_contact(contact: Contact | None) -> str:
    """Write a contact as JSON, {name, phone, language: [[day or null, text], ...]}."""
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
