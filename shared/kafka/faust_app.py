"""The Faust app, in a file of its own because Faust is slow to import."""

from typing import Any

import faust

from shared.kafka import odd_records
from shared.kafka.clients import METADATA_MS, SESSION_SECONDS


class _App(faust.App):
    """Faust without its data folders: they are for tables, which we do not use, and a worker that
    is killed would leave them behind."""

    def _create_directories(self) -> None: ...


def faust_app(kafka: str, name: str, **options: Any) -> faust.App:
    """Return an app `rollforward-NAME` that declares no topics, serves no pages, and keeps no
    tables; `kafka` is host:port, commas between."""
    odd_records.read_all()
    return _App(
        f"rollforward-{name}",
        broker=[f"kafka://{server}" for server in kafka.split(",")],
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        producer_metadata_max_age_ms=METADATA_MS,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 5,
        **options,
    )
