"""Each type has a sample that reads, and a JSON Schema that is up to date."""

import json
from pathlib import Path

import pytest

import shared.schemas
from shared.schemas.codec import decode
from shared.schemas.export import schemas
from shared.schemas.inbound import MODELS, command_of
from shared.schemas.outbound import OUTBOUND_MODELS
from shared.schemas.topics import INBOUND, OUTBOUND, TOPIC_OF_TYPE, TOPICS, dead_letters_of
from tests.bus.schema_samples import DHAKA, GOLDEN


def test_each_type_has_a_topic_a_model_and_a_sample() -> None:
    assert set(MODELS) == {kind for topic in INBOUND for kind in topic.types}
    assert set(OUTBOUND_MODELS) == {kind for topic in OUTBOUND for kind in topic.types}
    assert set(GOLDEN) == set(MODELS) | set(OUTBOUND_MODELS) == set(TOPIC_OF_TYPE)


def test_each_inbound_topic_has_dead_letters_and_ticks_have_one_partition() -> None:
    counts = {topic.name: topic.partition_count(12) for topic in TOPICS}

    assert all(dead_letters_of(topic.name) in counts for topic in INBOUND)
    assert counts["billing.ticks.v1"] == counts["billing.runs.v1"] == 1
    assert counts["billing.payments.v1"] == counts["billing.pages.v1"] == 12


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("kind", MODELS)
def test_a_sample_reads_the_same_in_both_modes(kind: str, mode: str) -> None:
    golden = GOLDEN[kind]
    headers = [(name, said.encode()) for name, said in golden[mode]["headers"].items()]

    event = decode(
        golden["topic"], golden["key"].encode(), golden[mode]["value"].encode(), headers, DHAKA
    )

    command = {"is": type(event.command).__name__, **event.command._asdict()}
    assert json.loads(json.dumps(command, default=str)) == golden["command"]
    assert (event.type, event.content) == (kind, golden["content"])
    assert (event.ce_id, event.ce_source) == ("e-1", "/crm")


@pytest.mark.parametrize("kind", MODELS)
def test_a_content_gives_the_command_back(kind: str) -> None:
    golden = GOLDEN[kind]

    command = command_of(kind, golden["content"], DHAKA)

    assert json.loads(json.dumps(command._asdict(), default=str)) == {
        name: said for name, said in golden["command"].items() if name != "is"
    }


@pytest.mark.parametrize("kind", OUTBOUND_MODELS)
def test_an_outbound_sample_fits_its_model(kind: str) -> None:
    OUTBOUND_MODELS[kind].model_validate_json(GOLDEN[kind]["binary"]["value"])


@pytest.mark.parametrize("name", schemas())
def test_every_field_and_every_object_is_described(name: str) -> None:
    schema = json.loads(schemas()[name])

    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["description"].endswith("."), part["title"]
        for field, said in part["properties"].items():
            assert said["description"].endswith("."), (part["title"], field)


def test_the_exported_json_schemas_are_up_to_date() -> None:
    folder = Path(shared.schemas.__file__).parent / "json"

    committed = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}

    assert committed == schemas(), "run: python -m shared.schemas.export"
