"""The AsyncAPI 3.0 document of the topics, docs/asyncapi.json: made from the models.

It describes binary mode, which Rollforward publishes and any client can send. Objects that several
events have stand once under `components.schemas`.
"""

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.schemas.inbound import MODELS
from shared.schemas.outbound import OUTBOUND_MODELS, CommandRefused
from shared.schemas.samples import headers_of, samples
from shared.schemas.topics import DEAD_LETTERS, INBOUND, OUTBOUND, PARTITIONS, Topic
from shared.schemas.transport import key_of

VERSION = "1.0.0"
"""That of the document: 1 as long as the types end in `.v1`."""
BINDING = "0.5.0"
ALL: dict[str, type[BaseModel]] = {**MODELS, **OUTBOUND_MODELS}


def text() -> str:
    """Return the document as JSON text."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    topics = (*INBOUND, *OUTBOUND, *DEAD_LETTERS)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rollforward",
            "version": VERSION,
            "description": "The events that Rollforward reads and writes, as CloudEvents 1.0 in "
            "binary mode on Kafka: attributes in `ce_*` headers, data as JSON. Structured mode is "
            "read too. In words: events.md and topics.md beside this file.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {
            **{f"receive.{topic.name}": _operation(topic, "receive") for topic in INBOUND},
            **{f"send.{topic.name}": _operation(topic, "send") for topic in OUTBOUND},
            **{f"send.{topic.name}": _operation(topic, "send") for topic in DEAD_LETTERS},
        },
        "components": {
            "messages": {
                **{name: _message(name, model) for name, model in ALL.items()},
                "dead-letter": _dead_letter(),
            },
            "schemas": _schemas(),
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": _about(topic),
        "messages": {name: _ref("messages", name) for name in _messages(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partition_count(PARTITIONS),
                "bindingVersion": BINDING,
            }
        },
    }


def _about(topic: Topic) -> str:
    if topic in DEAD_LETTERS:
        return (
            f"Records of {topic.name.removesuffix('.dlq')} that cannot be read: key, value and "
            "headers as they came, and five more headers."
        )
    return f"Key: {key_of(topic)}. The order of one key's records is kept."


def _messages(topic: Topic) -> tuple[str, ...]:
    return ("dead-letter",) if topic in DEAD_LETTERS else topic.types


def _operation(topic: Topic, action: str) -> dict[str, Any]:
    channel = f"#/channels/{topic.name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": f"Rollforward {'reads' if action == 'receive' else 'writes'} {topic.name}.",
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in _messages(topic)],
    }


def _message(name: str, model: type[BaseModel]) -> dict[str, Any]:
    event = samples()[name]
    return {
        "name": name,
        "title": model.__name__,
        "summary": (model.__doc__ or "").split("\n\n")[0].replace("\n", " "),
        "contentType": "application/json",
        "headers": _headers(name),
        "payload": _ref("schemas", model.__name__),
        "bindings": {"kafka": {"key": _key(name), "bindingVersion": BINDING}},
        "examples": [{"name": "sample", "headers": headers_of(event), "payload": event["data"]}],
    }


def _headers(name: str) -> dict[str, Any]:
    ours = name in OUTBOUND_MODELS
    properties: dict[str, Any] = {
        "ce_specversion": {"const": "1.0", "description": "Version of CloudEvents."},
        "ce_id": {
            "type": "string",
            "minLength": 1,
            "description": "Id of the event; with ce_source it names the event.",
        },
        "ce_source": {"type": "string", "minLength": 1, "description": "What sent the event."},
        "ce_type": {"const": name, "description": "Type of the event."},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it was made."},
        "content-type": {"const": "application/json", "description": "What the value is."},
    }
    required = ["ce_specversion", "ce_id", "ce_source", "ce_type"]
    if ours:
        required += ["ce_time", "content-type"]
    if ours and name != CommandRefused.type:
        required.append("ce_incarnation")
        properties["ce_incarnation"] = {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "Rises when the book is restored from a backup; the higher one counts.",
        }
    return {"type": "object", "properties": properties, "required": required}


def _key(name: str) -> dict[str, Any]:
    topic = next(each for each in (*INBOUND, *OUTBOUND) if name in each.types)
    return {"type": "string", "description": f"The {key_of(topic).replace('`', '')}."}


def _dead_letter() -> dict[str, Any]:
    words = {
        "dlq_original_topic": "Topic of the record.",
        "dlq_original_partition": "Partition of the record.",
        "dlq_original_offset": "Offset of the record.",
        "dlq_original_timestamp": "Timestamp of the record, in milliseconds since 1970.",
        "dlq_error": "Why the record cannot be read, in one line.",
    }
    return {
        "name": "dead-letter",
        "title": "DeadLetter",
        "summary": "A record that cannot be read, byte for byte.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {
                name: {"type": "string", "description": about} for name, about in words.items()
            },
            "required": list(words),
        },
        "payload": {"description": "The value of the record, whatever it is."},
    }


def _schemas() -> dict[str, Any]:
    """Return the schema of every type's data and of their parts, by name."""
    _, found = models_json_schema(
        [(model, "validation") for model in ALL.values()],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = _without_discriminator(found["$defs"])
    return schemas


def _without_discriminator(part: Any) -> Any:
    """Take `discriminator` away: pydantic writes that of OpenAPI, and AsyncAPI's is another."""
    if isinstance(part, dict):
        return {
            name: _without_discriminator(each)
            for name, each in part.items()
            if not (name == "discriminator" and "oneOf" in part)
        }
    if isinstance(part, list):
        return [_without_discriminator(each) for each in part]
    return part


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
