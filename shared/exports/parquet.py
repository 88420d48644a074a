"""The ledger as Parquet: amounts exact, days as days, row groups of bounded size."""

from typing import IO

import asyncpg
import pyarrow as pa
import pyarrow.parquet as pq

from shared.ledger.postgres.auditing import ledger_pages

GROUP_ROWS = 20_000
AMOUNT = pa.decimal128(18, 2)

SCHEMA = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("seq", pa.int32(), nullable=False),
        pa.field("period", pa.string(), nullable=False),
        pa.field("revision", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        *(
            pa.field(name, AMOUNT, nullable=False)
            for name in ("previous_due", "charge", "discount", "vat", "billed", "paid", "due")
        ),
        pa.field("coverage_from", pa.date32(), nullable=False),
        pa.field("coverage_to", pa.date32(), nullable=False),
        pa.field("command_id", pa.string(), nullable=False),
        pa.field("reverses", pa.string()),
        pa.field("effective_on", pa.date32(), nullable=False),
        pa.field("actor", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("policy_version", pa.int32(), nullable=False),
        pa.field("recorded_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("hash", pa.string(), nullable=False),
    ]
)


async def write_parquet(connection: asyncpg.Connection, file: IO[bytes]) -> None:
    """Write the whole ledger, one row group a page."""
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            async for rows in ledger_pages(connection, GROUP_ROWS):
                columns = list(zip(*rows, strict=True))
                arrays = [
                    pa.array(column, field.type)
                    for column, field in zip(columns, SCHEMA, strict=True)
                ]
                writer.write_batch(pa.record_batch(arrays, schema=SCHEMA))
