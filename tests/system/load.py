"""Many requests at once over plain connections, as fast as asyncio goes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

BROKEN = 0  # instead of a status: no answer came
TIMEOUT_SECONDS = 300  # after a kill, all Workers start anew

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def hammer(port: int, app: str, requests: int, connections: int) -> Counter[int]:
    """Send GET requests to an app; count the statuses. A broken connection is made anew."""
    statuses: Counter[int] = Counter()
    left = iter(range(requests))
    line = f"GET / HTTP/1.1\r\nHost: {app}.localhost:{port}\r\nAccept: application/json\r\n\r\n".encode()

    async def client() -> None:
        connection = None
        try:
            for _ in left:
                try:
                    connection = connection or await asyncio.open_connection("127.0.0.1", port)
                    statuses[await asyncio.wait_for(ask(*connection, line), TIMEOUT_SECONDS)] += 1
                except (OSError, EOFError, TimeoutError):
                    statuses[BROKEN] += 1
                    connection = await closed(connection)
                    await asyncio.sleep(0.05)
        finally:
            await closed(connection)

    async with asyncio.TaskGroup() as clients:
        for _ in range(connections):
            clients.create_task(client())
    return statuses


async def closed(connection: Connection | None) -> None:
    if connection:
        connection[1].close()
        with contextlib.suppress(OSError):
            await connection[1].wait_closed()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> int:
    writer.write(line)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    elif "content-length: " in head:
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        await reader.readexactly(int(length))
    return int(head.split(" ", 2)[1])


class Witness:
    """A server that an app's Worker tells of every request that reached it, whatever happens to workerd."""

    def __init__(self) -> None:
        self.served = 0
        self._progress = asyncio.Event()

    async def __aenter__(self) -> Witness:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def until(self, served: int) -> None:
        while self.served < served:
            await asyncio.wait_for(self._progress.wait(), TIMEOUT_SECONDS)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            self.served += 1
            self._progress.set()
            self._progress.clear()
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await closed((reader, writer))
