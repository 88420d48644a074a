"""Price lists in the book: stored with their version, and kept while customers go by them."""

import asyncio
from typing import Any

import asyncpg
import pytest

from shared.ledger.postgres.reports import StillGoBy, TakesAway, apply_policy
from shared.ledger.terms import Extra, Package
from tests.postgres import kept as workers
from tests.postgres.booked import Booked, change, signup, tick
from tests.support.events import toml_of
from tests.support.examples import policy_of
from tests.support.patience import until

LISTED: dict[str, Any] = {
    "staff": [{"id": "boss", "may": ["price"]}],
    "price": [
        {"code": "home", "from": "2026-01-01", "amount": "1000.00", "name": "Home"},
        {"code": "home", "from": "2026-07-01", "amount": "1100.00"},
        {"code": "ip", "from": "2026-01-01", "amount": "200.00"},
    ],
}
LESS: dict[str, Any] = {"staff": LISTED["staff"], "price": LISTED["price"][:1]}


async def apply(books: Booked, told: dict[str, Any], remove: bool = False) -> None:
    await apply_policy(books.connection, toml_of(policy_of(told)), "rechecks", remove)


async def test_the_prices_of_a_version_are_stored_with_it(books: Booked) -> None:
    await apply(books, LISTED)

    rows = await books.rows(
        "SELECT version, code, starts::text, amount, name FROM book.price ORDER BY 1, 2, 3"
    )
    assert rows == [
        (1, "home", "2026-01-01", 100_000, "Home"),
        (1, "home", "2026-07-01", 110_000, None),
        (1, "ip", "2026-01-01", 20_000, None),
    ]


async def test_a_code_that_customers_go_by_cannot_be_left_out(books: Booked) -> None:
    """As an extra now, as a package later; an own price and a price of the past do not count."""
    await apply(books, LISTED)
    books.apply_policy(policy_of(LISTED))
    await books.play(
        signup(
            "rahim", "2026-01-01", package=Package("home", None), extras=(Extra("ip", None, 2),)
        ),
        signup("karim", "2026-01-01", package=Package("home", 500)),
        change("c-1", "karim", "2026-09-01", package=Package("ip", None)),
        signup("salma", "2026-01-01", package=Package("home", None), extras=(Extra("ip", 5, 1),)),
        tick("2026-01-05"),
    )

    with pytest.raises(StillGoBy) as refused:
        await apply(books, LESS, remove=True)
    assert refused.value.customers == {"ip": 2}
    assert await books.rows("SELECT max(version) FROM book.policy") == [(1,)]

    await books.play(
        change("c-2", "karim", "2026-08-01", package=Package("home", None)),
        change("c-3", "rahim", "2026-01-05", extras=()),
    )
    with pytest.raises(TakesAway):
        await apply(books, LESS)
    await apply(books, LESS, remove=True)
    assert await books.rows("SELECT max(version) FROM book.policy") == [(2,)]


async def test_customers_count_once_however_their_terms_name_the_code(books: Booked) -> None:
    """Months apart, as package and extra, or on terms that others share; not by old terms."""
    listed, extra = Package("home", None), (Extra("home", None, 1),)
    await apply(books, LISTED)
    books.apply_policy(policy_of(LISTED))
    await books.play(
        signup("rahim", "2026-01-01", package=listed),
        signup("karim", "2026-01-01", package=listed, extras=extra),
        change("c-1", "karim", "2026-03-01", package=Package("slow", 500)),
        change("c-2", "karim", "2026-05-01", package=listed),
        signup("jamal", "2026-01-01", package=listed),
        signup("salma", "2026-01-01", package=listed),
        change("c-3", "salma", "2026-02-01", package=Package("slow", 500)),
        tick("2026-02-01"),
    )

    with pytest.raises(StillGoBy) as refused:
        await apply(books, {"staff": LISTED["staff"]}, remove=True)

    assert refused.value.customers == {"home": 3}


async def test_what_is_in_force_until_the_day_before_the_business_date_counts_no_more(
    books: Booked,
) -> None:
    await apply(books, LISTED)
    books.apply_policy(policy_of(LISTED))
    await books.play(
        signup("rahim", "2026-01-01", package=Package("home", None)),
        change("c-1", "rahim", "2026-02-02", package=Package("slow", 500)),
        tick("2026-02-01"),
    )
    with pytest.raises(StillGoBy):
        await apply(books, {"staff": LISTED["staff"]}, remove=True)

    await books.play(tick("2026-02-02"))
    await apply(books, {"staff": LISTED["staff"]}, remove=True)

    assert await books.rows("SELECT max(version) FROM book.policy") == [(2,)]


async def test_a_signup_that_is_being_judged_is_waited_for(
    connection: asyncpg.Connection, database: str
) -> None:
    """Else it would be billed by a price that the policy no longer has."""
    other = await asyncpg.connect(database)
    await apply_policy(connection, toml_of(policy_of(LISTED)), "rechecks")
    batch = other.transaction()
    await batch.start()
    await workers.Kept(other).tell(
        workers.signup("rahim", "2026-01-01", package={"code": "home"}, extras=[{"code": "ip"}])
    )

    less = asyncio.create_task(
        apply_policy(connection, toml_of(policy_of(LESS)), "rechecks", remove=True)
    )
    waits = "SELECT pg_blocking_pids($1) <> '{}'"
    pid = connection.get_server_pid()

    async def blocked_or_done() -> bool:
        return less.done() or await other.fetchval(waits, pid)

    await until(blocked_or_done, "the policy to wait for the batch")
    await batch.commit()

    with pytest.raises(StillGoBy) as refused:
        await less
    assert refused.value.customers == {"ip": 1}
    await other.close()


async def test_the_customer_view_has_package_price_and_username(books: Booked) -> None:
    await apply(books, LISTED)
    books.apply_policy(policy_of(LISTED))
    await books.play(
        signup(
            "rahim", "2026-01-01", package=Package("home", None), extras=(Extra("ip", None, 2),)
        ),
        signup(
            "karim", "2026-01-01", package=Package("slow", 500), username="k.rim", texting=False
        ),
    )
    shown = "SELECT username, package, price::text, texting, status FROM report.customer ORDER BY 1"

    before = await books.rows(shown)
    await books.play(tick("2026-07-02"))

    assert before == [("k.rim", "slow", "5.00", False, "active"),
                      ("rahim", "home", "1400.00", True, "active")]  # fmt: skip
    assert (await books.rows(shown))[1] == ("rahim", "home", "1500.00", True, "active")


async def test_the_price_shown_is_that_of_the_newest_version_that_has_the_code_own_ones_first(
    books: Booked,
) -> None:
    """Before the first tick it is the first price of each code, which holds on earlier days too."""
    price = [*LISTED["price"][:2], {"code": "ip", "from": "2026-03-01", "amount": "300.00"}]
    dearer = {**LISTED, "price": price}
    await apply(books, LISTED)
    await apply(books, dearer, remove=True)
    books.apply_policy(policy_of(dearer))
    extras = (Extra("ip", None, 3),)
    await books.play(
        signup("jamal", "2026-01-01", package=Package("home", 700), extras=(Extra("ip", 50, 2),)),
        signup("karim", "2026-01-01", package=Package("home", None), extras=extras),
    )
    shown = "SELECT price::text FROM report.customer ORDER BY customer_id"

    before = await books.rows(shown)
    await books.play(tick("2025-12-01"))
    early = await books.rows(shown)

    assert before == early == [("8.00",), ("1900.00",)]
