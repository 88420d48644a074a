"""Reads and writes terms and contacts as JSON. Workers write it, but reading does not trust it.

Somebody may have changed a row by hand. If it cannot be parsed, `Unreadable` is raised with the
exact reason, so that the caller can quarantine one customer.
"""

import json
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from shared.ledger.account import DATED, Contact
from shared.ledger.errors import Unreadable
from shared.ledger.terms import ALWAYS, Terms, always, decode, read_timeline

T = TypeVar("T")


def read_terms(text: str) -> Terms:
    """Return terms from the text of their row; raises Unreadable if it cannot be parsed."""
    return _read("terms", decode, text)


def read_contact(text: str) -> Contact:
    """Return the contact of an account's row; raises Unreadable if it cannot be parsed."""
    return _read("contact", _decode_contact, text)


def encode_contact(contact: Contact | None) -> str:
    """Return a contact as JSON: {field: [[day or null, value], ...]}, username and grace_until as
    single texts. What says nothing is left out: texting where it was always wanted, address, email,
    tax_id and grace_until where there never were any."""
    assert contact is not None
    written: dict[str, Any] = {
        name: [[None if day == ALWAYS else day.isoformat(), value] for day, value in timeline]
        for name in DATED
        if (timeline := getattr(contact, name)) != UNSAID.get(name)
    }
    written["username"] = contact.username
    if contact.grace_until is not None:
        written["grace_until"] = contact.grace_until.isoformat()
    return json.dumps(written)


UNSAID: dict[str, Any] = {
    "texting": always(True), "address": always(None), "email": always(None), "tax_id": always(None),
}  # fmt: skip
"""The dated fields of a contact that need not be there, and what they then say."""


def _decode_contact(text: str) -> Contact:
    written: dict[str, Any] = json.loads(text)
    username, grace_until = written.pop("username"), written.pop("grace_until", None)
    dated: dict[str, Any] = UNSAID | {
        name: read_timeline((day, value) for day, value in of) for name, of in written.items()
    }
    grace = None if grace_until is None else date.fromisoformat(grace_until)
    contact = Contact(**dated, username=username, grace_until=grace)
    for name in DATED:
        kind: Any = bool if name == "texting" else str | None if name in UNSAID else str
        if not all(isinstance(value, kind) for _, value in getattr(contact, name)):
            raise ValueError(f"{name} is not a {'yes or no' if name == 'texting' else 'text'}")
    if not isinstance(username, str):
        raise ValueError("username is not a text")
    return contact


def _read(what: str, decoded: Callable[[str], T], text: str) -> T:
    try:
        return decoded(text)
    except Exception as error:
        why = f"{what} of the account cannot be read: {type(error).__name__}: {error}"
        raise Unreadable(why[:300]) from error
