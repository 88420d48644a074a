"""Writes what is generated from the models: `python -m shared.schemas.export`.

The JSON Schema of every event type, the generated parts of docs/events.md and docs/topics.md, and
docs/asyncapi.json.
"""

import json
from pathlib import Path

from pydantic import BaseModel

from shared.schemas import asyncapi, reference, transport
from shared.schemas.inbound import MODELS
from shared.schemas.outbound import OUTBOUND_MODELS
from shared.schemas.pages import filled
from shared.schemas.samples import DOCS

SCHEMAS = Path(__file__).parent / "json"


def schemas() -> dict[str, str]:
    """Return {file name: text} of the schema of each type's data, in and out."""
    models: dict[str, type[BaseModel]] = {**MODELS, **OUTBOUND_MODELS}
    return {f"{name}.json": _text(name, model) for name, model in sorted(models.items())}


def files() -> dict[Path, str]:
    """Return {file: text} of everything that is generated."""
    events, topics = DOCS / "events.md", DOCS / "topics.md"
    return {
        **{SCHEMAS / name: text for name, text in schemas().items()},
        events: filled(events.read_text(encoding="utf-8"), reference.parts()),
        topics: filled(topics.read_text(encoding="utf-8"), transport.parts()),
        DOCS / "asyncapi.json": asyncapi.text(),
    }


def _text(name: str, model: type[BaseModel]) -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": name,
        **model.model_json_schema(mode="validation"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
