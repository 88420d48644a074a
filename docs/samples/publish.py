"""Publishes one payment: python publish.py HOST:PORT. Needs aiokafka."""

import asyncio
import json
import sys

from aiokafka import AIOKafkaProducer

PAYMENT = {
    "payment_id": "bkash-TRX1002",
    "customer_id": "rahim",
    "amount": "500.00",
    "method": "bkash",
    "channel": "online",
    "received_at": "2026-02-03T10:00:00+06:00",
    "reference": "TRX1002",
    "actor": "bkash-gateway",
}
HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "bkash-TRX1002",  # the same when the same event is sent again
    "ce_source": "/payments",
    "ce_type": "billing.payment.received.v1",
    "content-type": "application/json",
}


async def main(kafka: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True) as producer:
        sent = await producer.send_and_wait(
            "billing.payments.v1",
            key=PAYMENT["customer_id"].encode(),
            value=json.dumps(PAYMENT).encode(),
            headers=[(name, text.encode()) for name, text in HEADERS.items()],
        )
    print(f"partition {sent.partition}, offset {sent.offset}")


asyncio.run(main(sys.argv[1]))
