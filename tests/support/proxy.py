"""A proxy on the loopback address that cuts a connection while COMMIT is in flight."""

import asyncio
import contextlib
import random
from types import TracebackType
from typing import Self

CHUNK = 1 << 16
COMMIT = b"COMMIT;\0"


class Proxy:
    """Forwards connections to a PostgreSQL. Once `cut_commits(n)` was called, the next n commits
    are sent on or swallowed, by chance, and their connections end there: nobody learns which."""

    def __init__(self, host: str, port: int, chosen: random.Random) -> None:
        self._server_at = host, port
        self._random = chosen
        self._listening: asyncio.Server | None = None
        self._to_cut = 0
        self.cut = 0

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._listening is not None
        self._listening.close()

    @property
    def port(self) -> int:
        assert self._listening is not None
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    def cut_commits(self, count: int) -> None:
        self._to_cut += count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._server_at)
        except OSError:
            writer.transport.abort()
            return
        ways = [
            asyncio.create_task(self._pass_on(reader, back, cutting=True)),
            asyncio.create_task(self._pass_on(there, writer, cutting=False)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, back):
            end.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cutting: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                cuts = cutting and self._to_cut > 0 and chunk.endswith(COMMIT)
                if cuts:
                    self._to_cut -= 1
                    self.cut += 1
                    if self._random.random() < 0.5:
                        return
                writer.write(chunk)
                await writer.drain()
                if cuts:
                    return
