"""The output of `explain`: text for a clerk, and the same as plain values for a program."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from shared.ledger.charge import Piece
from shared.ledger.commands import RefundMade
from shared.ledger.explain import Pricing, Sold, Step
from shared.ledger.money import decimal, percent, round_half_up
from shared.ledger.taxes import TaxPart
from shared.operator.printing import padded, shown, wrapped

FIGURES = ("previous_due", "charge", "discount", "vat", "billed", "paid", "due")
WIDTH = 61


# For people ---------------------------------------------------------------------------------


def as_text(steps: Sequence[Step], zone: ZoneInfo) -> str:
    """Return the explanation of a period, a paragraph a line; instants are shown in `zone`."""
    return "\n\n".join("\n".join(_paragraph(step, zone)) for step in steps)


def _paragraph(step: Step, zone: ZoneInfo) -> Iterator[str]:
    line = step.line
    yield from wrapped(
        f"{line.period}  line {line.seq}  {line.kind}: {_what(step)}", 80, "", "    "
    )
    yield from wrapped(_who(step, zone), 80, "    ", "      ")
    if step.pricing is not None:
        yield from _priced(step.pricing)
    for tax in step.taxes:
        yield _tax(tax)
    if step.before is not None:
        for name in FIGURES[:-1]:
            was, now = getattr(step.before, name), getattr(line, name)
            if was != now:
                yield _row(f"{name.replace('_', ' ')} was {decimal(was)}, is", decimal(now))
    yield (
        f"    due = {decimal(line.previous_due)} previous + {decimal(line.billed)} billed"
        f" - {decimal(line.paid)} paid = {decimal(line.due)}"
    )


def _what(step: Step) -> str:
    line, command = step.line, step.command
    last = line.coverage_to - timedelta(days=1)
    match line.kind:
        case "bill" | "skip":
            how = "service" if line.kind == "bill" else "no service"
            return f"{how} from {line.coverage_from} to {last}"
        case "extension":
            return f"the period grows to {last}"
        case "proration":
            return f"terms changed from {line.effective_on} on, priced again"
        case "payment":
            return _payment(step)
        case "refund":
            return f"{_moved(step, 'paid', -1)} paid back of {_of(command)}"
        case "discount":
            return f"{_moved(step, 'billed', -1)} off, VAT included"
        case "adjustment":
            return f"{_moved(step, 'charge')} before VAT"
        case "reversal":
            return f"takes back {line.reverses}"
        case _:
            about = f" of {type(command).__name__}" if command is not None else ""
            return f"an earlier period changed because{about} {line.command_id}"


def _payment(step: Step) -> str:
    command = step.command
    how = [getattr(command, name, None) for name in ("method", "channel")]
    words = ", ".join(word for word in how if word)
    reference = getattr(command, "reference", None)
    return (
        f"{_moved(step, 'paid')} received on {step.line.effective_on}"
        + (f" by {words}" if words else "")
        + (f", reference {reference}" if reference else "")
    )


def _of(refund: object) -> str:
    if not isinstance(refund, RefundMade):
        return "a payment that is not in the book: run `rollforward verify`"
    return "the credit" if refund.payment_id is None else f"payment/{refund.payment_id}"


def _moved(step: Step, name: str, sign: int = 1) -> str:
    before = getattr(step.before, name) if step.before is not None else 0
    return decimal(sign * (getattr(step.line, name) - before))


def _who(step: Step, zone: ZoneInfo) -> str:
    line = step.line
    words = [_by(step), f"command {line.command_id}"]
    words.append(f"written {shown(line.recorded_at, zone)}")
    if line.reason:
        words.append(f'because "{line.reason}"')
    return ", ".join(words)


def _by(step: Step) -> str:
    if step.line.actor:
        return f"by {step.line.actor}"
    if step.made_with:
        return f"by {step.made_with}, which names no actor"
    return "by a run" if step.line.command_id.startswith("bill/") else "without an actor"


def _priced(pricing: Pricing) -> Iterator[str]:
    if not pricing.agrees:
        yield "    (these terms do not give this charge: run `rollforward verify`)"
    for piece, sold in pricing.pieces:
        yield _row(_days(piece, sold), decimal(_exact(piece)))
    yield _row("charge, the sum rounded once", decimal(pricing.charge))
    if pricing.discount_ppm:
        words = f"discount by terms, {percent(pricing.discount_ppm)} % of it"
        yield _row(words, decimal(-pricing.discount))
    if pricing.vat_exempt:
        yield _row("VAT: exempt", "0.00")
    for tax in pricing.taxes:
        yield _tax(tax)
    if pricing.taxes or pricing.vat_exempt:
        yield f"    by policy version {pricing.policy_version}"


def _days(piece: Piece, sold: Sequence[Sold]) -> str:
    last = piece.ends - timedelta(days=1)
    share = f"{piece.days} of {piece.cycle_days} days"
    if piece.status != "active":
        return f"{piece.starts} to {last}, {share}, {piece.status}"
    return f"{piece.starts} to {last}, {share} of {' + '.join(map(_price, sold))}"


def _price(sold: Sold) -> str:
    times = f"{sold.quantity} x " if sold.quantity > 1 else ""
    return f"{times}{decimal(sold.price)} ({sold.code})"


def _tax(tax: TaxPart) -> str:
    return _row(
        f"{tax.code}, {percent(tax.rate_ppm)} % of {decimal(tax.base)}", decimal(tax.amount)
    )


def _row(words: str, amount: str) -> str:
    *before, last = wrapped(words, WIDTH)
    return "\n".join(
        [*(f"    {each}" for each in before), f"    {padded(last, WIDTH)} {amount:>14}"]
    )


def _exact(piece: Piece) -> int:
    """Return what a piece costs, rounded for display: for the charge the sum is rounded once."""
    if piece.status != "active":
        return 0
    exact = Fraction(piece.price * piece.days, piece.cycle_days)
    return round_half_up(exact.numerator, exact.denominator)


# For programs -------------------------------------------------------------------------------


def as_values(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the steps as plain values: amounts as strings, `cost` of a piece as a fraction."""
    return [_step(step) for step in steps]


def _step(step: Step) -> dict[str, Any]:
    line, pricing = step.line, step.pricing
    return {
        "seq": line.seq,
        "revision": line.revision,
        "kind": line.kind,
        "what": _what(step),
        "command_id": line.command_id,
        "reverses": line.reverses,
        "payment_id": getattr(step.command, "payment_id", None),
        "effective_on": line.effective_on,
        "actor": line.actor,
        "made_with": step.made_with,
        "reason": line.reason,
        "policy_version": line.policy_version,
        "recorded_at": line.recorded_at,
        **{name: decimal(getattr(line, name)) for name in FIGURES},
        "pricing": None if pricing is None else _pricing(pricing),
        "taxes": [_tax_value(tax) for tax in step.taxes],
    }


def _pricing(pricing: Pricing) -> dict[str, Any]:
    return {
        "agrees": pricing.agrees,
        "days": [_piece(piece, sold) for piece, sold in pricing.pieces],
        "charge": decimal(pricing.charge),
        "discount_percent": percent(pricing.discount_ppm),
        "discount": decimal(pricing.discount),
        "vat_exempt": pricing.vat_exempt,
        "taxes": [_tax_value(tax) for tax in pricing.taxes],
        "policy_version": pricing.policy_version,
    }


def _piece(piece: Piece, sold: Sequence[Sold]) -> dict[str, Any]:
    active = piece.status == "active"
    return {
        "from": piece.starts,
        "to": piece.ends,
        "days": piece.days,
        "cycle_days": piece.cycle_days,
        "package": piece.package.code,
        "price": decimal(piece.price),
        "sold": [
            {
                "code": each.code,
                "price": decimal(each.price),
                "quantity": each.quantity,
                "own_price": each.own,
            }
            for each in sold
        ],
        "status": piece.status,
        "cost": str(Fraction(piece.price * piece.days, piece.cycle_days * 100)) if active else "0",
    }


def _tax_value(tax: TaxPart) -> dict[str, Any]:
    return {
        "code": tax.code,
        "rate": percent(tax.rate_ppm),
        "base": decimal(tax.base),
        "amount": decimal(tax.amount),
    }
