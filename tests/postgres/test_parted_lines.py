"""A book whose lines are parted by bucket: as guarded and as readable as one whose lines are not.

Other tests hold on such a book too: ROLLFORWARD_TEST_LINE_PARTS=12 makes every book of theirs one.
"""

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from shared.embedded import Postgres
from shared.ledger.postgres.health import unguarded
from shared.ledger.postgres.migrate import migrate, steps
from shared.ledger.postgres.shape import BookDiffers, append_only, expect_fit
from tests.conftest import BUCKETS, PARTITIONS, ZONE, named

VIEWS = """
SELECT oid::regclass::text, pg_get_viewdef(oid), relowner::regrole::text, relacl::text
FROM pg_class
WHERE relnamespace IN ('book'::regnamespace, 'report'::regnamespace) AND relkind = 'v'
ORDER BY 1
"""
RIGHTS = (
    "SELECT relowner::regrole::text, relacl::text FROM pg_class WHERE oid = 'book.line'::regclass"
)


@pytest_asyncio.fixture
async def empty(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database without a book."""
    admin = await asyncpg.connect(postgres.admin_url)
    await admin.execute("CREATE DATABASE parted")
    connection = await asyncpg.connect(named(postgres.admin_url, "parted"))
    yield connection
    await connection.close()
    await admin.execute("DROP DATABASE parted")
    await admin.close()


async def set_up(connection: asyncpg.Connection, line_parts: int | None) -> list[str]:
    return await migrate(connection, PARTITIONS, ZONE, BUCKETS, line_parts)


async def test_a_parted_book_fits_the_release_and_is_made_once(empty: asyncpg.Connection) -> None:
    made = await set_up(empty, 8)

    assert made == [*(name for name, _ in steps()), "8 partitions of the lines"]
    assert await set_up(empty, 8) == []
    assert await set_up(empty, None) == []
    assert await expect_fit(empty) == []
    assert await unguarded(empty, append_only()) == []
    parts = await empty.fetch(
        "SELECT pg_get_expr(relpartbound, oid) AS buckets FROM pg_class"
        " WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'book.line'::regclass)"
    )
    listed = [part["buckets"].split("(")[1].strip(")").split(", ") for part in parts]
    assert [len(buckets) for buckets in listed] == [12] * 8
    assert sorted(int(each.strip("'")) for part in listed for each in part) == [*range(96)]


async def test_views_and_rights_are_those_of_a_book_in_one_table(empty: asyncpg.Connection) -> None:
    await set_up(empty, None)
    views, rights = await empty.fetch(VIEWS), await empty.fetch(RIGHTS)
    await set_up(empty, 12)
    assert await empty.fetch(VIEWS) == views
    assert await empty.fetch(RIGHTS) == rights


@pytest.mark.parametrize(
    ("before", "parts", "said"),
    [(None, 7, "possible: 1, 2, 3, 4, 6, 8"), (8, 12, "this one is partitioned into 8")],
)
async def test_what_cannot_be_is_refused(
    empty: asyncpg.Connection, before: int | None, parts: int, said: str
) -> None:
    await set_up(empty, before)
    with pytest.raises(ValueError, match=said):
        await set_up(empty, parts)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "ALTER TABLE book.line_3 DISABLE TRIGGER append_only",
            "book.line_3 lacks its guard against UPDATE and DELETE",
        ),
        (
            "DROP TRIGGER append_only_truncate ON book.line_3",
            "book.line_3 lacks its guard against TRUNCATE",
        ),
        (
            "ALTER TABLE book.line_3 DISABLE TRIGGER chain_holds",
            "book.line_3 lacks its check of the chain",
        ),
        (
            "GRANT UPDATE ON book.line_3 TO rollforward_writer",
            "book.line_3 may be changed by rollforward_writer",
        ),
        (
            "ALTER TABLE book.line_3 OWNER TO rollforward_writer",
            "table book.line_3 is owned by rollforward_writer",
        ),
        (
            "GRANT TRIGGER ON book.line_3 TO rollforward_reader",
            "book.line_3 may be changed or locked by rollforward_reader",
        ),
        (
            """
            CREATE FUNCTION public.twist() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.due := 0; RETURN NEW; END $$;
            CREATE TRIGGER twist BEFORE INSERT ON book.line_3 FOR EACH ROW
            EXECUTE FUNCTION public.twist();
            """,
            "book.line_3 has the trigger twist, which is not ours",
        ),
        (
            """
            ALTER TABLE book.line DETACH PARTITION book.line_3;
            CREATE TABLE book.other PARTITION OF book.line DEFAULT;
            """,
            "book.other lacks its check of the chain",
        ),
    ],
)
async def test_a_partition_without_its_guards_is_named(
    empty: asyncpg.Connection, change: str, said: str
) -> None:
    await set_up(empty, 12)
    await empty.execute(change)
    with pytest.raises(BookDiffers, match=said):
        await expect_fit(empty)
