"""What leaves must agree with the book: lines, refusals, dead letters, notices, entitlements.

The relay may say a thing again after a crash; it may not say it otherwise, out of order, or never.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import asyncpg

from shared.schemas.dead_letters import read_dead_letter
from shared.schemas.topics import (
    DEAD_LETTERS,
    ENTITLEMENTS,
    LEDGER,
    NOTIFICATIONS,
    REFUSALS,
    dead_letters_of,
)
from tests.faults.kept import Kept, Verdict
from tests.faults.load import Load

CORRECTIONS = ("proration", "extension", "discount", "adjustment", "reversal")


async def what_leaves_agrees(
    verdict: Verdict, kept: Kept, load: Load, connection: asyncpg.Connection
) -> None:
    """Hold all outbound topics against the book."""
    _lines_agree(verdict, kept)
    _refusals_agree(verdict, kept)
    _dead_letters_agree(verdict, kept, load)
    await _notices_agree(verdict, kept, connection)
    await _entitlements_agree(verdict, kept, connection)


def _lines_agree(verdict: Verdict, kept: Kept) -> None:
    """Each line once, or again; the first time in the customer's order and without a gap."""
    seqs, gaps = Counter[str](), []
    told: dict[tuple[str, int], str] = {}
    for record in kept.records[LEDGER]:
        line = json.loads(record.value)
        who, seq = line["customer_id"], line["seq"]
        if seq > seqs[who] + 1:
            gaps.append((who, seqs[who], seq))
        seqs[who] = max(seqs[who], seq)
        if told.setdefault((who, seq), line["hash"]) != line["hash"]:
            verdict.wrong.append(f"line {seq} of {who} was told in two ways")
    verdict.expect("gaps in the ledger topic", gaps[:5], [])
    lines = {(row["customer_id"], row["seq"]): row["hash"] for row in kept.lines}
    verdict.expect("lines told", told, lines)


def _refusals_agree(verdict: Verdict, kept: Kept) -> None:
    first = {dict(r.headers)["ce_id"]: r.value for r in reversed(kept.records[REFUSALS])}
    said = [json.loads(value) for value in first.values()]
    refused = Counter(each["command_id"] for each in said if not each["first_outcome"])
    wanted = Counter(c for c, (_, outcome) in kept.outcomes.items() if outcome.kind == "refused")
    verdict.expect("refusals told", refused, wanted)
    conflicts = {each["event_id"] for each in said if each["first_outcome"]}
    verdict.expect("conflicts told", conflicts, set(_conflicts(kept)))
    verdict.met["conflicts"] = len(conflicts)


def _conflicts(kept: Kept) -> Iterator[str]:
    """Yield the event ids whose command id was seen before with other content. One content tells
    of itself once, by the event that came with it first."""
    first: dict[str, Any] = {}
    told = set()
    for events in kept.events.values():
        for record, command, content in events:
            key = command.command_id
            if first.setdefault(key, content) != content and (key, content) not in told:
                told.add((key, content))
                headers = dict(record.headers)
                yield (
                    headers["ce_id"].decode()
                    if "ce_id" in headers
                    else json.loads(record.value)["id"]
                )


def _dead_letters_agree(verdict: Verdict, kept: Kept, load: Load) -> None:
    letters = {
        read_dead_letter(record.headers)[0][:4]: (topic.name, record.key, record.value)
        for topic in DEAD_LETTERS
        for record in kept.records[topic.name]
    }
    poison = Counter(
        (dead_letters_of(record.topic), record.key, record.value)
        for records in kept.given.values()
        for record in records
        if (record.topic, record.key, record.value) in load.poison
    )
    verdict.expect("dead letters", dict(Counter(letters.values())), dict(poison))


async def _notices_agree(verdict: Verdict, kept: Kept, connection: asyncpg.Connection) -> None:
    """A receipt a payment, one correction a command that moves what is owed, a notice a refund, and
    a due notice once a bill."""
    rows = await connection.fetch("SELECT notice_id, kind, customer_id, period FROM report.notice")
    notices: dict[str, bytes] = {}
    for record in kept.records[NOTIFICATIONS]:
        notice_id = json.loads(record.value)["notice_id"]
        if notices.setdefault(notice_id, record.value) != record.value:
            verdict.wrong.append(f"notice {notice_id} was told in two ways")
    verdict.expect("notices told", set(notices), {row["notice_id"] for row in rows})
    of_kind: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        of_kind[row["kind"]].add(row["notice_id"])
    refunds = {line["command_id"] for line in kept.lines if line["kind"] == "refund"}
    verdict.expect("notices of kind refund", of_kind["refund"], refunds)
    paid = {line["command_id"] for line in kept.lines if line["kind"] == "payment"}
    asked = {each for each in kept.outcomes if each.startswith("payment/")}
    receipts = {each.replace("receipt/", "payment/", 1) for each in of_kind["receipt"]}
    verdict.expect("receipts missing", sorted(paid - receipts), [])
    # One that waited for a first period has its receipt, too.
    verdict.expect("receipts of no payment", sorted(receipts - asked), [])
    moved = {_correction(line) for line in kept.lines if line["kind"] in CORRECTIONS}
    verdict.expect("corrections of nothing", sorted(of_kind["correction"] - moved), [])
    missed = moved - of_kind["correction"] - set(_told_as_bills(kept.lines))
    verdict.expect("corrections missing", sorted(missed), [])
    due = {(row["customer_id"], row["period"]) for row in rows if row["kind"] == "due"}
    missing = set(_surely_due(kept.lines)) - due
    bills = {_due_notice(line) for line in kept.lines}
    strange = {row["notice_id"] for row in rows if row["kind"] == "due"} - bills
    verdict.expect("due notices of no bill", sorted(strange), [])
    verdict.expect("due notices missing", sorted(missing), [])


def _correction(line: Any) -> str:
    return f"correction/{line['command_id'].removeprefix('cancellation/')}"


def _told_as_bills(lines: list[Any]) -> Iterator[str]:
    """Yield the corrections that need not be: of commands that may have made a skip row a bill, so
    that the bill's notice tells of them."""
    skipped = {(line["customer_id"], line["period"]) for line in lines if line["kind"] == "skip"}
    for line in lines:
        if (line["customer_id"], line["period"]) in skipped:
            yield _correction(line)


def _due_notice(line: Any) -> str:
    """Return the id of the notice that a bill is told of by: its own name, or its rebill's."""
    rebill = line["command_id"] if line["command_id"].startswith("rebill/") else None
    return "/".join(filter(None, ("due", line["customer_id"], line["period"], rebill)))


def _surely_due(lines: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield the bills that must have been told: the last ones, with money due ever since."""
    of: dict[str, list[Any]] = defaultdict(list)
    for line in lines:
        of[line["customer_id"]].append(line)
    for customer_id, his in of.items():
        last = max(line["period"] for line in his)
        since = [
            n for n, line in enumerate(his) if line["period"] == last and line["kind"] == "bill"
        ]
        if len(since) != 1:
            continue
        heads = {line["period"]: line["due"] for line in his[: since[0]]}
        dues = []
        for line in his[since[0] :]:
            heads[line["period"]] = line["due"]
            dues.append(heads[last])
        reversed_ = any(line["reverses"] == f"bill/{customer_id}/{last}" for line in his)
        if min(dues) > 0 and not reversed_:
            yield customer_id, last


async def _entitlements_agree(verdict: Verdict, kept: Kept, connection: asyncpg.Connection) -> None:
    """The last entitlement told of a customer is the one in force."""
    told: dict[str, Any] = {}
    for record in kept.records[ENTITLEMENTS]:
        said = json.loads(record.value)
        if said["seq"] >= told.get(said["customer_id"], {"seq": 0})["seq"]:
            told[said["customer_id"]] = said
    entitled = {
        who: (said["expires_on"], said["status"], said["username"], said["package"])
        for who, said in told.items()
    }
    in_force = await connection.fetch(
        "SELECT customer_id, expires_on, status, username, package FROM report.customer"
    )
    wanted_of = {r[0]: (r[1] and r[1].isoformat(), *r[2:]) for r in in_force}
    verdict.expect("entitlements", entitled, wanted_of)
