"""The ledger as a journal for hledger, so that an independent program can check it."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import asyncpg

from shared.ledger.entries import RECEIVABLE, Entries, Entry
from shared.ledger.money import decimal
from shared.ledger.postgres import reports
from shared.ledger.postgres.auditing import Journalled, journal_pages
from shared.operator.tampered import Tampered

COMMODITY = "BDT"


async def write_journal(connection: asyncpg.Connection, write: Callable[[bytes], Any]) -> None:
    """Write every line as a balanced entry, and after each customer a balance assertion.

    Accounts and the commodity are declared before they are used. Memory holds one customer.
    """
    journal = Journal(await reports.policies(connection))
    write(f"commodity 1000.00 {COMMODITY}\n\n".encode())
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for rows in journal_pages(connection):
            write("".join(text for row in rows for text in _taken(journal, row)).encode())
    write("".join(journal.end()).encode())


def _taken(journal: "Journal", row: Journalled) -> list[str]:
    """Return the text of a row's entry; raise Tampered, which names the line, if it has none."""
    try:
        return list(journal.take(row))
    except Exception as error:  # pure code: any error comes of the values in this line
        raise Tampered(f"line {row.line.customer_id} {row.line.seq}", error) from error


class Journal:
    """Takes the lines of the book in order and yields the text of entries."""

    def __init__(self, policies: Any) -> None:
        self._policies = policies
        self._declared: set[str] = set()
        self._customer: str | None = None
        self._entries: Entries | None = None
        self._heads: dict[str, int] = {}
        self._last_day = date.min

    def take(self, row: Journalled) -> Iterator[str]:
        line, opening_due, method, payment_id = row
        if line.customer_id != self._customer:
            yield from self.end()
            self._customer = line.customer_id
            self._entries = Entries(self._policies, line.customer_id)
            self._heads, self._last_day = {}, line.effective_on
            yield f"account {RECEIVABLE}:{line.customer_id}\n"
            if opening_due:
                yield from self._told(self._entries.opening(line.coverage_from, opening_due))
        assert self._entries is not None
        self._heads[line.period] = line.due
        entry = self._entries.of(line, method, payment_id)
        if entry is not None:
            yield from self._told(entry)

    def end(self) -> Iterator[str]:
        """Assert the balance of the last customer, from the `due` of their last line."""
        if self._customer is not None:
            due = decimal(self._heads[max(self._heads)])
            yield f"{self._last_day} owed by {self._customer}\n"
            yield f"    {RECEIVABLE}:{self._customer}  0.00 {COMMODITY} = {due} {COMMODITY}\n\n"

    def _told(self, entry: Entry) -> Iterator[str]:
        self._last_day = max(self._last_day, entry.day)
        postings = [(_account(name), amount) for name, amount in entry.postings.items()]
        for account, _ in postings:
            if account not in self._declared and not account.startswith(f"{RECEIVABLE}:"):
                self._declared.add(account)
                yield f"account {account}\n"
        yield f"{entry.day} {self._customer} {entry.what}\n"
        for account, amount in postings:
            yield f"    {account}  {decimal(amount)} {COMMODITY}\n"
        yield "\n"


def _account(name: str) -> str:
    """Return an account's name without what would end it, or its line, in a journal: a payment's
    method is part of it, and is any text."""
    kept = "".join(each if each.isprintable() and each != ";" else "_" for each in name)
    return " ".join(kept.split())
