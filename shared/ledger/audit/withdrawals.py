"""Commands that a cancellation took back while they waited (docs/rules.md#withdrawing).

The waiting command is refused as `withdrawn` in the transaction that accepts the cancellation.
Neither leaves a line.
"""

from collections.abc import Sequence

from shared.ledger.audit.asked import Asked
from shared.ledger.commands import CancellationRequested

WITHDRAWN = "withdrawn"


def withdrawals(asked: Sequence[Asked]) -> dict[int, int]:
    """Return {the place of a withdrawn command: the place of its cancellation}."""
    places = {each.command.command_id: at for at, each in enumerate(asked)}
    found: dict[int, int] = {}
    for at, (command, outcome, _, instant) in enumerate(asked):
        if isinstance(command, CancellationRequested) and outcome == "accepted":
            target = places.get(command.cancels)
            if target is None or target in found:
                continue
            if (asked[target].reason, asked[target].recorded_at) == (WITHDRAWN, instant):
                found[target] = at
    return found
