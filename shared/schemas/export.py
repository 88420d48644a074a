"""Writes the JSON Schema of every event type: `python -m shared.schemas.export DIR`."""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from shared.schemas.inbound import MODELS
from shared.schemas.outbound import OUTBOUND_MODELS

HERE = Path(__file__).parent / "json"


def schemas() -> dict[str, str]:
    """Return {file name: text} of the schema of each type's data, in and out."""
    models: dict[str, type[BaseModel]] = {**MODELS, **OUTBOUND_MODELS}
    return {f"{name}.json": _text(name, model) for name, model in sorted(models.items())}


def _text(name: str, model: type[BaseModel]) -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": name,
        **model.model_json_schema(mode="validation"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
