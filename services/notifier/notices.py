"""Decides which notices and entitlements a customer gets (docs/topics.md). Pure functions."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from services.notifier.texts import segments, written
from shared.ledger.period import label_of
from shared.ledger.postgres.notices import Entitlement, Facts, Kept, Waiting
from shared.ledger.statement import newest_open

Payments = Mapping[tuple[str, int], int]
"""(customer id, seq of the line) -> what the payment or refund added to `paid`, in minor units."""


class Notice(NamedTuple):
    """One text to send. Its id is derived only from the command that caused it, so that the notice
    is made once, and has the same id if a restored book applies the command again."""

    notice_id: str
    customer_id: str
    kind: str
    period: str
    amount: int
    text: str
    segments: int
    phone: str
    language: str


def notices(
    facts: Facts,
    lines: Iterable[Mapping[str, Any]],
    payments: Payments,
    waiting: Iterable[Waiting] = (),
) -> list[Notice]:
    """Return the notices for a customer's new lines, in the order of the lines, and receipts of the
    payments that wait for a first period.

    Lines are the data of `billing.ledger.line_appended.v1`. A bill gives a notice only if it is
    the standing bill of the last period and something is due: five months billed at once give one
    notice. What a command corrects besides the bill that it makes is not told apart from it. The
    caller drops notices whose id already exists.
    """
    if not facts.texting:
        return []
    made = [_receipt_of(facts, each) for each in waiting]
    due_by: str | None = None
    for line in lines:
        kind, command_id = line["kind"], line["command_id"]
        if line["seq"] == facts.bill_seq and facts.standing:
            if facts.due > 0 and line["seq"] > facts.untold_seq:
                made.append(_due(facts, line["period"], command_id))
                due_by = command_id
        elif kind == "payment":
            made.append(_receipt(facts, line, payments[facts.customer_id, line["seq"]]))
        elif kind == "refund":
            made.append(_refund(facts, line, -payments[facts.customer_id, line["seq"]]))
        elif kind in CORRECTIONS:
            made.append(_correction(facts, line))
    included = due_by and _correction_id(due_by)
    return [notice for notice in made if notice.notice_id != included]


CORRECTIONS = ("proration", "extension", "discount", "adjustment", "reversal")
"""Lines that move what a customer owes after they were billed (docs/topics.md)."""


def now(facts: Facts, held: Kept) -> Notice | None:
    """Return a held notice as it is to be sent now, with today's amount if it asks for money; None
    if it no longer applies."""
    notice_id, _, kind, period, amount, text, count, *_ = held
    if not facts.texting:
        return None
    if kind == "due":
        stands = facts.standing and facts.due > 0 and facts.bill_command is not None
        if not stands or facts.period != period:
            return None
        due = _due(facts, period, facts.bill_command or "")
        return due if due.notice_id == notice_id else None
    if kind == "correction":
        return _corrected(facts, notice_id, period)
    return Notice(
        notice_id, facts.customer_id, kind, period, amount, text, count, facts.phone, facts.language
    )


def entitlement(facts: Facts, incarnation: int = 1, anew: bool = False) -> Entitlement | None:
    """Return the entitlement to publish; None if it equals the last published one.

    With `anew`, it is also published if the last one is of an earlier incarnation of the book,
    because another one may have been published in the time that the restore lost.
    """
    published = facts.published
    seq = facts.seq if published is None else max(facts.seq, published.seq + 1)
    now = Entitlement(
        facts.customer_id, facts.expires_on, facts.status, seq, incarnation, facts.username,
        facts.package,
    )  # fmt: skip
    if published is None or (anew and published.incarnation < incarnation):
        return now
    return None if now == published._replace(seq=seq, incarnation=incarnation) else now


def amount_to_pay(facts: Facts) -> int:
    """Return the amount that a customer is asked to pay, in minor units: all that is due, or in
    mode monthly the open part of this month's invoice. If that invoice is settled, it is all that
    is due in both modes."""
    if facts.mode == "monthly":
        return newest_open(facts.billed or 0, facts.due) or max(facts.due, 0)
    return max(facts.due, 0)


def _due(facts: Facts, period: str, command_id: str) -> Notice:
    """Return the notice of a bill. Its amount is the total due in both modes; in mode monthly the
    text names the open part of this invoice, and where it differs, the total."""
    alone = newest_open(facts.billed or 0, facts.due) if facts.mode == "monthly" else 0
    # Every bill has the id bill/CUSTOMER/PERIOD, whatever made it; only rebills have other ids.
    rebill = f"/{command_id}" if command_id.startswith("rebill/") else ""
    return _notice(
        facts,
        f"due/{facts.customer_id}/{period}{rebill}",
        "due",
        period,
        facts.due,
        "total" if not alone else "bill" if alone == facts.due else "bill_and_before",
        alone,
    )


def _receipt(facts: Facts, line: Mapping[str, Any], amount: int) -> Notice:
    payment_id = line["command_id"].removeprefix("payment/")
    return _notice(facts, f"receipt/{payment_id}", "receipt", line["period"], amount, "receipt")


def _receipt_of(facts: Facts, waiting: Waiting) -> Notice:
    """Return the receipt of a payment that waits: it has no period yet, so it bears the month in
    which it came. Once it applies, its line makes a receipt of the same id, which is dropped."""
    notice_id, month = f"receipt/{waiting.payment_id}", label_of(waiting.received_on)
    return _notice(facts, notice_id, "receipt", month, waiting.amount, "receipt")


def _refund(facts: Facts, line: Mapping[str, Any], amount: int) -> Notice:
    return _notice(facts, line["command_id"], "refund", line["period"], amount, "refund")


def _correction(facts: Facts, line: Mapping[str, Any]) -> Notice:
    return _corrected(facts, _correction_id(line["command_id"]), line["period"])


def _correction_id(command_id: str) -> str:
    """Return the id of a command's correction: one a command, whatever periods it touches."""
    return f"correction/{command_id.removeprefix('cancellation/')}"


def _corrected(facts: Facts, notice_id: str, period: str) -> Notice:
    amount = amount_to_pay(facts)
    what = "correction" if amount else "correction_paid"
    return _notice(facts, notice_id, "correction", period, amount, what)


def _notice(
    facts: Facts,
    notice_id: str,
    kind: str,
    period: str,
    amount: int,
    what: str,
    alone: int = 0,
) -> Notice:
    """Return a notice; `alone` is the open part of one invoice, where the text names that."""
    text = written(facts.language, what, facts.customer_id, period, amount, alone)
    return Notice(
        notice_id,
        facts.customer_id,
        kind,
        period,
        amount,
        text,
        segments(text),
        facts.phone,
        facts.language,
    )
