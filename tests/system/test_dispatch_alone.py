"""The real dispatch and billing in one bare workerd, without the local front: endurance, and odd hosts."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import load
from bench.config import OBJECT_DELAY_MS
from bench.workerd import Workerd
from tests.system.load import closed
from tests.system.running import accounts_stored

CONNECTIONS = 25
# Of each step's turns the memory is compared with the others'; a turn has five requests for each quiet app.
STEPS, TURNS, SOAK_TURNS = 4, 1, 30
MOST_SECONDS = 300
SETTLED_SECONDS = 120
SOAK_APP = "soaked"
QUIET_APPS = [f"quiet{number}" for number in range(500)]

LABELS = st.from_regex(r"[A-Za-z0-9_.:\[\]%@!*~-]{0,70}", fullmatch=True)
HOSTS = st.one_of(
    LABELS,
    LABELS.map(lambda label: f"{label}.localhost"),
    st.from_regex(r"[a-z0-9-]{1,64}\.localhost\.?(:[0-9]{0,6})?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]:80"),
)
METHODS = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "SEARCH", "get", "X"]
)
NO_SUCH_METHOD = 501  # of workerd itself


def with_workerd(folder: Path, work: Callable[[Workerd], Awaitable[None]], **variables: int) -> None:
    async def run() -> None:
        workerd = await Workerd(folder, **variables).start()
        try:
            await work(workerd)
        finally:
            await workerd.stop()

    asyncio.run(run())


@pytest.mark.soak
def test_many_requests_leave_memory_as_it_was_and_none_fails(tmp_path: Path, is_soak: bool):
    """300,000 of them in `make soak`: most for one busy app, the others for apps that are quiet."""
    turns = SOAK_TURNS if is_soak else TURNS
    names = [SOAK_APP, *QUIET_APPS]
    hosts = [f"{app}.localhost" for quiet in QUIET_APPS for app in (*[SOAK_APP] * 4, quiet)]

    async def soak(workerd: Workerd) -> None:
        await workerd.open_accounts("ours", names)
        memory = []
        for _ in range(STEPS):
            for _ in range(turns):
                # Raises LoadError unless every answer is the app's.
                by_connection = [hosts[number::CONNECTIONS] for number in range(CONNECTIONS)]
                await load.put(tmp_path, workerd.ports["ours"], by_connection, MOST_SECONDS, once=True)
                await workerd.forget_leases()
            memory.append(await workerd.dispatch_memory())
        assert memory[1:] == memory[:1] * (STEPS - 1)

    with_workerd(tmp_path, soak)


def test_the_runtime_calls_dispatch_and_the_object_at_once(tmp_path: Path):
    async def ask(workerd: Workerd) -> None:
        await workerd.open_accounts("ours", ["hello"])
        async with httpx.AsyncClient(timeout=60) as client:
            for _ in range(3):
                url, headers = f"http://127.0.0.1:{workerd.ports['ours']}/", {"host": "hello.localhost"}
                assert (await client.get(url, headers=headers)).status_code == 200
                await workerd.pace(1_000, 1)
        assert await workerd.charged("hello") >= 3
        assert "take_lease" in await workerd.methods()
        assert await workerd.stopping() == {"dispatch": False, "methods": []}

    with_workerd(tmp_path, ask)


def test_nothing_is_served_while_billing_fails(tmp_path: Path):
    async def ask(workerd: Workerd) -> None:
        url, headers = f"http://127.0.0.1:{workerd.ports['ours']}/", {"host": "hello.localhost"}
        async with httpx.AsyncClient(timeout=60) as client:
            for _ in range(3):
                answer = await client.get(url, headers=headers | {"accept": "application/json"})
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
                assert "INCLUDED_REQUESTS" not in answer.text
        assert '"event": "billing_failed"' in workerd.state()

    with_workerd(tmp_path, ask, INCLUDED_REQUESTS=-1)


def test_a_lease_that_comes_too_late_is_not_lost(tmp_path: Path):
    """It serves a later request, or goes back, also while the object of another app doesn't answer."""

    async def ask(workerd: Workerd) -> None:
        await workerd.open_accounts("ours", ["late", "miser"])
        statuses: Counter[int] = Counter()
        async with httpx.AsyncClient(timeout=60) as client:
            for app in ["miser"] * 10 + ["late"] * 150:
                url = f"http://127.0.0.1:{workerd.ports['ours-far']}/"
                answer = await client.get(url, headers={"host": f"{app}.localhost"})
                statuses[answer.status_code] += app == "late"
        assert set(statuses) == {200, 503}
        until = time.monotonic() + SETTLED_SECONDS
        while await workerd.charged("late") != statuses[200]:
            assert time.monotonic() < until, "what was not served is still charged"
            await asyncio.sleep(0.5)

    with_workerd(tmp_path, ask, BILLING_TIMEOUT_MS=OBJECT_DELAY_MS // 2)


def test_a_visitor_who_goes_away_takes_none_along_of_those_who_wait_for_the_same_lease(tmp_path: Path):
    async def ask(workerd: Workerd) -> None:
        port = workerd.ports["ours-far"]
        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None)) as client:
            headers = {"host": "mute.localhost"}

            async def everything_has_arrived() -> None:
                healthy = await client.get(
                    f"http://127.0.0.1:{port}/healthz", headers={"host": "healthz.localhost"}
                )
                assert healthy.status_code == 200

            gone = []
            for _ in range(2):  # the one that asks, the first that waits
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nHost: mute.localhost\r\n\r\n")
                await everything_has_arrived()
                gone.append(writer)
            staying = [
                asyncio.create_task(client.get(f"http://127.0.0.1:{port}/", headers=headers))
                for _ in range(5)
            ]
            await everything_has_arrived()
            for writer in gone:
                reset(writer)
            found = await asyncio.gather(*staying)
        assert [answer.status_code for answer in found] == [503] * len(staying)

    with_workerd(tmp_path, ask, BILLING_TIMEOUT_MS=2_000)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the server notices at once: it would answer one that is half closed."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def status_of(port: int, method: str, host: str) -> int | None:
    """The status of the answer; None when the server refuses to read such a request at all."""
    connection = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = connection
    try:
        writer.write(f"{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        line = await asyncio.wait_for(reader.readline(), 30)
        return int(line.split(b" ")[1]) if line else None
    finally:
        await closed(connection)


def test_no_host_or_method_makes_dispatch_fail_or_an_account(tmp_path: Path):
    async def fuzz(workerd: Workerd) -> None:
        await asyncio.to_thread(ask_at_random, workerd.ports["ours"])
        assert accounts_stored(tmp_path / "billing-objects") == 0

    with_workerd(tmp_path, fuzz)


def test_a_crowd_asks_the_dashboard_once_for_an_apps_document(tmp_path: Path):
    async def ask(workerd: Workerd) -> None:
        url = f"http://127.0.0.1:{workerd.ports['ours']}/.well-known"
        async with httpx.AsyncClient(timeout=60) as client:
            paths = ["/codius", "/%63odius", "//codius"] * 20
            headers = {"host": "crowded.localhost"}
            found = await asyncio.gather(*(client.get(url + path, headers=headers) for path in paths))
            again = await client.get(f"{url}/codius", headers=headers)
            head = await client.head(f"{url}/codius", headers=headers)
            other = await client.get(f"{url}/codius", headers={"host": "other.localhost"})
        assert [answer.json() for answer in [*found, again]] == [{"asked": 1}] * (len(paths) + 1)
        assert {answer.headers["cache-control"] for answer in found} == {"public, max-age=60"}
        assert int(again.headers["age"]) >= 0
        assert (head.status_code, head.content) == (200, b"")
        assert other.json() == {"asked": 2}

    with_workerd(tmp_path, ask)


def ask_at_random(port: int) -> None:
    @settings(max_examples=400, deadline=None, database=None)
    @given(method=METHODS, host=HOSTS)
    def ask(method: str, host: str) -> None:
        status = asyncio.run(status_of(port, method, host))
        assert status is None or status < 500 or status == NO_SUCH_METHOD

    ask()
