"""The generated parts of docs/events.md: what the models, the rules' words and the samples say."""

import json
import re
from typing import Any, get_args

from shared.ledger.decide import PERMISSION
from shared.ledger.reasons import Reason
from shared.ledger.sentences import WHY
from shared.schemas import fields, outbound
from shared.schemas.event import Event
from shared.schemas.inbound import MODELS
from shared.schemas.outbound import OUTBOUND_MODELS
from shared.schemas.pages import anchor, code, table
from shared.schemas.refusals import reasons_of, waits_of
from shared.schemas.samples import samples
from shared.schemas.topics import TOPIC_OF_TYPE

FORMS = {
    "id": (fields.ID, "1 to 64 of `A-Z a-z 0-9 . _ : -`", "`p-1`"),
    "text": (fields.TEXT, "at most 500 characters, none of them U+0000", "`New cable`"),
    "username": (
        fields.USERNAME,
        "1 to 64 characters in Unicode form NFC, without spaces, control and invisible characters",
        "`rahim.mirpur`",
    ),
    "email": (
        fields.EMAIL,
        "at most 500 characters with one `@`, without spaces",
        "`rahim@example.com`",
    ),
    "phone": (fields.PHONE, "E.164: `+`, then 2 to 15 digits, the first not 0", "`+8801711000001`"),
    "amount": (
        fields.AMOUNT,
        "a string, no JSON number; up to 9999999999.99, two decimals; no `+`, no leading zeros",
        '`"1000.00"`',
    ),
    "percent": (
        fields.PERCENT,
        'a string from "0" to "100", at most four decimals',
        '`"12.5"`',
    ),
    "day": (fields.DAY, "a date, from 2000-01-01 to 2199-12-31", "`2026-01-17`"),
    "month": (fields.LABEL, "a month, from 2000-01 to 2199-12", "`2026-01`"),
    "instant": (
        fields.INSTANT,
        "RFC 3339 with an offset; its local date in the business zone lies within the days above",
        "`2026-01-17T10:00:00+06:00`",
    ),
    "money": (
        outbound.MONEY,
        "only in events that go out: a string with exactly two decimals",
        '`"1000.00"`',
    ),
    "hash": (outbound.HASH, "only in events that go out: 64 hexadecimal digits", "`9f86d0…`"),
}
"""The forms of strings: the pattern, its words and an example."""
FORM_OF_PATTERN = {pattern: name for name, (pattern, *_) in FORMS.items()}
FORM_OF_FORMAT = {"date": "day", "date-time": "instant"}
PARTS = ("Package", "Extra", "Cycle")

NEEDS = re.compile(r"needs (?:the permission )?`(\w+)`", re.IGNORECASE)
DEFAULT = re.compile(r"(?:Default:?|Left out:) ((?:[^;.]|\.\d)+)")


def parts() -> dict[str, str]:
    """Return {name: text} of every generated part of the page."""
    return {
        "types-in": _types_in(),
        "types-out": _types_out(),
        **{name: _inbound(name, model) for name, model in MODELS.items()},
        **{name: _outbound(name) for name in OUTBOUND_MODELS},
        **{name: _part(name) for name in PARTS},
        "forms": table(
            ("form", "what it accepts", "example"),
            [(name, words, such) for name, (_, words, such) in FORMS.items()],
        ),
        "reasons": _reasons(),
    }


def _types_in() -> str:
    rows = [
        (_link(name), _topic(name), f"`{command_id(model)}`", _in_short(model))
        for name, model in MODELS.items()
    ]
    return table(("type", "topic", "command id", "permission"), rows)


def _types_out() -> str:
    return table(("type", "topic"), [(_link(name), _topic(name)) for name in OUTBOUND_MODELS])


def _inbound(name: str, model: type[Event]) -> str:
    schema = schema_of(name)
    waits = [f"`{reason}` ({until})" for reason, until in waits_of(name).items()]
    facts = [
        f"Topic {_topic(name)}, key: the `{model.key_field}`",
        f"Command id: `{command_id(model)}`",
        f"Permission: {_permissions(model)}",
        f"Parked as {', or '.join(waits)}" if waits else "Never parked",
        _schema_link(name),
    ]
    return "\n\n".join(
        (
            _listed(facts),
            _inbound_fields(schema),
            "Reasons for a refusal, in the order in which they are judged:",
            table(
                ("reason", "when"), [(f"`{word}`", when) for word, when in reasons_of(name).items()]
            ),
            _example(name),
        )
    )


def _outbound(name: str) -> str:
    facts = [f"Topic {_topic(name)}", _schema_link(name)]
    rows = [
        (f"`{field}`", form(spec) + (" or null" if _nullable(spec) else ""), spec["description"])
        for field, spec in schema_of(name)["properties"].items()
    ]
    return "\n\n".join((_listed(facts), table(("field", "form", "meaning"), rows), _example(name)))


def _part(name: str) -> str:
    """Return the fields of an object that several events have."""
    definitions = schema_of("billing.customer.signed_up.v1")["$defs"]
    if name != "Cycle":
        return _inbound_fields(definitions[name])
    kinds = [definitions[kind] for kind in ("StartOfMonth", "Anniversary", "Custom")]
    rows = [(f"`{kind['properties']['kind']['const']}`", kind["description"]) for kind in kinds]
    return table(("`kind`", "meaning"), rows) + "\n\n" + _inbound_fields(kinds[-1])


def _inbound_fields(schema: dict[str, Any]) -> str:
    rows = []
    for field, spec in schema["properties"].items():
        required, needs = field in schema.get("required", ()), NEEDS.search(spec["description"])
        rows.append(
            (
                f"`{field}`",
                form(spec),
                "required" if required else default_of(spec),
                f"`{needs[1]}`" if needs else "",
                spec["description"],
            )
        )
    return table(("field", "form", "default", "permission", "meaning"), rows)


def default_of(spec: dict[str, Any]) -> str:
    """Return what a field means that is left out: its default, or as its description says it."""
    if spec.get("default") is not None:
        return f"`{json.dumps(spec['default'])}`"
    found = DEFAULT.search(spec["description"])
    return found[1] if found else "not given"


def _reasons() -> str:
    rows = []
    for reason in get_args(Reason):
        types = [_link(name) for name in MODELS if reason in reasons_of(name)]
        everywhere = len(types) >= len(MODELS) - 2
        where = _all_but(reason) if everywhere else ", ".join(types)
        rows.append((f"`{reason}`", f"{WHY[reason][:1].upper()}{WHY[reason][1:]}.", where))
    return table(("reason", "meaning", "types"), rows)


def _all_but(reason: Reason) -> str:
    without = [_link(name) for name in MODELS if reason not in reasons_of(name)]
    return f"all but {' and '.join(without)}" if without else "all"


def form(spec: dict[str, Any]) -> str:
    """Return the form of a field in words, with a link to where the page explains it."""
    spec = next((each for each in spec.get("anyOf", ()) if each.get("type") != "null"), spec)
    if "$ref" in spec:
        return _form_link(spec["$ref"].rpartition("/")[2])
    if "oneOf" in spec:
        return _form_link("Cycle")
    if "enum" in spec:
        return ", ".join(f"`{each}`" for each in spec["enum"])
    if "const" in spec:
        return f"`{spec['const']}`"
    if spec["type"] == "array":
        return f"list of {form(spec['items'])}"
    if spec["type"] == "integer":
        bounds = (spec.get("minimum"), spec.get("maximum"))
        return "whole number" + (f" {bounds[0]} to {bounds[1]}" if None not in bounds else "")
    if spec["type"] == "string":
        name = FORM_OF_PATTERN.get(spec.get("pattern", "")) or FORM_OF_FORMAT.get(
            spec.get("format", "")
        )
        return _form_link(name, "forms") if name else "string"
    return {"boolean": "true or false", "object": "object"}[spec["type"]]


def _form_link(name: str, heading: str | None = None) -> str:
    return f"[{name.lower()}](#{anchor(heading or name)})"


def _nullable(spec: dict[str, Any]) -> bool:
    return any(each.get("type") == "null" for each in spec.get("anyOf", ()))


def own_id(model: type[Event]) -> str:
    """Return the field that makes the command id of a type: the first id besides the customer's."""
    return next(name for name in model.model_fields if name != "customer_id")


def command_id(model: type[Event]) -> str:
    """Return the form of a type's command ids, such as `payment/{payment_id}`."""
    field = own_id(model)
    return f"{field.removesuffix('_id')}/{{{field}}}"


def permissions_of(model: type[Event]) -> tuple[str | None, list[str]]:
    """Return the permission that a type always needs, and those that some of its fields need."""
    always = _always(model)
    named = NEEDS.findall(json.dumps(schema_of(model.type), ensure_ascii=False))
    return always, sorted(set(named) - {always})


def _always(model: type[Event]) -> str | None:
    found = [needed for command, needed in PERMISSION.items() if command.__name__ == model.__name__]
    return found[0] if found else None


def _in_short(model: type[Event]) -> str:
    always, sometimes = permissions_of(model)
    words = [f"`{always}`"] if always else []
    return ", ".join([*words, *(["by field"] if sometimes else [])]) or "none"


def _permissions(model: type[Event]) -> str:
    always, sometimes = permissions_of(model)
    words = [f"`{always}`"] if always else []
    if sometimes:
        names = ", ".join(f"`{name}`" for name in sometimes)
        words.append(f"{names} where a field below needs it")
    return "; ".join(words) or "none"


def schema_of(name: str) -> dict[str, Any]:
    model = {**MODELS, **OUTBOUND_MODELS}[name]
    return model.model_json_schema(mode="validation")


def _example(name: str) -> str:
    return code("json", json.dumps(samples()[name], indent=2, ensure_ascii=False))


def _listed(facts: list[str]) -> str:
    return "\n".join(f"- {fact}." for fact in facts)


def _link(name: str) -> str:
    return f"[`{name}`](#{anchor(name)})"


def _topic(name: str) -> str:
    topic = TOPIC_OF_TYPE[name]
    return f"[`{topic}`](topics.md#topics)"


def _schema_link(name: str) -> str:
    return f"JSON Schema: [`{name}.json`](../shared/schemas/json/{name}.json)"
