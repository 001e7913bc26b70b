"""Sites in the running system: switches under load, and a whole journey."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.running import RunningStack, soon

CONNECTIONS = 50
SETTINGS = {
    "DISPATCH_INSTANCES": "3",
    "INCLUDED_REQUESTS": "1000000",
    # However slow the machine is.
    "BILLING_TIMEOUT_MS": "60000",
}
WORKER = 'export default {{ fetch: () => new Response("{name}") }};'
APPS = ("first", "second")
SWITCHES = 20
# Between two switches.
PAUSE_MS = 1_500
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Served:
    """What answered a request, which was sent and answered at these times (milliseconds since 1970)."""

    sent_at: int
    answered_at: int
    status: int
    body: str


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def switching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    running = RunningStack(tmp_path_factory.mktemp("switching"), settings=SETTINGS)
    try:
        yield running.start()
    finally:
        running.stop()


async def ask_until(port: int, site: str, is_over: asyncio.Event, least: int) -> list[Served]:
    """Requests over many connections, at least so many and until it is over."""
    served: list[Served] = []
    line = f"GET / HTTP/1.1\r\nHost: {site}.localhost:{port}\r\nAccept: application/json\r\n\r\n".encode()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not is_over.is_set() or len(served) < least:
            sent_at = now_ms()
            writer.write(line)
            status, body = await asyncio.wait_for(answer(reader), TIMEOUT_SECONDS)
            served.append(Served(sent_at, now_ms(), status, body))
        writer.close()

    async with asyncio.TaskGroup() as clients:
        for _ in range(CONNECTIONS):
            clients.create_task(client())
    return served


async def answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    body = b""
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        body = await reader.readexactly(int(length))
    return int(head.split(" ", 2)[1]), body.decode()


def deploy_apps(stack: RunningStack, folder: Path) -> None:
    (folder / "wrangler.toml").write_text('main = "index.js"\ncompatibility_date = "2026-11-01"\n')
    for name in APPS:
        (folder / "index.js").write_text(WORKER.format(name=name))
        stack.deploy(folder, name)


@pytest.mark.soak
def test_no_request_fails_or_is_served_by_a_version_that_is_not_its_times(
    switching: RunningStack, tmp_path: Path, is_soak: bool
) -> None:
    """In each of three instances: a lease ends at a switch that is known beforehand, and one that is made at
    once is over with the leases from before it.
    """
    requests = 20_000 if is_soak else 2_000

    async def run() -> None:
        await asyncio.to_thread(deploy_apps, switching, tmp_path)
        begins_at = now_ms() + PAUSE_MS
        schedule: list[tuple[int, str]] = [(0, APPS[0])]
        schedule += [(begins_at + PAUSE_MS * number, APPS[(number + 1) % 2]) for number in range(SWITCHES)]
        is_over = asyncio.Event()

        async def tell(version: int, planned: list[tuple[int, str]]) -> int:
            """Return for how many milliseconds leases from before may still be used."""
            told = await asyncio.to_thread(switching.billing, "site", "set_schedule", version, planned)
            return int(told["milliseconds"])

        async def switch() -> int:
            """The second half of what is to come is told when the first is nearly over."""
            await asyncio.sleep((schedule[half][0] - now_ms()) / 1_000)
            await tell(2, schedule[half:])
            await asyncio.sleep((schedule[-1][0] - now_ms()) / 1_000)
            schedule.append((now_ms(), APPS[len(schedule) % 2]))
            life = await tell(3, schedule[-1:])
            if is_soak:
                await asyncio.sleep(life / 1_000)
            is_over.set()
            return life

        half = SWITCHES // 2
        await tell(1, schedule[: half + 2])
        life, served = await asyncio.gather(switch(), ask_until(switching.port, "site", is_over, requests))
        assert {one.status for one in served} == {200}
        times = [since for since, _ in schedule]
        for one in served:
            was_known = one.sent_at < times[-1]
            first = bisect_right(times, one.sent_at - (0 if was_known else life)) - 1
            last = bisect_right(times, one.answered_at) - 1
            assert one.body in {name for _, name in schedule[first : last + 1]}, one
        assert {one.body for one in served} == set(APPS)
        assert len(served) >= requests
        is_exact = await asyncio.to_thread(is_charged, switching, len(served))
        assert is_exact

    asyncio.run(run())


def is_charged(stack: RunningStack, requests: int) -> bool:
    """Whether the object charges exactly so many once the leases have come back."""
    return soon(lambda: stack.billing("site", "get_worker_billing")["requests"] == str(requests))
