"""The sample events of the reference: one of each type, in docs/samples/."""

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
SAMPLES = DOCS / "samples"


def samples() -> dict[str, dict[str, Any]]:
    """Return {type: structured CloudEvent}, in and out; ValueError for a type that comes twice."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("in.jsonl", "out.jsonl"):
        for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            if event["type"] in found:
                raise ValueError(f"{name}: {event['type']} comes twice")
            found[event["type"]] = event
    return found


def headers_of(event: dict[str, Any]) -> dict[str, str]:
    """Return the headers of a structured event in binary mode."""
    attributes = {
        f"ce_{name}": str(value)
        for name, value in event.items()
        if name not in ("data", "datacontenttype")
    }
    return attributes | {"content-type": "application/json"}
