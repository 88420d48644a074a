"""What a chaos run has published, and what became of it where a topic was lost."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from aiokafka import ConsumerRecord

from shared.schemas.envelope import Message


class Published:
    """Publishes through `send`, one message after the other; `flush` waits for the broker."""

    def __init__(
        self, send: Callable[[Message], Awaitable[None]], flush: Callable[[], Awaitable[None]]
    ) -> None:
        self._send, self._flush = send, flush
        self._sending = asyncio.Lock()
        self.messages: list[Message] = []
        """What the topics hold, in the order of sending; not what was lost with a topic."""
        self.applied: dict[str, list[ConsumerRecord]] = defaultdict(list)
        """By topic, what workers applied of logs that are gone."""

    async def send(self, messages: Iterable[Message]) -> None:
        """Publish messages in this order, however often they were before."""
        for message in messages:
            async with self._sending:
                self.messages.append(message)
                await self._send(message)

    @asynccontextmanager
    async def halted(self, topic: str) -> AsyncIterator[list[Message]]:
        """Publish nothing meanwhile, all that was sent being acknowledged; lend what was sent to
        a topic, which will have lost it in the end."""
        async with self._sending:
            await self._flush()
            yield [message for message in self.messages if message.topic == topic]
            self.messages = [message for message in self.messages if message.topic != topic]
