"""Verifies the whole book: customers in ranges, rows as bytes from COPY.

A process checks one range at a time; all processes read the same snapshot. A range's commands and
accounts are held in memory, and the lines of one customer. Customers with a plain history are
checked by comparing bytes (`plain.py`); all others, and all in doubt, by the audit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import asyncpg

from shared.ledger.audit.asked import NO_SLACK, Asked, Days, InTime, PolicyVersions
from shared.ledger.audit.customer import Common, Kept, fault_of, judged_again
from shared.ledger.audit.fault import Fault
from shared.ledger.audit.outcomes import ticks_fault
from shared.ledger.errors import PolicyError, Unreadable
from shared.ledger.policy.file import parse_policy
from shared.ledger.policy.policy import NO_POLICY, Policy, read_together
from shared.ledger.postgres.copied import read_account, read_command, read_line
from shared.ledger.postgres.papers_verified import papers_fault
from shared.ledger.postgres.plain import Plain
from shared.ledger.postgres.statements import sql
from shared.ledger.references import reference_of

LINES_PER_RANGE = 40_000
CommandOf = Callable[[str, str, ZoneInfo], Any]
"""Reads (type, content, zone) of a command: `shared.schemas.inbound.command_of`."""


class Range(NamedTuple):
    """Customers after the id `after` up to `upto`; None: to the last customer."""

    after: str
    upto: str | None


class Checked(NamedTuple):
    """The counts of what was checked in a range, and its first fault; the faulty customer and those
    after it are not counted."""

    lines: int
    customers: int
    fault: Fault | None


@dataclass
class Ground:
    """What all ranges share. `fault` is a fault in rows that belong to no customer: ticks, policy
    versions, business date. `plain` and `slack` are kept from one range to the next."""

    zone: ZoneInfo
    common: Common
    plain: Plain
    fault: Fault | None
    slack: timedelta | None = None


async def ground(connection: asyncpg.Connection, command_of: CommandOf) -> Ground:
    """Read and check what all ranges share."""
    row = await connection.fetchrow(sql("verify_ground"))
    zone = ZoneInfo(row["zone"])
    rows = await connection.fetch(sql("verify_policies"))
    policies, wrong = _read_policies(rows)
    together = read_together(policies)
    versions = [
        (each["applied_at"], together[each["version"]])
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
    days = Days(ticks, row["billed_to"], row["grown_at"])
    common = Common(PolicyVersions(policies), InTime(NO_POLICY, versions), days)
    return Ground(zone, common, Plain(common, zone, command_of), fault)


async def export_snapshot(connection: asyncpg.Connection) -> str:
    """Export the open transaction's snapshot for other sessions; return its name."""
    return str(await connection.fetchval("SELECT pg_export_snapshot()"))


async def join_snapshot(connection: asyncpg.Connection, snapshot: str) -> None:
    """Begin a read-only transaction with an exported snapshot, and leave it open."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")


async def cut(connection: asyncpg.Connection) -> tuple[int, list[Range]]:
    """Return the number of lines, and ranges of customers with about 40,000 lines each."""
    row = await connection.fetchrow(sql("verify_counts"))
    size = max(1, LINES_PER_RANGE * row["customers"] // max(1, row["lines"]))
    cuts = [each["customer_id"] for each in await connection.fetch(sql("verify_ranges"), size)]
    return row["lines"], list(map(Range, ["", *cuts], [*cuts, None]))


def _read_policies(rows: Sequence[Any]) -> tuple[dict[int, Policy], Fault | None]:
    """Read every policy version. Return a fault if one is missing, invalid, or differs from its
    file."""
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
    """Return the fault of a command whose content is not an event of its type."""
    why = f"{row['content']:.60} ({type(error).__name__}: {error})".replace("\n", " ")
    what = f"the content of {row['command_id']}"
    return Fault(customer_id, 0, what, why, f"an event of type {row['type']}")


def _date_fault(found: date | None, days: Sequence[date]) -> Fault | None:
    wanted = max(days, default=None)
    return None if found == wanted else Fault("-", 0, "business date", str(found), str(wanted))


async def stuck_fault(connection: asyncpg.Connection) -> Fault | None:
    """Return a parked command that should have been judged, because it waits for nothing."""
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
    """Return a command that was refused because another customer's payment had its reference, or
    another customer its username, although nobody had it by then: the one fault that a customer's
    own rows cannot show. `check` reports unreadable content."""
    try:
        async with connection.transaction():
            row = await _without_holder(connection)
            reason = "reference_already_used"
            if row is None:
                row = await connection.fetchrow(sql("verify_usernames"))
                reason = "username_taken"
    except asyncpg.DataError:
        return None
    if row is None:
        return None
    what = f"the outcome of {row['command_id']}"
    return Fault(row["customer_id"], 0, what, f"refused: {reason}", "accepted")


async def _without_holder(connection: asyncpg.Connection) -> Any:
    """Return a payment that was refused for its reference although none before it had that one,
    compared as the rules compare them; the statement compares letters of ASCII only."""
    rows = await connection.fetch(sql("verify_references"))
    if not rows:
        return None
    first: dict[Any, int] = {}
    for row in await connection.fetch(sql("verify_payments")):
        first.setdefault(reference_of(row["method"], row["reference"]), row["position"])
    for row in rows:
        at = first.get(reference_of(row["method"], row["reference"]))
        if at is None or at > row["position"]:
            return row
    return None


async def check(
    connection: asyncpg.Connection, ground: Ground, span: Range, command_of: CommandOf
) -> Checked:
    """Check the customers of a range, in the snapshot of the open transaction."""
    checking = Checking(ground, command_of)
    await connection.execute(sql("copied_session"))
    await _copy(connection, sql("verify_accounts"), span, checking.accounts)
    await _copy(connection, sql("verify_commands"), span, checking.commands)
    await _copy(connection, sql("verify_lines"), span, checking.lines)
    checked, suspects = checking.done()
    for read, found, kept in suspects:
        fault: Fault | None = found
        if kept is not None:
            slack = await _slack(connection, ground)
            fault = judged_again(found, kept, ground.common, slack)
        if fault is not None:
            return read._replace(fault=fault)
    policies = ground.common.policies
    return checked._replace(fault=await papers_fault(connection, *span, policies))


async def _slack(connection: asyncpg.Connection, ground: Ground) -> timedelta:
    """Return by how much instants may contradict the order of positions: twice the largest
    contradiction in the book, because a clock may have been set back by more than rows show. The
    query reads the whole book, so a process runs it once, and only if it has found a fault."""
    if ground.slack is None:
        ground.slack = 2 * (await connection.fetchval(sql("verify_clock")) or NO_SLACK)
    return ground.slack


async def _copy(
    connection: asyncpg.Connection,
    query: str,
    arguments: Sequence[Any],
    take: Callable[[Sequence[bytes]], None],
) -> None:
    """Call `take` with the rows of a query as COPY writes them, in chunks."""
    rest = b""

    async def output(data: bytes) -> None:
        nonlocal rest
        rows = (rest + data).split(b"\n")
        rest = rows.pop()
        take(rows)

    await connection.copy_from_query(query, *arguments, output=output)


class Suspect(NamedTuple):
    """A fault, and the counts before that customer. `kept` has the customer's rows if a clock that
    was set back may explain the fault."""

    read: Checked
    fault: Fault
    kept: Kept | None


class Checking:
    """Checks the customers of a range one after the other."""

    def __init__(self, ground: Ground, command_of: CommandOf) -> None:
        self._ground = ground
        self._command_of = command_of
        self._accounts: dict[bytes, bytes] = {}
        self._commands: dict[bytes, list[bytes]] = {}
        self._customer = b""
        self._lines: list[bytes] = []
        """The lines of the current customer."""
        self._checked = Checked(0, 0, None)
        self._suspects: list[Suspect] = []

    def accounts(self, rows: Sequence[bytes]) -> None:
        """Store rows of verify_accounts.sql."""
        for row in rows:
            self._accounts[row[: row.index(b"\t")]] = row

    def commands(self, rows: Sequence[bytes]) -> None:
        """Store rows of verify_commands.sql."""
        for row in rows:
            self._commands.setdefault(row[: row.index(b"\t")], []).append(row)

    def lines(self, rows: Sequence[bytes]) -> None:
        """Take rows of verify_lines.sql, in order, and check each customer once all their lines are
        read."""
        begins = self._customer + b"\t"
        for row in rows:
            if not row.startswith(begins):
                self._end()
                self._customer = row[: row.index(b"\t")]
                begins = self._customer + b"\t"
            self._lines.append(row)

    def done(self) -> tuple[Checked, list[Suspect]]:
        """Check the last customer, and those without lines. Return the counts, and the faults
        found: first those of customers with lines, then those of the others, each in order of
        ids."""
        self._end()
        for customer in sorted(self._accounts.keys() | self._commands.keys()):
            self._customer = customer
            self._end()
        return self._checked, self._suspects

    def _end(self) -> None:
        """Check the current customer, unless a fault was found that no clock can explain."""
        customer, lines = self._customer, self._lines
        if not customer or (self._suspects and self._suspects[-1].kept is None):
            return
        account, commands = self._accounts.pop(customer, None), self._commands.pop(customer, ())
        plain = self._ground.plain
        if account is None or not plain.is_right(customer, account, commands, lines):
            self._audit(customer.decode(), account, commands)
        read, customers, _ = self._checked
        self._checked = Checked(read + len(lines), customers + (account is not None), None)
        self._customer, self._lines = b"", []

    def _audit(self, customer_id: str, account: bytes | None, commands: Sequence[bytes]) -> None:
        """Check the current customer with the audit."""
        what = "the row of the account"
        try:
            opened, excused = (None, False) if account is None else read_account(account)
            what = "the row of a command"
            rows = list(map(read_command, commands))
            what = "the row of a line"
            lines = list(map(read_line, self._lines))
        except (Unreadable, ValueError) as error:
            self._found(Fault(customer_id, 0, what, str(error), "as workers write it"))
            return
        asked = []
        for row in rows:
            one = self._asked(row)
            if isinstance(one, Fault):
                self._found(one)
                return
            asked.append(one)
        kept = Kept(customer_id, lines, asked, opened, excused)
        fault = fault_of(kept, self._ground.common)
        if fault is not None:
            self._found(fault, kept)

    def _asked(self, row: Mapping[str, Any]) -> Asked | Fault:
        """Read a command. Its command id and customer id must equal those of its row."""
        customer_id = row["customer_id"]
        try:
            command = self._command_of(row["type"], row["content"], self._ground.zone)
        except Exception as error:
            return _unreadable(row, customer_id, error)
        for name in ("command_id", "customer_id"):
            if getattr(command, name) != row[name]:
                what = f"{name} of {row['command_id']}"
                return Fault(customer_id, 0, what, row[name], getattr(command, name))
        return Asked(command, row["outcome"], row["reason"], row["recorded_at"])

    def _found(self, fault: Fault, kept: Kept | None = None) -> None:
        self._suspects.append(Suspect(self._checked, fault, kept))
