"""The seal: one hash over all that the book holds at a moment, chained to the seal before it.

A hash in the book proves nothing against someone who can rewrite the whole book. A seal that was
printed, signed or stored elsewhere does: whoever changes or removes a line, outcome or policy
version that it covers changes a root.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from shared.ledger.line import GENESIS


class NoSeal(ValueError):
    """A text that is no seal at all."""


NEW, ALL = "new", "all"
"""What a seal covers up to its reach: what came since the seal before it, or everything."""


class Reach(NamedTuple):
    """How far a seal reaches: the position of the last line, outcome and conflicting duplicate that
    it covers in each bucket, and the last policy version."""

    lines: Sequence[int]
    commands: Sequence[int]
    conflicts: Sequence[int]
    policies: int

    def cursor(self, covers: str) -> str:
        """Return what a seal says of its reach, which its hash covers."""
        positions = (",".join(map(str, each)) for each in self[:3])
        return " ".join((covers, *positions))


class Seal(NamedTuple):
    """What is sealed up to its `cursor`: "new" or "all", and the positions of its reach. One that
    was made before buckets had positions covers all transactions before one, whose id it is.

    `heads_root` is the SHA-256 of the listing of heads, a row for each customer who has anything
    in it; `policies_root` that of the listing of policy versions. The counts are informational:
    the roots already commit to them.
    """

    number: int
    sealed_at: datetime
    cursor: str
    customers: int
    lines: int
    commands: int
    policies: int
    heads_root: bytes
    policies_root: bytes
    previous: bytes
    hash: bytes

    @property
    def covers_all(self) -> bool:
        """Whether the seal covers all before its cursor, and not only what the one before lacks."""
        return not self.cursor.startswith(f"{NEW} ")


class Sealing(NamedTuple):
    """What the book holds now: to be sealed, or compared with a seal."""

    customers: int
    lines: int
    commands: int
    policies: int
    heads_root: bytes
    policies_root: bytes


def new_seal(last: Seal | None, sealed_at: datetime, cursor: str, sealing: Sealing) -> Seal:
    """Return the seal that follows the last one."""
    number, previous = (last.number + 1, last.hash) if last else (1, GENESIS)
    seal = Seal(number, sealed_at, cursor, *sealing, previous, b"")
    return seal._replace(hash=hash_of(seal))


def hash_of(seal: Seal) -> bytes:
    """Return the hash of a seal: SHA-256 of the previous seal's 32 bytes and of its own fields up
    to `policies_root`, one on a line, as in its JSON."""
    fields = list(as_json(seal).values())[:-2]
    return sha256(seal.previous + "\n".join(map(str, fields)).encode()).digest()


def as_json(seal: Seal) -> dict[str, Any]:
    """Return a seal as a document: hashes in hex, the instant in UTC."""
    document: dict[str, Any] = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in seal._asdict().items()
    }
    return document | {
        "sealed_at": seal.sealed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    }


def read_seal(text: str) -> Seal:
    """Read a seal from its document; NoSeal when it is none, ValueError when it was changed."""
    try:
        document = json.loads(text)
        document["sealed_at"] = datetime.fromisoformat(document["sealed_at"])
        for name in ("heads_root", "policies_root", "previous", "hash"):
            document[name] = bytes.fromhex(document[name])
        seal = Seal(*(document[name] for name in Seal._fields))
        fits = hash_of(seal) == seal.hash
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise NoSeal(f"not a seal: {error!r}") from error
    if not fits:
        raise ValueError(f"seal {seal.number} was changed: its hash does not fit its fields")
    return seal


def difference(seal: Seal, found: Sealing) -> str | None:
    """Say what in the book differs from what was sealed; None when nothing does."""
    for name in ("customers", "lines", "commands", "policies"):
        was, now = getattr(seal, name), getattr(found, name)
        if was != now:
            return f"{name} up to seal {seal.number} are {now}, expected {was}"
    if found.heads_root != seal.heads_root:
        return (
            f"the root over heads and outcomes up to seal {seal.number} is"
            f" {found.heads_root.hex()}, expected {seal.heads_root.hex()}"
        )
    if found.policies_root != seal.policies_root:
        return (
            f"the root over policy versions up to seal {seal.number} is"
            f" {found.policies_root.hex()}, expected {seal.policies_root.hex()}"
        )
    return None


def chain_fault(seals: list[Seal]) -> str | None:
    """Check that seals are numbered from 1 and that each covers the one before it."""
    previous = GENESIS
    for number, seal in enumerate(seals, 1):
        if seal.number != number:
            return f"a seal is numbered {seal.number}, expected {number}"
        if seal.previous != previous:
            return f"seal {number} follows {seal.previous.hex()}, expected {previous.hex()}"
        if seal.hash != hash_of(seal):
            return f"the hash of seal {number} is {seal.hash.hex()}, expected {hash_of(seal).hex()}"
        previous = seal.hash
    return None
