"""Prints every ledger line once, for ever: python read.py HOST:PORT. Needs aiokafka."""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer


async def main(kafka: str) -> None:
    newest: dict[str, tuple[int, int]] = {}  # keep it where your own results are kept
    async with AIOKafkaConsumer(
        "billing.ledger.v1",
        bootstrap_servers=kafka,
        group_id="my-reports",
        auto_offset_reset="earliest",
    ) as consumer:
        async for record in consumer:
            line = json.loads(record.value)
            at = (int(dict(record.headers)["ce_incarnation"]), line["seq"])
            if at > newest.get(line["customer_id"], (0, 0)):  # else it came before
                newest[line["customer_id"]] = at
                print(line["customer_id"], line["seq"], line["kind"], line["due"], flush=True)


asyncio.run(main(sys.argv[1]))
