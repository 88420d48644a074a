"""What an accepted event command means where no line of the ledger shows it: what it withdrew, and
from when a change counts."""

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

BY_BILL = ("cycle", "mode", "vip", "discount_percent", "vat_exempt")
AT_ONCE = ("username", "grace_until")
OF_THE_EVENT = (
    "change_id",
    "customer_id",
    "effective_on",
    "until",
    "changed_at",
    "actor",
    "prorate",
)


def counts(data: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    """Yield when what a change names counts (docs/rules.md#change), a line for each kind of day.
    `data` is the event's own, and was read by the fleet's reader before."""
    from datetime import datetime

    names = [name for name in data if name not in OF_THE_EVENT]
    day, until = data["effective_on"], f" until {data['until']}" if data.get("until") else ""
    made = datetime.fromisoformat(data["changed_at"].upper()).astimezone(zone).date().isoformat()
    by_bill = max(day, made)
    for kind, when in (
        ([name for name in names if name not in (*BY_BILL, *AT_ONCE)], f"from {day}{until}"),
        ([name for name in names if name in BY_BILL],
         f"for bills whose days begin on {by_bill} or later{until and ', before ' + until[7:]}"),
        ([name for name in names if name in AT_ONCE], "at once"),
    ):  # fmt: skip
        if kind:
            words = ", ".join(name.replace("_", " ") for name in kind)
            yield f"{words}: {when}"


def withdrawn(command_id: str) -> str:
    """Return the line that says which command no longer waits."""
    return f"withdrawn: {command_id}, which waited, will not be applied"
