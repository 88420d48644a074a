"""docs/asyncapi.json is AsyncAPI 3.0 as its own parser reads it; kafkajs finds our partitions."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft7Validator

from shared.kafka.buckets import partition_of
from shared.schemas.asyncapi import document
from shared.schemas.samples import DOCS
from shared.schemas.topics import DEAD_LETTERS, INBOUND, OUTBOUND, TOPIC_OF_TYPE
from tests.support.node import folder_with_libraries, run_node

PARSER = """
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
console.log(JSON.stringify({
  found: diagnostics.map(({ severity, code, message }) => ({ severity, code, message })),
  version: document?.version(),
  channels: document?.allChannels().all().map((channel) => channel.address()),
  messages: document?.allMessages().all().map((message) => message.id()),
}));
"""
PARTITIONER = """
import { readFileSync } from "node:fs";
import { Partitioners } from "kafkajs";
const partition = Partitioners.DefaultPartitioner();
const all = Array.from({ length: 12 }, (_, partitionId) => ({ partitionId, leader: 1 }));
const keys = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(
  keys.map((key) => partition({ topic: "t", partitionMetadata: all, message: { key } })),
));
"""
ERROR = 0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_with_libraries(tmp_path_factory.mktemp("node"))


def parsed(node: Path, text: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(run_node(node, PARSER, given=text))
    return said


def test_the_parser_finds_no_fault_and_every_topic_and_type(node: Path) -> None:
    said = parsed(node, (DOCS / "asyncapi.json").read_text("utf-8"))

    told = [each for each in said["found"] if each["code"] != "asyncapi-latest-version"]
    assert told == []
    assert said["version"] == "3.0.0"
    topics = (*INBOUND, *OUTBOUND, *DEAD_LETTERS)
    assert sorted(said["channels"]) == sorted(topic.name for topic in topics)
    assert set(said["messages"]) == {*TOPIC_OF_TYPE, "dead-letter"}


@pytest.mark.parametrize("broken", ["action", "reference"])
def test_the_parser_would_find_a_fault(node: Path, broken: str) -> None:
    said = document()
    if broken == "action":
        said["operations"]["receive.billing.payments.v1"]["action"] = "reads"
    else:
        message = said["components"]["messages"]["billing.payment.received.v1"]
        message["payload"]["$ref"] = "#/components/schemas/Money"

    found = parsed(node, json.dumps(said))["found"]
    assert [each for each in found if each["severity"] == ERROR]


@pytest.mark.parametrize("kind", TOPIC_OF_TYPE)
def test_an_example_fits_the_schemas_of_its_message(kind: str) -> None:
    said = document()
    message = said["components"]["messages"][kind]
    (example,) = message["examples"]

    for name in ("headers", "payload"):
        schema = {**message[name], "components": said["components"]}
        Draft7Validator(schema).validate(example[name])


def test_kafkajs_puts_a_customer_where_the_fleet_does(node: Path) -> None:
    chance, letters = Random(7), "ABCXYZabcxyz0189._:-"
    keys = ["".join(chance.choices(letters, k=chance.randint(1, 64))) for _ in range(500)]

    found = json.loads(run_node(node, PARTITIONER, given=json.dumps(keys)))

    assert found == [partition_of(key.encode(), 12) for key in keys]
