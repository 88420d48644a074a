"""Chaos on purpose: a fleet of real processes, two of each kind, under faults that a seed chooses.

    python -m tests.faults.chaos 1                          one seed
    python -m tests.faults.chaos 1..50                      many, each on a fleet of its own
    python -m tests.faults.chaos 1 --without outbox         a mechanism taken away: it must fail

Prints a line a seed: the faults injected, the seconds, what the run met, and what is wrong, if
anything is. Exit code 1 when anything was, or when a run did not meet what it is to test.
"""

import argparse
import asyncio
import logging
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaProducer

from shared.ledger.policy.file import parse_policy
from shared.operator.settle import NotSettled
from shared.schemas.envelope import Message
from tests.faults.checker import judge
from tests.faults.injected import FAULTS
from tests.faults.kept import Verdict
from tests.faults.load import DAYS, POLICY, Load
from tests.faults.published import Published
from tests.faults.scene import Scene, scene
from tests.faults.without import MECHANISMS

MUST_MEET = ("conflicts", "retries", "fenced", "cascades", "parked")
CAUSES_RETRIES = ("commits", "sessions", "timeouts", "postgres")

Stretches = list[tuple[str, ...]]


def choose(chosen: random.Random) -> Stretches:
    """Return the faults of each stretch: one, or two at once, or none for quiet.

    One stretch is a zombie's own, for what disturbs him may end him unfenced; and one fault at
    least makes batches fail that are tried again (a fleet that is started anew meets none).
    """
    counts = chosen.choices((0, 1, 2), (1, 3, 4), k=len(DAYS))
    stretches = [tuple(chosen.sample(sorted(FAULTS), count)) for count in counts]
    stretches[chosen.randrange(len(DAYS))] = ("zombie",)
    if not any(
        set(CAUSES_RETRIES) & set(stretch) for stretch in stretches if "supervisor" not in stretch
    ):
        quiet = next(n for n, stretch in enumerate(stretches) if stretch != ("zombie",))
        beside = [fault for fault in stretches[quiet][:1] if fault != "supervisor"]
        stretches[quiet] = (chosen.choice(CAUSES_RETRIES), *beside)
    return stretches


async def run(
    seed: int, data: Path, stretches: Stretches | None = None, without: str = ""
) -> list[str]:
    """Play one seed; return what is wrong afterwards. `stretches` names other faults."""
    chosen = random.Random(seed)
    stretches = stretches or choose(chosen)
    began = time.monotonic()
    async with scene(data, chosen, without) as on:
        load = await _played(on, stretches)
        try:
            await on.settle()
            policy = parse_policy(POLICY, 1)
            verdict = await judge(load, policy, on.database, await on.kafka())
        except NotSettled as unsettled:
            verdict = Verdict()
            verdict.wrong.append(str(unsettled))
        verdict.wrong += on.wrong
        verdict.met.update(on.said(), commits_cut=on.proxy.cut)
    if not verdict.wrong:
        verdict.wrong += [f"no {what} were met" for what in MUST_MEET if not verdict.met[what]]
    faults = " | ".join(" + ".join(names) or "quiet" for names in stretches)
    met = ", ".join(f"{what} {count}" for what, count in sorted(verdict.met.items()))
    print(f"seed {seed}: {faults}: {time.monotonic() - began:.0f} s; {met}", flush=True)
    for each in verdict.wrong:
        print(f"seed {seed}: WRONG {each}", flush=True)
    return verdict.wrong


async def _played(on: Scene, stretches: Stretches) -> Load:
    """Publish stretch by stretch, each beside its faults, and a cascade at the end."""
    async with AIOKafkaProducer(
        bootstrap_servers=await on.kafka(), enable_idempotence=True, request_timeout_ms=120_000
    ) as producer:

        async def send(message: Message) -> None:
            topic, key, value, headers = message
            await producer.send(topic, value, key, headers=headers)

        on.published = Published(send, producer.flush)
        load = Load(on.published, on.random, len(stretches))
        for number, names in enumerate(stretches):
            on.show(f"{DAYS[number]}T12:00:00+06:00")
            await asyncio.gather(load.stretch(number), *(FAULTS[name](on) for name in names))
            await producer.flush()
        await on.settle()
        await load.cascades()
        await producer.flush()
    return load


def main() -> int:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("seeds", help="a seed, or a range such as 1..50")
    reader.add_argument("--without", choices=MECHANISMS, default="", help="take a mechanism away")
    asked = reader.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # servers are away on purpose
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is mounted is cleared away
    first, _, last = asked.seeds.partition("..")
    began, failed = time.monotonic(), []
    for seed in range(int(first), int(last or first) + 1):
        with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as data:
            if asyncio.run(run(seed, Path(data), without=asked.without)):
                failed.append(seed)
    print(f"failed: {failed}" if failed else "every promise held", end="")
    print(f", {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
