"""The generated parts of docs/topics.md: the table of topics, and the programs in docs/samples/."""

from shared.schemas.inbound import MODELS
from shared.schemas.outbound import OUTBOUND_MODELS
from shared.schemas.pages import anchor, code, table
from shared.schemas.samples import SAMPLES
from shared.schemas.topics import DEAD_LETTERS, INBOUND, OUTBOUND, PARTITIONS, Topic

PROGRAMS = {
    "publish.py": "python",
    "read.py": "python",
    "publish.mjs": "js",
    "read.mjs": "js",
}
"""The sample programs, with their languages."""


def parts() -> dict[str, str]:
    """Return {name: text} of every generated part of the page."""
    rows = [_row(topic, "in") for topic in INBOUND] + [_row(topic, "out") for topic in OUTBOUND]
    letters: list[tuple[str, ...]] = [
        (f"`{topic.name}`", "out", str(topic.partitions), "as the original", "any record")
        for topic in DEAD_LETTERS
    ]
    columns = ("topic", "direction", "partitions", "key", "event types")
    programs = {
        name: code(language, (SAMPLES / name).read_text(encoding="utf-8"))
        for name, language in PROGRAMS.items()
    }
    return {"topics": table(columns, rows + letters), **programs}


def key_of(topic: Topic) -> str:
    """Return which field is the key of a topic's records, in words."""
    if topic.types[0] in OUTBOUND_MODELS:
        # A refused tick has no customer: its refusal has the key of the tick.
        refusals = topic.types == ("billing.command.refused.v1",)
        return "`customer_id`, or `period` of a refused tick" if refusals else "`customer_id`"
    (field,) = {MODELS[name].key_field for name in topic.types}
    return f"`{field}`"


def _row(topic: Topic, direction: str) -> tuple[str, ...]:
    types = "<br>".join(f"[`{name}`](events.md#{anchor(name)})" for name in topic.types)
    count = str(topic.partition_count(PARTITIONS))
    return (f"`{topic.name}`", direction, count, key_of(topic), types)
