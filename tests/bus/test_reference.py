"""The reference in docs/: its generated parts are up to date, and what is written by hand agrees
with the rules."""

import ast
import json
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from shared.kafka.buckets import partition_of
from shared.ledger import commands as c
from shared.ledger.decide import PERMISSION, decide
from shared.ledger.handlers import HANDLERS
from shared.ledger.policy.policy import PERMISSIONS, Policy, Staff
from shared.ledger.policy.prices import Price, PriceList
from shared.ledger.reasons import Reason, Waiting
from shared.ledger.world import World
from shared.schemas.codec import decode
from shared.schemas.export import files
from shared.schemas.inbound import MODELS
from shared.schemas.outbound import OUTBOUND_MODELS
from shared.schemas.pages import filled
from shared.schemas.publish import binary, structured
from shared.schemas.reference import command_id, own_id, permissions_of
from shared.schemas.refusals import TICK, reasons_of, waits_of
from shared.schemas.samples import DOCS, SAMPLES, samples
from tests.bus.schema_samples import DHAKA, read, sample
from tests.support.histories import coverage, history

LEDGER = Path(__file__).parents[2] / "shared" / "ledger"
COMMANDS = {type(read(binary(n, sample(n), "e-1", "/crm")).command): n for n in MODELS}
JANUARY, NOW = date(2026, 1, 1), datetime(2026, 1, 17, tzinfo=UTC)


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == files()[path], "run: python -m shared.schemas.export"


def test_a_page_without_one_of_its_generated_parts_is_refused() -> None:
    page = "# A page\n\n<!-- begin a -->\nold\n<!-- end a -->\n"

    assert filled(page, {"a": "new"}) == "# A page\n\n<!-- begin a -->\n\nnew\n\n<!-- end a -->\n"
    with pytest.raises(ValueError, match="differ in b"):
        filled(page, {"a": "new", "b": "new"})
    with pytest.raises(ValueError, match="differ in a"):
        filled(page, {})


def test_each_type_has_one_sample() -> None:
    assert set(samples()) == set(MODELS) | set(OUTBOUND_MODELS)


@pytest.mark.parametrize("kind", MODELS)
def test_a_sample_in_is_read_in_both_modes(kind: str) -> None:
    event = samples()[kind]

    arrival = read(structured(event))
    also = read(binary(kind, event["data"], event["id"], event["source"], event["time"]))

    assert arrival == also
    own = event["data"][own_id(MODELS[kind])]
    assert arrival.command_id == command_id(MODELS[kind]).partition("/")[0] + f"/{own}"
    assert set(event["data"]) <= set(MODELS[kind].model_fields), "a sample has no unknown field"


@pytest.mark.parametrize("kind", OUTBOUND_MODELS)
def test_a_sample_out_fits_its_model(kind: str) -> None:
    OUTBOUND_MODELS[kind].model_validate_json(json.dumps(samples()[kind]["data"]))


@pytest.mark.parametrize("kind", samples())
def test_a_sample_fits_its_json_schema(kind: str) -> None:
    path = LEDGER.parent / "schemas" / "json" / f"{kind}.json"
    Draft202012Validator(json.loads(path.read_text("utf-8"))).validate(samples()[kind]["data"])


def test_the_examples_that_the_page_shows_are_read_by_the_fleet() -> None:
    """As a reader would copy them: from the page, byte for byte."""
    blocks = (DOCS / "events.md").read_text("utf-8").split("```json\n")[1:]
    shown = [block.partition("\n```")[0] for block in blocks]

    kinds = []
    for text in shown:
        kind, data = (event := json.loads(text))["type"], event["data"]
        kinds.append(kind)
        if kind in MODELS:
            line = structured(event)
            said = decode(line.topic, line.key, text.encode(), line.headers, DHAKA)
            assert said.content == read(binary(kind, data, "e-1", "/crm")).content
    assert sorted(kinds) == sorted(samples())


@pytest.mark.parametrize("kind", MODELS)
def test_the_page_names_the_permissions_that_the_rules_need(kind: str) -> None:
    """Of an event that asks for all it can, each permission named is needed, and no other."""
    always, sometimes = permissions_of(MODELS[kind])
    asks = {
        "vip": True,
        "vat_exempt": True,
        "discount_percent": "5",
        "opening_due": "-1.00",
        "grace_until": "2026-03-01",
        "package": {"code": "home", "price": "1.00"},
    }
    fields = MODELS[kind].model_fields
    greedy = {name: said for name, said in {**asks, "actor": "boss"}.items() if name in fields}
    command = _command(kind, **greedy)
    if kind == TICK:
        assert (always, sometimes) == (None, [])
        return

    needed = {name for name in PERMISSIONS if not _permitted(command, PERMISSIONS - {name})}

    assert needed == set(sometimes) | ({always} if always else set())
    assert always == PERMISSION.get(type(command))


def _permitted(command: Any, may: frozenset[str]) -> bool:
    """Whether the policy lets an actor with these permissions do something."""
    prices = PriceList(Price(code, JANUARY, 100_000) for code in ("home-10", "static-ip"))
    policy = Policy(1, staff=MappingProxyType({"boss": Staff(may)}), prices=prices)
    world = World(NOW, policy=policy, policies={1: policy})
    signup = _command(COMMANDS[c.SignedUp])
    account = None if isinstance(command, c.SignedUp) else decide(None, signup, world).account
    return decide(account, command, world).reason != "not_permitted"


def _command(kind: str, **changes: Any) -> Any:
    """Return the command of a sample of the reference, with some fields changed."""
    return read(binary(kind, samples()[kind]["data"] | changes, "e-1", "/crm")).command


def test_the_page_names_every_reason_that_the_rules_can_raise_and_no_other() -> None:
    """Read from the code: each `Refused(...)` that a type's handler can reach."""
    raised = _raised()
    for command, handler in HANDLERS.items():
        found = _reached(handler.__name__, raised)
        found |= raised["_check_permission"][0] & {"over_limit"} if _is_terms(command) else set()
        found |= {"already_signed_up"} if command is c.SignedUp else set()
        generic = {"conflicting_duplicate", "not_permitted", "withdrawn"}
        assert set(reasons_of(COMMANDS[command])) - generic == found, command.__name__


def test_the_page_names_every_reason_that_a_tick_can_be_refused_for() -> None:
    (judge,) = (
        node
        for node in ast.walk(ast.parse((LEDGER / "decide.py").read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "judge_tick"
    )
    words = {node.value for node in ast.walk(judge) if isinstance(node, ast.Constant)}
    assert set(reasons_of(TICK)) - {"conflicting_duplicate"} == words & set(get_args(Reason))


def _is_terms(command: type) -> bool:
    return command in (c.SignedUp, c.Changed)


def _raised() -> dict[str, tuple[set[str], set[str]]]:
    """Return {function: (reasons that it refuses for, functions that it calls)} of the rules."""
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for path in [*(LEDGER / "handlers").glob("*.py"), LEDGER / "decide.py", LEDGER / "account.py"]:
        for made in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(made, ast.FunctionDef):
                continue
            reasons, calls = found[made.name]
            for call in ast.walk(made):
                if isinstance(call, ast.Call):
                    name = ast.unparse(call.func).rpartition(".")[2]
                    calls.add(name)
                    if name == "Refused":
                        reasons |= {
                            each.value
                            for each in ast.walk(call)
                            if isinstance(each, ast.Constant) and isinstance(each.value, str)
                        }
    return found


def _reached(name: str, raised: dict[str, tuple[set[str], set[str]]]) -> set[str]:
    reasons: set[str] = set()
    done, open_ = set[str](), [name]
    while open_:
        if (at := open_.pop()) not in done and at in raised:
            done.add(at)
            reasons |= raised[at][0]
            open_ += raised[at][1]
    return reasons


def test_every_reason_is_one_of_some_type_and_every_type_has_a_conflict() -> None:
    assert {reason for kind in MODELS for reason in reasons_of(kind)} == set(get_args(Reason))
    assert {reason for kind in MODELS for reason in waits_of(kind)} == set(get_args(Waiting))
    assert all("conflicting_duplicate" in reasons_of(kind) for kind in MODELS)


def test_random_histories_refuse_for_no_other_reason() -> None:
    seen = coverage([history(seed, size=40) for seed in range(60)])
    names = {command.__name__: kind for command, kind in COMMANDS.items()}

    refused = [(names[each[0]], each[2]) for each in seen if each[1:2] == ("refused",) and each[2:]]

    assert refused
    assert [each for each in refused if each[1] not in reasons_of(each[0])] == []


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != TICK])
def test_the_page_says_what_waits_for_a_signup(kind: str) -> None:
    decision = decide(None, _command(kind), World(NOW))

    assert (decision.reason == "not_signed_up") == ("not_signed_up" in waits_of(kind))


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != TICK])
def test_the_page_says_what_waits_for_a_first_period(kind: str) -> None:
    everything = MappingProxyType({"boss": Staff(PERMISSIONS)})
    prices = PriceList(
        Price(code, JANUARY, 100_000) for code in ("home-10", "home-20", "static-ip")
    )
    world = World(NOW, policy=Policy(1, staff=everything, prices=prices))
    starts_later = _command(COMMANDS[c.SignedUp], bill_from="2026-06-01")
    account = decide(None, starts_later, world).account

    decision = decide(account, _command(kind), world)

    assert (decision.reason == "no_period_yet") == ("no_period_yet" in waits_of(kind))


def test_the_page_s_partitions_are_those_of_the_fleet() -> None:
    page = (DOCS / "topics.md").read_text("utf-8")
    for key in ("rahim", "karim", "c-0000001", "salma-23"):
        assert f"| `{key}` | {partition_of(key.encode(), 12)} |" in page


def test_the_sample_programs_are_all_on_the_page() -> None:
    page = (DOCS / "topics.md").read_text("utf-8")
    programs = [path for path in SAMPLES.iterdir() if path.suffix in (".py", ".mjs")]
    assert len(programs) == 4
    assert [path.name for path in programs if path.read_text("utf-8").strip() not in page] == []
