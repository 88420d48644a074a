"""The events about a customer as commands: `signup`, `change`, `pay`, `discount` and the others.

Each command is made from the event's model: a field is an option of the same name. What it says is
read by the fleet's own reader before anything is sent.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from services.console import values
from services.console.commands import effects
from services.console.commands.outcomes import Sending, conclude, timeout_option, why
from services.console.finding import (
    Servers,
    ask,
    business_zone,
    data_option,
    find,
    json_option,
)
from services.console.problems import Misconfigured, Problem
from shared.ledger.sentences import sentence
from shared.operator.printing import print_json, print_table

if TYPE_CHECKING:
    from shared.ledger.line import Line

FLAGS = ("vip", "vat_exempt", "shared", "texting", "silent", "prorate")
HELP = {
    "package": "CODE, or CODE=PRICE for a price of its own.",
    "extras": "An extra, CODE, CODE=PRICE or 2xCODE; give the option for each.",
    "cycle": "start_of_month, anniversary or custom:DAY.",
    "until": "The first day on which what was known before holds again.",
    "cancels": "A command id such as payment/p-1, or bill/CUSTOMER/PERIOD.",
}
TODAY = ("joined_on", "effective_on")
"""Days that are those of the event's instant where none is given."""
ID = (
    "The command's own id; a fresh one if none is given.",
    "The signup's own id; the customer's if none is given.",
)
HEADS = ("period", "kind", "billed", "paid", "due")


class Asking(NamedTuple):
    """A command of the console: the type of its event, the field of its id, that of its instant,
    what is given in order after CUSTOMER, and what the help says."""

    name: str
    type: str
    own_id: str
    at: str
    given: Sequence[str]
    help: str
    default: Mapping[str, Any] = {}


ASKINGS = (
    Asking("signup", "customer.signed_up", "signup_id", "signed_up_at", (),
           "Sign a customer up, and bill what is due at once."),
    Asking("change", "customer.changed", "change_id", "changed_at", (),
           "Change what was agreed with a customer, from a day on."),
    Asking("pay", "payment.received", "payment_id", "received_at", ("amount",),
           "Enter a payment.", {"channel": "field"}),
    Asking("discount", "discount.granted", "discount_id", "granted_at", ("amount",),
           "Grant a discount on a bill, VAT included."),
    Asking("adjust", "adjustment.made", "adjustment_id", "made_at", ("amount",),
           "Add an amount before VAT to a period; below zero, such as -100, it is a credit."),
    Asking("refund", "refund.made", "refund_id", "refunded_at", ("amount",),
           "Enter money that was paid back."),
    Asking("cancel", "cancellation.requested", "cancellation_id", "requested_at", ("cancels",),
           "Take a bill, payment, discount, adjustment or refund back, or what waits."
           " CANCELS is its command id, such as payment/p-1 or bill/CUSTOMER/PERIOD."),
    Asking("undo", "cancellation.requested", "cancellation_id", "requested_at", ("cancels",),
           "Take a cancellation back, given by its id."),
    Asking("bill-up-to", "bill_up_to.set", "bill_up_to_id", "set_at", ("up_to",),
           "Bill ahead, so that coverage ends after a day."),
    Asking("rebill", "rebill.requested", "rebill_id", "requested_at", ("period",),
           "Make a new bill in the place of a cancelled one."),
)  # fmt: skip


def command_for(asking: Asking) -> click.Command:
    """Return the command that publishes an event of this type and waits for its outcome."""

    def run(
        customer: str,
        own_id: str | None,
        actor: str | None,
        preview: bool,
        timeout: float,
        data: Path | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        servers = find(data)
        sending = Sending(business_zone(servers))
        event = _event(asking, customer, own_id, actor, options, sending)
        _expect_readable(event, sending)
        if preview:
            _show_preview(servers, event, own_id, sending, as_json)
            return
        if not as_json:
            click.echo(event["id"])
        _send(servers, event, sending, timeout, as_json)

    run.__doc__ = (
        f"{asking.help}\n\nIts own id is printed before anything is sent, then the outcome and the"
        " lines. The exit code is 1 where it was refused, 3 where it is not judged yet. With"
        " --preview the outcome and lines that it would have now: no id, and nothing is sent."
    )
    made: Callable[..., Any] = json_option(data_option(timeout_option(run)))
    for decorate in reversed(_options(asking)):
        made = decorate(made)
    return click.command(asking.name)(made)


def _options(asking: Asking) -> list[Callable[..., Any]]:
    from services.console.forms import form_of
    from shared.schemas.inbound import MODELS

    made = [click.argument("customer")]
    own_fields = MODELS[f"billing.{asking.type}.v1"].model_fields
    made += [
        click.argument(name, metavar=name.upper(), type=values.Form(form_of(own_fields[name])))
        for name in asking.given
    ]
    known = ("customer_id", "actor", asking.own_id, *asking.given)
    for name, field in own_fields.items():
        if name in known:
            continue
        flag, words = f"--{name.replace('_', '-')}", _words(asking, name, field.description or "")
        required = field.is_required() and name not in (*TODAY, asking.at, *asking.default)
        if name in FLAGS:
            made.append(click.option(f"{flag}/--no-{flag[2:]}", default=None, help=words))
        elif name == "extras":
            made.append(click.option("--extra", "extras", multiple=True, help=words))
            if asking.name == "change":
                made.append(click.option("--no-extras", is_flag=True, help="Take all extras away."))
        else:
            form = values.Form(form_of(field))
            made.append(click.option(flag, name, type=form, required=required, help=words))
    made += [
        click.option("--id", "own_id", help=ID[asking.name == "signup"]),
        click.option(
            "--actor", envvar="ROLLFORWARD_ACTOR", help="Who does it (ROLLFORWARD_ACTOR)."
        ),
        click.option("--preview", is_flag=True, help="Show what it would do, and send nothing."),
    ]
    return made


def _words(asking: Asking, name: str, description: str) -> str:
    """Return the help of an option, with what the console takes where it is left out."""
    words = HELP.get(name, description)
    if name == asking.at:
        return f"{words} Default: now."
    if name in TODAY:
        return f"{words} Default: the day of --{asking.at.replace('_', '-')}."
    if name in asking.default:
        return f"{words} Default: {asking.default[name]}."
    return words


def _event(
    asking: Asking,
    customer: str,
    own_id: str | None,
    actor: str | None,
    options: dict[str, Any],
    sending: Sending,
) -> dict[str, Any]:
    """Return the structured event; nothing of it is checked yet."""
    now = datetime.now(sending.zone)
    no_extras = options.pop("no_extras", False)
    if no_extras and options.get("extras"):
        raise Misconfigured("--no-extras takes all extras away, so no --extra can stand beside it")
    extras = [values.extra(each) for each in options.pop("extras", ())]
    fields = {name: value for name, value in options.items() if value is not None}
    data: dict[str, Any] = {
        **asking.default,
        asking.at: now.isoformat(timespec="seconds"),
        **fields,
    }
    fresh = customer if asking.name == "signup" else f"{asking.name}-{secrets.token_hex(6)}"
    data |= {"customer_id": customer, asking.own_id: own_id or fresh}
    if actor is not None:
        data["actor"] = actor
    if extras or no_extras:
        data["extras"] = extras
    if asking.name in ("signup", "change"):
        data.setdefault(TODAY[asking.name == "change"], _local_day(data[asking.at], now))
    if asking.name == "undo" and not data["cancels"].startswith("cancellation/"):
        data["cancels"] = f"cancellation/{data['cancels']}"
    if "package" in data:
        data["package"] = values.package(data["package"])
    if "cycle" in data:
        data["cycle"] = values.cycle(data["cycle"])
    return {
        "specversion": "1.0",
        "id": data[asking.own_id],
        "source": "rollforward/console",
        "type": f"billing.{asking.type}.v1",
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }


def _local_day(instant: str, now: datetime) -> str:
    """Return the local day of an instant; today's where it is none, which the reader then names."""
    try:
        return datetime.fromisoformat(instant).astimezone(now.tzinfo).date().isoformat()
    except (ValueError, OverflowError):
        return now.date().isoformat()


def _expect_readable(event: dict[str, Any], sending: Sending) -> Any:
    """Read the event as the fleet would; Misconfigured names what is wrong."""
    from shared.schemas.codec import decode
    from shared.schemas.malformed import Malformed
    from shared.schemas.publish import structured

    try:
        message = structured(event)
        return decode(message.topic, message.key, message.value, message.headers, sending.zone)
    except Malformed as error:
        reason = str(error).removeprefix("data.")
        who = " (--actor, or ROLLFORWARD_ACTOR)" if reason.startswith("actor") else ""
        raise Misconfigured(f"{reason}{who}; nothing was sent") from error


def _send(
    servers: Servers, event: dict[str, Any], sending: Sending, timeout: float, as_json: bool
) -> None:
    from shared.ledger.postgres import reports
    from shared.schemas.publish import structured

    outcome = sending.judged(servers, structured(event), timeout)
    customer, command_id = event["data"]["customer_id"], outcome.command_id
    refused = why(outcome)
    own: list[Line] = []
    notes: Sequence[str] = ()
    if refused is None and command_id is not None:
        own = ask(servers, lambda book: reports.lines_made(book, customer, command_id))
        notes = _notes(event, sending, None if own else _withdrawn(servers, event))
    _show(event, outcome.outcome, outcome.reason, own, refused, as_json, notes)
    if refused is not None:
        raise Problem(refused)
    conclude([outcome], timeout)


def _show_preview(
    servers: Servers, event: dict[str, Any], own_id: str | None, sending: Sending, as_json: bool
) -> None:
    from shared.operator.previewing import preview

    arrival = _expect_readable(event, sending)
    found = ask(servers, lambda connection: preview(connection, arrival, sending.zone))
    refused = None
    if found.outcome in ("refused", "conflicting_duplicate"):
        reason = found.reason or found.outcome
        refused = sentence(reason, arrival.command_id, arrival.command.customer_id)
    event["id"] = own_id  # a fresh one is used by nothing
    notes = _notes(event, sending, found.withdrawn) if found.outcome == "accepted" else ()
    _show(event, found.outcome, found.reason, found.lines, refused, as_json, notes, "would be ")
    if refused is not None:
        words = refused.replace("Refused:", "Would be refused:", 1)
        raise Problem(f"{words.removesuffix(' Nothing was changed.')} Nothing was sent.")


def _show(
    event: dict[str, Any],
    outcome: str,
    reason: str | None,
    lines: "Sequence[Line]",
    refused: str | None,
    as_json: bool,
    notes: Sequence[str],
    would: str = "",
) -> None:
    from shared.ledger.money import decimal

    rows = [
        (line.period, line.kind, *map(decimal, (line.billed, line.paid, line.due)))
        for line in lines
    ]
    if as_json:
        answer = {"id": event["id"], "outcome": outcome, "reason": reason, "sentence": refused}
        print_json(answer | {"lines": [dict(zip(HEADS, row, strict=True)) for row in rows]})
        return
    click.echo(would + " ".join(dict.fromkeys(filter(None, (outcome, reason)))))
    for words in notes:
        click.echo(words)
    if rows:
        print_table(HEADS, rows)


def _notes(event: dict[str, Any], sending: Sending, withdrawn: str | None) -> Sequence[str]:
    """Return what the lines do not say: from when a change counts, which command was withdrawn."""
    if event["type"] == "billing.customer.changed.v1":
        return list(effects.counts(event["data"], sending.zone))
    return [] if withdrawn is None else [effects.withdrawn(withdrawn)]


def _withdrawn(servers: Servers, event: dict[str, Any]) -> str | None:
    """Return the command that a cancellation without lines withdrew; None for other events."""
    from shared.ledger.postgres.settling import outcomes_of

    target: str | None = event["data"].get("cancels")
    if target is None:
        return None
    found = ask(servers, lambda book: outcomes_of(book, [target]))
    return target if any(each.reason == "withdrawn" for each in found) else None


class Asked(click.Command):
    """A command whose options are made from its event's model when they are needed: reading the
    models takes longer than most commands do."""

    def __init__(self, asking: Asking) -> None:
        # An amount below zero, such as -100, is no option.
        below = {"ignore_unknown_options": asking.name == "adjust"}
        super().__init__(asking.name, help=asking.help, context_settings=below)
        self._asking = asking

    def get_params(self, context: click.Context) -> list[click.Parameter]:
        if self.callback is None:
            made = command_for(self._asking)
            self.params, self.callback, self.help = made.params, made.callback, made.help
        return super().get_params(context)


COMMANDS = tuple(map(Asked, ASKINGS))
