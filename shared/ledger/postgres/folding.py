"""Prepares a fold: takes the locks and loads everything that the rules may need from the book.

It loads plain values: this module loads, `shared.ledger.decide` decides, `save.py` saves. A batch
needs a fixed number of statements, whatever its size.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import asyncpg

from shared.ledger.account import NEVER
from shared.ledger.arrival import Arrival
from shared.ledger.commands import CancellationRequested, Command, SignedUp
from shared.ledger.errors import Unreadable
from shared.ledger.fold import Fold, Seen
from shared.ledger.policy.file import parse_policy
from shared.ledger.policy.policy import NO_POLICY, Policy, read_together
from shared.ledger.postgres.accounts import accounts, bill_page
from shared.ledger.postgres.locks import lock_buckets
from shared.ledger.postgres.names import load_references, load_usernames
from shared.ledger.postgres.quarantine import BucketOf
from shared.ledger.postgres.statements import sql
from shared.ledger.reach import WHOLE, Reach, reach, references_asked, usernames_asked
from shared.ledger.world import World

CommandOf = Callable[[str, str], Any]
"""(type, content) -> command; raises an exception of any type if they cannot be read."""


class Policies:
    """Policy versions. Each is read once, because versions never change."""

    def __init__(self) -> None:
        self.versions: Mapping[int, Policy] = {0: NO_POLICY}

    async def up_to(self, connection: asyncpg.Connection, version: int | None) -> Policy:
        """Return the policy of a version (None: the empty policy); reads versions not read yet."""
        if version is None:
            return NO_POLICY
        if version not in self.versions:
            new = await connection.fetch(sql("policies"), max(self.versions))
            read = {row["version"]: parse_policy(row["source"], row["version"]) for row in new}
            self.versions = read_together({**self.versions, **read})
        return self.versions[version]


async def open_fold(
    connection: asyncpg.Connection,
    policies: Policies,
    commands: Sequence[str] = (),
    customers: Sequence[str] = (),
) -> Fold:
    """Return a fold without accounts: earlier outcomes of these commands, which of these customers
    are quarantined, and the world that the rules read. The locks must be held."""
    row = await connection.fetchrow(sql("world"), commands, customers)
    policy = await policies.up_to(connection, row["policy_version"])
    world = World(
        recorded_at=row["recorded_at"],
        business_date=row["business_date"] or date.min,
        policy=policy,
        policies=policies.versions,
    )
    return Fold(
        world,
        seen={command_id: Seen(*seen) for command_id, *seen in row["seen"]},
        quarantined=dict(row["quarantined"]),
    )


class Folding:
    """Makes folds, and remembers the policy versions that it has read."""

    def __init__(self, bucket_of: BucketOf, command_of: CommandOf) -> None:
        self.bucket_of = bucket_of
        self._command_of = command_of
        self._policies = Policies()

    async def of_batch(
        self,
        connection: asyncpg.Connection,
        arrivals: Sequence[Arrival[Command]],
        others: Iterable[int] = (),
    ) -> Fold:
        """Lock and load the customers of arrivals, each as far back as their commands need. Also
        load the parked commands of customers who sign up in this batch or have no period yet, or
        whose commands a cancellation may withdraw. The buckets `others` are locked too."""
        reaches = _reaches(arrivals)
        await lock_buckets(connection, [*map(self.bucket_of, reaches), *others])
        if not reaches:
            return Fold(World(NEVER))
        ids = [arrival.command_id for arrival in arrivals]
        fold = await open_fold(connection, self._policies, ids, list(reaches))
        fold.accounts, broken = await accounts(connection, reaches)
        fold.set_apart(broken)
        signed_up = {a.command.customer_id for a in arrivals if isinstance(a.command, SignedUp)}
        cancelling = {a.command.customer_id for a in arrivals if _may_withdraw(a)}
        unsettled = [
            each
            for each in reaches
            if each in signed_up or each in cancelling or _is_new(fold, each)
        ]
        await self._load_waiting(connection, fold, unsettled, arrivals)
        return fold

    async def of_page(
        self, connection: asyncpg.Connection, bucket: int, after: str, end_bucket: int, count: int
    ) -> tuple[Fold, dict[str, int]]:
        """Load the next customers of some buckets (`accounts.bill_page`), only as far as billing
        needs. Return the fold, and {customer id: bucket} in the order of the page. The buckets must
        be locked."""
        fold = await open_fold(connection, self._policies)
        page = await bill_page(connection, bucket, after, end_bucket, count)
        fold.accounts, fold.quarantined = page.accounts, page.quarantined
        fold.set_apart(page.broken)
        await self._load_waiting(connection, fold, [c for c in fold.accounts if _is_new(fold, c)])
        return fold, page.buckets

    async def of_customer(self, connection: asyncpg.Connection, customer_id: str) -> Fold:
        """Load one customer completely, with their parked commands. Their bucket must be locked."""
        fold = await open_fold(connection, self._policies)
        fold.accounts, broken = await accounts(connection, {customer_id: WHOLE})
        fold.set_apart(broken)
        await self._load_waiting(connection, fold, [customer_id])
        return fold

    async def of_broken(
        self,
        connection: asyncpg.Connection,
        arrival: Arrival[Command],
        error: Exception,
        reason: str,
    ) -> Fold:
        """Lock the customer of an arrival and mark them as broken by an error. Only an earlier
        outcome of the command is loaded."""
        customer_id = arrival.command.customer_id
        await lock_buckets(connection, [self.bucket_of(customer_id)])
        fold = await open_fold(connection, self._policies, [arrival.command_id])
        fold.quarantined[customer_id] = reason
        fold.broken[customer_id] = error
        return fold

    async def _load_waiting(
        self,
        connection: asyncpg.Connection,
        fold: Fold,
        customers: Sequence[str],
        arrivals: Iterable[Arrival[Command]] = (),
    ) -> None:
        """Load customers' parked commands, and who holds the references and usernames they need."""
        if customers:
            await self._load_parked(connection, fold, customers)
        waiting = (each for parked in fold.parked.values() for each in parked)
        judged = [*arrivals, *waiting]
        asked = references_asked(judged, fold.accounts.values())
        await load_references(connection, fold.world, asked)
        await load_usernames(connection, fold.world, usernames_asked(judged))

    async def _load_parked(
        self, connection: asyncpg.Connection, fold: Fold, customers: Sequence[str]
    ) -> None:
        for customer_id, type_, content, *event in await connection.fetch(
            sql("parked_of"), customers
        ):
            try:
                command = self._command_of(type_, content)
            except Exception as error:
                # Somebody changed this customer's rows by hand: quarantine only this customer.
                why = f"a parked {type_} cannot be read: {type(error).__name__}: {error}"
                fold.set_apart({customer_id: Unreadable(why)})
                continue
            fold.parked.setdefault(customer_id, []).append(Arrival(type_, command, content, *event))


def _may_withdraw(arrival: Arrival[Command]) -> bool:
    return isinstance(arrival.command, CancellationRequested)


def _is_new(fold: Fold, customer_id: str) -> bool:
    """Whether the customer has an account but no period yet."""
    return customer_id in fold.accounts and fold.accounts[customer_id].head is None


def _reaches(arrivals: Iterable[Arrival[Command]]) -> dict[str, Reach]:
    """Return how far back each account must be loaded, for all of the customer's commands."""
    reaches: dict[str, Reach] = {}
    for arrival in arrivals:
        customer_id, wanted = arrival.command.customer_id, reach(arrival.command)
        known = reaches.get(customer_id)
        reaches[customer_id] = wanted if known is None else known.and_also(wanted)
    return reaches
