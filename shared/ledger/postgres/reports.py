"""Queries of the command line: what it reads from the book and prints."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from shared.ledger.line import Line
from shared.ledger.policy.changes import brought_back, changes
from shared.ledger.policy.file import parse_new, parse_policy
from shared.ledger.policy.policy import GRACE_DAYS, Policy, read_together
from shared.ledger.policy.prices import Price
from shared.ledger.postgres import fleet
from shared.ledger.postgres.locks import lock_every_bucket, lock_policy
from shared.ledger.postgres.outgoing import ask_for_rechecks
from shared.ledger.postgres.statements import sql

Row: TypeAlias = Any
"""An asyncpg `Record`: values by column name."""


class Applied(NamedTuple):
    """A policy version in the book, and its changes against the previous one, in words. `new` is
    False if the latest version already had the same text. `warnings`: what changes for bills that
    are made already."""

    version: int
    new: bool
    changes: Sequence[str] = ()
    warnings: Sequence[str] = ()


class StillGoBy(Exception):
    """A policy leaves out codes whose price customers still go by: {code: number of customers}."""

    def __init__(self, customers: Mapping[str, int]) -> None:
        super().__init__(", ".join(f"{code} ({count})" for code, count in customers.items()))
        self.customers = customers


class TakesAway(Exception):
    """A policy removes taxes, prices or staff without `remove`; `words` describes each."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__("; ".join(words))
        self.words = words


async def apply_policy(
    connection: asyncpg.Connection, source: str, rechecks: str, remove: bool = False
) -> Applied:
    """Append a policy version, unless its text is that of the latest one.

    Other grace days change every `expires_on`, so a recheck of each customer's entitlement is
    requested on the topic `rechecks`. Appends nothing and raises PolicyError if the text is not a
    valid policy file, StillGoBy if it lacks a code whose price customers still go by, or TakesAway
    if it lacks a tax, a price or a member of staff of the previous version and `remove` is not set.
    """
    async with connection.transaction():
        await lock_policy(connection)
        latest = await connection.fetchrow(sql("latest_policy"))
        if latest is not None and latest["source"] == source:
            return Applied(latest["version"], new=False)
        before = parse_policy(latest["source"], latest["version"]) if latest else Policy()
        policy = parse_new(source, before.version + 1)
        found = changes(before, policy)
        gone = [code for code in before.prices.by_code if code not in policy.prices]
        if gone and (left := await _customers_by_code(connection, gone)):
            raise StillGoBy(left)
        taken_away = [change.words for change in found if change.takes_away]
        if taken_away and not remove:
            raise TakesAway(taken_away)
        warnings = await _brought_back(connection, before, policy)
        version = await connection.fetchval(sql("add_policy"), source, policy.grace_days)
        assert version == policy.version
        prices = [price for entries in policy.prices.by_code.values() for price in entries]
        if prices:
            await connection.execute(sql("add_prices"), version, *zip(*prices, strict=True))
        if policy.grace_days != before.grace_days:
            await ask_for_rechecks(connection, rechecks)
    return Applied(version, True, [change.words for change in found], warnings)


async def _brought_back(
    connection: asyncpg.Connection, before: Policy, policy: Policy
) -> Sequence[str]:
    """Return a warning for each code that the version before lacks and an older one had at other
    prices."""
    codes = [code for code in policy.prices.by_code if code not in before.prices]
    old: dict[str, tuple[int, list[Price]]] = {}
    for code, version, *entry in await connection.fetch(sql("prices_of_old"), codes):
        old.setdefault(code, (version, []))[1].append(Price(code, *entry))
    return brought_back(old, before.version, policy.prices)


async def _customers_by_code(
    connection: asyncpg.Connection, codes: Sequence[str]
) -> dict[str, int]:
    """Return how many customers go by the list price of each of these codes; only codes that some
    go by. It locks all buckets: else a batch that read the policy before could commit another such
    customer afterwards."""
    await lock_every_bucket(connection)
    return dict(await connection.fetch(sql("customers_by_code"), codes))


async def policy_row(connection: asyncpg.Connection, version: int | None) -> Row | None:
    """Return a policy version (None: the latest): version, source, grace_days, applied_at."""
    if version is None:
        return await connection.fetchrow(sql("latest_policy"))
    return await connection.fetchrow(sql("policy_of_version"), version)


async def policies(connection: asyncpg.Connection) -> Mapping[int, Policy]:
    """Return every policy version, including the empty one, version 0."""
    rows = await connection.fetch(sql("policies"), 0)
    read = {row["version"]: parse_policy(row["source"], row["version"]) for row in rows}
    return read_together({0: Policy(), **read})


async def zone(connection: asyncpg.Connection) -> str | None:
    """Return the name of the fleet's business zone; None before it is set up."""
    known = await fleet.set_up(connection)
    return None if known is None else known.zone


async def customer(connection: asyncpg.Connection, customer_id: str) -> Row | None:
    return await connection.fetchrow(sql("customer"), customer_id)


async def statement(
    connection: asyncpg.Connection, customer_id: str, as_of: datetime | None = None
) -> list[Row]:
    """Return a row per period, oldest first, as known now or at an instant."""
    if as_of is None:
        return list(await connection.fetch(sql("statement"), customer_id))
    return list(await connection.fetch(sql("statement_as_of"), customer_id, as_of))


async def known_then(connection: asyncpg.Connection, as_of: datetime) -> tuple[date, int]:
    """Return the business date (date.min before the first tick) and the grace days of the policy
    as they were known at an instant."""
    row = await connection.fetchrow(sql("known_then"), as_of)
    grace_days = GRACE_DAYS if row["grace_days"] is None else row["grace_days"]
    return row["business_date"] or date.min, grace_days


async def parked(connection: asyncpg.Connection, customer_id: str | None) -> list[Row]:
    return list(await connection.fetch(sql("parked_all"), customer_id))


async def refusals(
    connection: asyncpg.Connection, customer_id: str | None, count: int | None
) -> list[Row]:
    """Return refusals, newest first, at most `count`; None: all."""
    return list(await connection.fetch(sql("refusals"), customer_id, count))


async def refused_lately(connection: asyncpg.Connection, seconds: float) -> Row:
    """Return how many commands were `refused` in the last `seconds`, and if the newest tick was
    refused, its id as `tick` and its `reason` (else null)."""
    return await connection.fetchrow(sql("refused_lately"), seconds)


async def quarantine(connection: asyncpg.Connection) -> list[Row]:
    return list(await connection.fetch(sql("quarantine_all")))


async def known(connection: asyncpg.Connection, command_ids: Sequence[str]) -> set[str]:
    """Return which of these commands have an outcome or are parked."""
    rows = await connection.fetch(sql("known_commands"), list(command_ids))
    return {row["command_id"] for row in rows}


async def totals(connection: asyncpg.Connection) -> list[Row]:
    """Return a row per period of the whole ISP: period, customers, billed, paid, due."""
    return list(await connection.fetch(sql("totals")))


async def counts(connection: asyncpg.Connection) -> Row:
    """Return how many lines, commands and notices there are."""
    return await connection.fetchrow(sql("counts"))


async def lines_of(connection: asyncpg.Connection, customer_id: str) -> list[Line]:
    """Return all of a customer's lines in the order of seq."""
    return [Line(*row) for row in await connection.fetch(sql("lines_of"), customer_id)]


async def lines_made(
    connection: asyncpg.Connection, customer_id: str, command_id: str
) -> list[Line]:
    """Return the lines that an accepted command made, in the order of seq: its own, and the bills
    that were written with it."""
    rows = await connection.fetch(sql("lines_made"), customer_id, command_id)
    return [Line(*row) for row in rows]


async def accepted_of(
    connection: asyncpg.Connection, customer_id: str
) -> list[tuple[str, str, datetime]]:
    """Return (type, content, recorded_at) of a customer's accepted commands, in order."""
    rows = await connection.fetch(sql("accepted_of"), customer_id)
    return [(row["type"], row["content"], row["recorded_at"]) for row in rows]
