"""The whole book against the audit: customers in ranges, lines as text straight from COPY.

A range is what one process checks at a time; all processes see one snapshot. Memory holds the
commands and accounts of a range and the lines of one customer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

from shared.ledger.audit.asked import NO_SLACK, Asked, Days, InTime
from shared.ledger.audit.closing import Opened
from shared.ledger.audit.customer import Common, Kept, fault_of, is_explained
from shared.ledger.audit.fault import Fault
from shared.ledger.audit.outcomes import ticks_fault
from shared.ledger.errors import PolicyError, Unreadable
from shared.ledger.line import Line, canonical
from shared.ledger.policy.file import parse_policy
from shared.ledger.policy.policy import NO_POLICY, Policy
from shared.ledger.postgres.statements import sql
from shared.ledger.postgres.stored import read_contact, read_terms

LINES_PER_RANGE = 40_000
CommandOf = Callable[[str, str, ZoneInfo], Any]
"""Reads (type, content, zone) of a command: `shared.schemas.inbound.command_of`."""


class Range(NamedTuple):
    """Customers after one id up to another; None is the end of all."""

    after: str
    upto: str | None


class Checked(NamedTuple):
    """What was read of a range, and the first fault in it. From that customer on nothing is
    counted."""

    lines: int
    customers: int
    fault: Fault | None


@dataclass(frozen=True)
class Ground:
    """What every range is checked against; `fault` is what is wrong with the fleet's own rows,
    ticks and policy versions."""

    zone: ZoneInfo
    common: Common
    fault: Fault | None


async def ground(connection: asyncpg.Connection, command_of: CommandOf) -> Ground:
    """Read and check what all ranges share."""
    row = await connection.fetchrow(sql("verify_ground"))
    zone = ZoneInfo(row["zone"])
    rows = await connection.fetch(sql("verify_policies"))
    policies, wrong = _read_policies(rows)
    versions = [
        (each["applied_at"], policies[each["version"]])
        for each in rows
        if each["version"] in policies
    ]
    ticks, judged = [], []
    for tick in await connection.fetch(sql("verify_ticks")):
        try:
            command = command_of(tick["type"], tick["content"], zone)
        except Exception as error:
            wrong = wrong or _unreadable(tick, "-", error)
            continue
        judged.append((command, tick["outcome"], tick["reason"]))
        if tick["outcome"] == "accepted":
            ticks.append((tick["recorded_at"], command.as_of))
    fault = (
        wrong or ticks_fault(judged) or _date_fault(row["business_date"], [day for _, day in ticks])
    )
    days = Days(ticks, row["billed_to"])
    return Ground(zone, Common(policies, InTime(NO_POLICY, versions), days), fault)


async def export_snapshot(connection: asyncpg.Connection) -> str:
    """Return the name of the open transaction's snapshot, for other sessions to see the same."""
    return str(await connection.fetchval("SELECT pg_export_snapshot()"))


async def join_snapshot(connection: asyncpg.Connection, snapshot: str) -> None:
    """Open a read-only transaction that sees what the exporting one sees, and leave it open."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")


async def cut(connection: asyncpg.Connection) -> tuple[int, list[Range]]:
    """Return how many lines there are, and ranges of customers of some 40,000 lines each."""
    row = await connection.fetchrow(sql("verify_counts"))
    size = max(1, LINES_PER_RANGE * row["customers"] // max(1, row["lines"]))
    cuts = [each["customer_id"] for each in await connection.fetch(sql("verify_ranges"), size)]
    return row["lines"], list(map(Range, ["", *cuts], [*cuts, None]))


def _read_policies(rows: Sequence[Any]) -> tuple[dict[int, Policy], Fault | None]:
    """Read every policy version; a fault where one is missing, or not what its file says."""
    policies = {0: NO_POLICY}
    for at, row in enumerate(rows, 1):
        if row["version"] != at:
            return policies, Fault("-", at, "policy version", str(row["version"]), str(at))
        try:
            policies[at] = parse_policy(row["source"], at)
        except PolicyError as error:
            return policies, Fault("-", at, f"policy version {at}", str(error), "a valid file")
        if row["grace_days"] != policies[at].grace_days:
            days = str(row["grace_days"]), str(policies[at].grace_days)
            return policies, Fault("-", at, f"grace_days of policy version {at}", *days)
    return policies, None


def _unreadable(row: Any, customer_id: str, error: Exception) -> Fault:
    """The fault of a command whose content is no event of its type."""
    said = f"{row['content']:.60} ({type(error).__name__}: {error})".replace("\n", " ")
    what = f"the content of {row['command_id']}"
    return Fault(customer_id, 0, what, said, f"an event of type {row['type']}")


def _date_fault(found: date | None, days: Sequence[date]) -> Fault | None:
    wanted = max(days, default=None)
    return None if found == wanted else Fault("-", 0, "business date", str(found), str(wanted))


async def stuck_fault(connection: asyncpg.Connection) -> Fault | None:
    """Return a parked command that should have been judged: whatever it waited for is there."""
    row = await connection.fetchrow(sql("verify_stuck"))
    if row is None:
        return None
    customer_id = row["customer_id"]
    expected = (
        f"judged, for it waits for nothing: `rollforward quarantine retry {customer_id}` applies it"
    )
    what = f"the outcome of {row['command_id']}"
    return Fault(customer_id, 0, what, f"parked ({row['reason']})", expected)


async def references_fault(connection: asyncpg.Connection) -> Fault | None:
    """Return a payment that was refused for its reference, though no other had it by then: the
    one thing that no customer's own rows tell. Content that cannot be read is `check`'s affair."""
    try:
        async with connection.transaction():
            row = await connection.fetchrow(sql("verify_references"))
    except asyncpg.DataError:
        return None
    if row is None:
        return None
    what = f"the outcome of {row['command_id']}"
    return Fault(row["customer_id"], 0, what, "refused: reference_already_used", "accepted")


async def check(
    connection: asyncpg.Connection, ground: Ground, span: Range, command_of: CommandOf
) -> Checked:
    """Check the customers of a range, in the snapshot of the open transaction."""
    checking = Checking(ground)
    for row in await connection.fetch(sql("verify_accounts"), *span):
        checking.account(row)
    for row in await connection.fetch(sql("verify_commands"), *span):
        checking.asked(row, command_of)
    await _copy(connection, sql("verify_lines"), span, checking.take)
    checked, suspects = checking.done()
    slack = await _slack(connection) if suspects else NO_SLACK
    for found, kept in suspects:
        if not is_explained(kept, ground.common, slack):
            return found
    return checked


async def _slack(connection: asyncpg.Connection) -> timedelta:
    """Return by how much instants may contradict the order in which rows were written: twice what
    the book shows, for no row was written at the very moment that a clock was set back."""
    back: timedelta | None = await connection.fetchval(sql("verify_clock"))
    return 2 * (back or NO_SLACK)


async def _copy(
    connection: asyncpg.Connection,
    query: str,
    arguments: Sequence[Any],
    take: Callable[[Sequence[bytes]], None],
) -> None:
    """Give `take` the rows of a query as COPY writes them, some at a time."""
    rest = b""

    async def output(data: bytes) -> None:
        nonlocal rest
        rows = (rest + data).split(b"\n")
        rest = rows.pop()
        take(rows)

    await connection.execute("SET LOCAL TimeZone = 'UTC'")
    await connection.copy_from_query(query, *arguments, output=output)


class Checking:
    """The customers of a range, one after the other, each with what the book says of them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._opened: dict[str, tuple[Opened, bool]] = {}
        self._asked: dict[str, list[Asked]] = {}
        self._current: str | None = None
        self._kept: list[tuple[Line, bytes | None]] = []
        """The lines of the current customer."""
        self._lines = self._customers = 0
        self._fault: Fault | None = None
        self._suspects: list[tuple[Checked, Kept]] = []

    def account(self, row: Any) -> None:
        """Note an account; terms or a contact that cannot be read are a fault."""
        figures = row["joined_on"], row["bill_from"], row["opening_due"]
        try:
            opened = Opened(*figures, read_terms(row["terms"]), read_contact(row["contact"]))
        except Unreadable as error:
            self._fault = self._fault or Fault(
                row["customer_id"], 0, "the row of the account", str(error), "as workers write it"
            )
            return
        self._opened[row["customer_id"]] = opened, row["quarantined"]

    def asked(self, row: Any, command_of: CommandOf) -> None:
        """Note a command. What it says of its id and its customer must be what its row says."""
        try:
            command = command_of(row["type"], row["content"], self._ground.zone)
        except Exception as error:
            self._fault = self._fault or _unreadable(row, row["customer_id"], error)
            return
        for name in ("command_id", "customer_id"):
            if getattr(command, name) != row[name] and self._fault is None:
                what = f"{name} of {row['command_id']}"
                self._fault = Fault(row["customer_id"], 0, what, row[name], getattr(command, name))
        asked = Asked(command, row["outcome"], row["reason"], row["recorded_at"])
        self._asked.setdefault(row["customer_id"], []).append(asked)

    def take(self, rows: Sequence[bytes]) -> None:
        """Take lines, in order, and check each customer who is complete."""
        for row in rows if self._fault is None else ():
            line, form = read(row)
            if line.customer_id != self._current:
                self._end()
                self._current = line.customer_id
            self._kept.append((line, form))

    def done(self) -> tuple[Checked, list[tuple[Checked, Kept]]]:
        """End the last customer, and those who have no lines. Return what was read, and the
        customers in whom a fault was found by the instants, with what was read up to each."""
        if self._fault is None:
            self._end()
            for customer_id in sorted(self._opened.keys() | self._asked.keys()):
                self._current = customer_id
                self._end()
        return Checked(self._lines, self._customers, self._fault), self._suspects

    def _end(self) -> None:
        if self._current is None:
            return
        opened, excused = self._opened.pop(self._current, (None, False))
        asked = self._asked.pop(self._current, ())
        kept = Kept(self._current, self._kept, asked, opened, excused)
        fault = fault_of(kept, self._ground.common)
        if fault is not None:
            self._suspects.append((Checked(self._lines, self._customers, fault), kept))
        self._lines += len(kept.lines)
        self._customers += opened is not None
        self._current, self._kept = None, []


# Reading ------------------------------------------------------------------------------------

NULL = rb"\N"
HASH_BACKSLASHES = 2
"""COPY writes bytes as a doubled backslash, an x and hex digits."""


def read(row: bytes) -> tuple[Line, bytes]:
    """Return the line of a row of verify_lines.sql, and its canonical form.

    What COPY writes is the canonical form but for the instant, and for texts with a backslash
    or a control character in them.
    """
    f = row.split(b"\t")
    at, instant = _instant(f[19])
    reverses, actor, reason = f[14], f[16], f[17]
    line = tuple.__new__(
        Line,
        (
            str(f[0], "utf-8"), int(f[1]), _text(f[2]), int(f[3]), _text(f[4]),
            int(f[5]), int(f[6]), int(f[7]), int(f[8]), int(f[9]), int(f[10]),
            _day(f[11]), _day(f[12]), str(f[13], "utf-8"),
            None if reverses == NULL else _plain(reverses), _day(f[15]),
            None if actor == NULL else _plain(actor), None if reason == NULL else _plain(reason),
            int(f[18]), at, bytes.fromhex(str(f[20][3:], "ascii")),
            int(f[21]), int(f[22]), f[23] == b"t", int(f[24]), f[25] == b"t", int(f[26]),
            int(f[27]), int(f[28]), int(f[29]), int(f[30]),
        ),
    )  # fmt: skip
    nulls = (reverses == NULL) + (actor == NULL) + (reason == NULL)
    if row.count(b"\\") == HASH_BACKSLASHES + nulls:
        f[19:21] = (instant,)
        return line, b"\n".join(f)
    return line, canonical(line)


@lru_cache(maxsize=4096)
def _day(text: bytes) -> date:
    return date.fromisoformat(text.decode())


@lru_cache(maxsize=4096)
def _text(text: bytes) -> str:
    return text.decode()


@lru_cache(maxsize=1024)
def _instant(text: bytes) -> tuple[datetime, bytes]:
    at = datetime.fromisoformat(text.decode()).astimezone(UTC)
    return at, at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()


ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
MEANS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def _plain(text: bytes) -> str:
    if b"\\" in text:
        text = ESCAPED.sub(lambda found: MEANS.get(found[1], found[1]), text)
    return text.decode()
