"""The command line, killed where a test wants it: when the broker has so many of its messages, or
when the topics have more partitions and the book does not know it.

python -m tests.support.dying_console COUNT dlq replay
python -m tests.support.dying_console book partitions 24
"""

import asyncio
import os
import signal
import sys

from services.console.main import main
from shared.ledger.postgres import fleet
from shared.operator.publish import Publisher
from shared.schemas.envelope import Message


def die_after(count: int) -> None:
    put, sent = Publisher.put, list[asyncio.Future[object]]()

    async def counted(self: Publisher, message: Message) -> asyncio.Future[object]:
        if len(sent) == count:
            await asyncio.gather(*sent)
            os.kill(os.getpid(), signal.SIGKILL)
        sent.append(asyncio.ensure_future(await put(self, message)))
        return sent[-1]

    Publisher.put = counted  # type: ignore[method-assign]


def die_before_the_book() -> None:
    async def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    fleet.set_partitions = killed  # type: ignore[assignment]


if __name__ == "__main__":
    where = sys.argv.pop(1)
    if where == "book":
        die_before_the_book()
    else:
        die_after(int(where))
    main()
