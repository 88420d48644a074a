"""Decides which notices and entitlements a customer gets (contract §7). Pure functions."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from services.notifier.texts import segments, written
from shared.ledger.postgres.notices import Entitlement, Facts, Kept
from shared.ledger.statement import newest_open

Payments = Mapping[tuple[str, int], int]
"""(customer id, seq of the payment's line) -> amount of the payment in minor units."""


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


def notices(facts: Facts, lines: Iterable[Mapping[str, Any]], payments: Payments) -> list[Notice]:
    """Return the notices for a customer's new lines, in the order of the lines.

    Lines are the data of `billing.ledger.line_appended.v1`. A bill gives a notice only if it is
    the standing bill of the last period and something is due: five months billed at once give one
    notice. The caller drops notices whose id already exists.
    """
    made = []
    for line in lines:
        if line["seq"] == facts.bill_seq and facts.standing and facts.due > 0:
            made.append(_due(facts, line["period"], line["command_id"]))
        elif line["kind"] == "payment":
            made.append(_receipt(facts, line, payments[facts.customer_id, line["seq"]]))
        elif line["kind"] == "reversal":
            made.append(_correction(facts, line))
    return made


def now(facts: Facts, held: Kept) -> Notice | None:
    """Return a held notice as it is to be sent now, with today's amount if it asks for money; None
    if it no longer applies."""
    notice_id, _, kind, period, amount, text, count, *_ = held
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
    told = facts.told
    if told is None:
        return Entitlement(
            facts.customer_id, facts.expires_on, facts.status, facts.seq, incarnation
        )
    same = (told.expires_on, told.status) == (facts.expires_on, facts.status)
    if same and not (anew and told.incarnation < incarnation):
        return None
    seq = max(facts.seq, told.seq + 1)
    return Entitlement(facts.customer_id, facts.expires_on, facts.status, seq, incarnation)


def amount_to_pay(facts: Facts) -> int:
    """Return the amount that a customer is asked to pay, in minor units: all that is due, or in
    mode monthly the open part of this month's invoice. If that invoice is settled, it is all that
    is due in both modes."""
    if facts.mode == "monthly":
        return newest_open(facts.billed or 0, facts.due) or max(facts.due, 0)
    return max(facts.due, 0)


def _due(facts: Facts, period: str, command_id: str) -> Notice:
    alone = facts.mode == "monthly" and newest_open(facts.billed or 0, facts.due) > 0
    # Every bill has the id bill/CUSTOMER/PERIOD, whatever made it; only rebills have other ids.
    rebill = f"/{command_id}" if command_id.startswith("rebill/") else ""
    return _notice(
        facts,
        f"due/{facts.customer_id}/{period}{rebill}",
        "due",
        period,
        amount_to_pay(facts),
        "bill" if alone else "bill_and_before",
    )


def _receipt(facts: Facts, line: Mapping[str, Any], amount: int) -> Notice:
    payment_id = line["command_id"].removeprefix("payment/")
    return _notice(facts, f"receipt/{payment_id}", "receipt", line["period"], amount, "receipt")


def _correction(facts: Facts, line: Mapping[str, Any]) -> Notice:
    cancellation_id = line["command_id"].removeprefix("cancellation/")
    return _corrected(facts, f"correction/{cancellation_id}", line["period"])


def _corrected(facts: Facts, notice_id: str, period: str) -> Notice:
    amount = amount_to_pay(facts)
    what = "correction" if amount else "correction_paid"
    return _notice(facts, notice_id, "correction", period, amount, what)


def _notice(facts: Facts, notice_id: str, kind: str, period: str, amount: int, what: str) -> Notice:
    text = written(facts.language, what, facts.customer_id, period, amount)
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
