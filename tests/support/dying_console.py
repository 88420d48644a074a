"""The command line, killed where a test wants it: the broker has so many of its messages, no more.

python -m tests.support.dying_console COUNT dlq replay
"""

import asyncio
import os
import signal
import sys

from services.console.main import main
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


if __name__ == "__main__":
    die_after(int(sys.argv.pop(1)))
    main()
