"""What the book would hold of a history in memory, as rows that COPY writes for `verify`."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.ledger.account import Account
from shared.ledger.audit.asked import Asked
from shared.ledger.audit.fault import Fault
from shared.ledger.line import Line
from shared.ledger.postgres.plain import Plain
from shared.ledger.postgres.save import LINE, row_of
from shared.ledger.postgres.statements import FIRST
from shared.ledger.postgres.stored import encode_contact
from shared.ledger.postgres.verifying import Checking, Ground
from shared.ledger.terms import encode
from shared.schemas.inbound import MODELS, command_of
from tests.support.audited import Recorded
from tests.support.events import event_of

DHAKA = ZoneInfo("Asia/Dhaka")
ESCAPES = {"\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r", "\b": r"\b", "\f": r"\f",
           "\v": r"\v"}  # fmt: skip


class Rows(NamedTuple):
    """A customer's rows of verify_accounts.sql, verify_commands.sql and verify_lines.sql."""

    account: bytes | None
    commands: list[bytes]
    lines: list[bytes]


class Counting(Plain):
    """Counts whom it accepts."""

    right = 0

    def is_right(self, *rows: Any) -> bool:
        right = super().is_right(*rows)
        self.right += right
        return right


class Never(Plain):
    """Leaves everybody to the audit."""

    def is_right(self, *rows: Any) -> bool:
        return False


def plain_of(rules: Recorded, kind: type[Plain] = Counting) -> Any:
    return kind(rules.common(), DHAKA, command_of)


def fault_in(rules: Recorded, rows: Rows, plain: Plain) -> Fault | None:
    """Return what `verify` finds in a customer's rows, before it asks whether a clock was set
    back."""
    checking = Checking(Ground(DHAKA, rules.common(), plain, None), command_of)
    checking.accounts([] if rows.account is None else [rows.account])
    checking.commands(rows.commands)
    checking.lines(rows.lines)
    _, suspects = checking.done()
    return suspects[0].fault if suspects else None


def rows_of(rules: Recorded, customer_id: str) -> Rows:
    account = rules.accounts.get(customer_id)
    return Rows(
        None if account is None else _account(account),
        [_command(each) for each in rules.asked.get(customer_id, ())],
        [line_row(line) for line in rules.lines(customer_id)],
    )


def line_row(line: Line) -> bytes:
    names = (*FIRST, *(name for name in Line._fields if name not in FIRST))
    stored = dict(zip(LINE, row_of(line, 0), strict=True))
    return _row([stored[name] for name in names])


def _command(asked: Asked) -> bytes:
    kind, data = event_of(asked.command)
    content = MODELS[kind].model_validate(data).content()
    command = asked.command
    return _row(
        [command.customer_id, kind, content, asked.outcome, asked.reason, command.command_id,
         asked.recorded_at]
    )  # fmt: skip


def _account(account: Account) -> bytes:
    return _row(
        [account.customer_id, account.joined_on, account.bill_from, account.opening_due,
         encode(account.terms), encode_contact(account.contact), False]
    )  # fmt: skip


def _row(values: Sequence[Any]) -> bytes:
    return "\t".join(map(_field, values)).encode()


def _field(value: Any) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, bytes):
        return rf"\\x{value.hex()}"
    if isinstance(value, datetime):
        said = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")
        return f"{said}+00"
    if isinstance(value, date):
        return value.isoformat()
    return "".join(ESCAPES.get(each, each) for each in str(value))
