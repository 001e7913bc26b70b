"""Sites in the running system: switches under load, and a whole journey."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.control import Control
from local.staging import ROOT
from tests.system.running import RunningStack, soon

CONNECTIONS = 25
# Of each account that is suspended, for as long as a lease lives: each instance is asked all the time.
FEW_CONNECTIONS, FEW_BREATH_SECONDS = 12, 0.25
SETTINGS = {
    "DISPATCH_INSTANCES": "3",
    "INCLUDED_REQUESTS": "1000000",
    # However slow the machine is.
    "BILLING_TIMEOUT_MS": "60000",
}
WORKER = 'export default {{ fetch: () => new Response("{name}") }};'
APPS = ("first", "second")
SWITCHES = 12
# Between two switches.
PAUSE_MS = 1_500
# Between an answer and the next request of a connection: more would only keep the processors busy.
BREATH_SECONDS = 0.1
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
    """With an app of each name of APPS, which answers it."""
    running = RunningStack(tmp_path_factory.mktemp("switching"), settings=SETTINGS)
    try:
        running.start()
        for name in APPS:
            deploy_named(running, tmp_path_factory.mktemp(name), name)
        yield running
    finally:
        running.stop()


async def ask_until(
    port: int,
    site: str,
    is_over: asyncio.Event,
    least: int,
    connections: int = CONNECTIONS,
    breath_seconds: float = BREATH_SECONDS,
) -> list[Served]:
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
            await asyncio.sleep(breath_seconds)
        writer.close()

    async with asyncio.TaskGroup() as clients:
        for _ in range(connections):
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


def deploy_named(stack: RunningStack, folder: Path, name: str) -> None:
    (folder / "wrangler.toml").write_text('main = "index.js"\ncompatibility_date = "2026-11-01"\n')
    (folder / "index.js").write_text(WORKER.format(name=name))
    stack.deploy(folder, name)


@pytest.mark.soak
def test_no_request_fails_or_is_served_by_a_version_that_is_not_its_times(
    switching: RunningStack, is_soak: bool
) -> None:
    """In each of three instances: a lease ends at a switch that is known beforehand, and one that is made at
    once is over with the leases from before it.
    """
    requests = 20_000 if is_soak else 2_000

    async def run() -> None:
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


def test_what_is_suspended_is_refused_by_every_instance_within_a_leases_life_and_nothing_is_charged(
    switching: RunningStack,
) -> None:
    """An app and a site under load in three instances: what is asked for after that is answered 403, until
    it is restored.
    """

    async def suspended(account: str, version: int) -> None:
        async def call(method: str, *parameters: object) -> dict[str, int]:
            return await asyncio.to_thread(switching.billing, account, method, *parameters)

        before = int((await call("get_worker_billing"))["requests"])
        is_over = asyncio.Event()

        async def suspend() -> int:
            await asyncio.sleep(PAUSE_MS / 1_000)
            answer = await call("set_suspension", version, [["", "It imitates a bank."]])
            refused_from = now_ms() + answer["milliseconds"]
            await asyncio.sleep(answer["milliseconds"] / 1_000 + PAUSE_MS / 1_000)
            is_over.set()
            return refused_from

        crowd = ask_until(switching.port, account, is_over, 1, FEW_CONNECTIONS, FEW_BREATH_SECONDS)
        refused_from, served = await asyncio.gather(suspend(), crowd)
        assert {one.status for one in served} == {200, 403}
        late = [one for one in served if one.sent_at >= refused_from]
        assert late
        assert {one.status for one in late} == {403}
        problem = json.loads(late[-1].body)
        assert (problem["title"], problem["reason"]) == ("Suspended", "It imitates a bank.")
        answered = sum(one.status == 200 for one in served)
        assert await asyncio.to_thread(is_charged, switching, before + answered, account)
        await call("set_suspension", version + 1, [])
        again = await asyncio.to_thread(lambda: soon(lambda: switching.get(account).status_code == 200))
        assert again

    async def run() -> None:
        await asyncio.to_thread(switching.billing, "kept", "set_schedule", 1, [(0, "second")])
        await asyncio.gather(suspended("first", 1), suspended("kept", 11))

    asyncio.run(run())


def operate(stack: RunningStack, *arguments: str) -> str:
    """`make operator ARGS=…`, with the local Cloudflare; billing's cron trigger comes meanwhile."""
    environment = {
        "CLOUDFLARE_API_BASE_URL": f"{stack.origin}/client/v4",
        "CLOUDFLARE_API_TOKEN": "local",
        "WRANGLER_LOG_PATH": str(stack.state / "wrangler-logs"),
    }
    command = [sys.executable, "-m", "deploy.operate", *arguments]
    running = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while running.poll() is None:
        Control.of(stack.state).call("billing-worker", "", "scheduled", {"cron": "* * * * *"})
        time.sleep(0.5)
    assert running.stdout is not None
    with running.stdout as output:
        return output.read()


def test_the_command_suspends_and_restores_without_the_dashboard(
    switching: RunningStack, tmp_path: Path
) -> None:
    """By wrangler, D1 and billing's cron trigger alone: the dashboard is asked for nothing."""
    app = "bcdfghjkmnpq"
    deploy_named(switching, tmp_path, app)
    query(
        switching,
        "INSERT INTO users VALUES (7, 'mallory', NULL, 1, 1)",
        "INSERT INTO apps (id, user_id, repository, git_ref, commit_hash, directory, created_at, changed_at) "
        f"VALUES ('{app}', 7, 'mallory/hello', 'main', '{'a' * 40}', '', 1, 1)",
    )
    assert switching.get(app).status_code == 200
    reason = "It imitates O'Neill's bank; \"really\"."
    assert "There is no app" in operate(switching, "suspend", "app", "zzz", "--reason", "Why")
    said = operate(switching, "suspend", "user", "Mallory", "--reason", reason)
    assert "All accounts know it" in said
    assert soon(lambda: switching.get(app).status_code == 403)
    assert switching.get(app, headers={"accept": "application/json"}).json()["reason"] == reason
    assert "is suspended already" in operate(switching, "suspend", "user", "7", "--reason", "Why")
    assert f"user  7  {reason}" in operate(switching, "suspensions")
    assert "All accounts know it" in operate(switching, "restore", "user", "mallory", "--reason", "No.")
    assert soon(lambda: switching.get(app).status_code == 200)
    assert "deploys: off." in operate(switching, "set", "deploys", "off", "--reason", "A flood.")
    assert "deploys: off, as before." in operate(switching, "set", "deploys", "off", "--reason", "A flood.")
    listed = operate(switching, "acts")
    assert "restore  user  7  No." in listed
    assert "set  deploys  off  A flood." in listed


def query(stack: RunningStack, *statements: str) -> list[list[dict[str, object]]]:
    return Control.of(stack.state).call("database", "", "batch", statements)


def is_charged(stack: RunningStack, requests: int, account: str = "site") -> bool:
    """Whether the object charges exactly so many once the leases have come back."""
    return soon(lambda: stack.billing(account, "get_worker_billing")["requests"] == str(requests))
