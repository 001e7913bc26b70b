"""Promises 1 to 3 against the running system: served, charged and paid, under load and kills."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local.control import ControlError
from tests.system.load import Witness, hammer
from tests.system.running import START_SECONDS, RunningStack, soon

CONNECTIONS = 50
# 1 cent buys 100 requests.
SETTINGS = {
    "REQUEST_UNIT_PRICE_NANO_USD": "10000000",
    "TOTAL_REQUESTS_PER_UNIT": "100",
    "APP_SUB_REQUESTS": "50",
    "DISPATCH_INSTANCES": "3",
    # However slow the machine is: a lease that comes too late is another test's.
    "BILLING_TIMEOUT_MS": "60000",
}
WORKER = """
export default {{
  async fetch() {{
    await fetch("http://127.0.0.1:{port}/");
    return new Response("served");
  }},
}};
"""


@dataclass(frozen=True)
class Size:
    """How many requests are included, how many are sent, and how often the Workers are killed meanwhile."""

    included: int
    requests: int
    kills: int


@pytest.fixture(scope="module")
def size(is_soak: bool) -> Size:
    return Size(5_000, 20_000, kills=5) if is_soak else Size(600, 2_400, kills=2)


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory, size: Size) -> Iterator[RunningStack]:
    settings = {**SETTINGS, "INCLUDED_REQUESTS": str(size.included)}
    running = RunningStack(tmp_path_factory.mktemp("metered"), settings=settings)
    try:
        yield running.start()
    finally:
        running.stop()


def deploy_counted(stack: RunningStack, folder: Path, app: str, witness: Witness) -> None:
    (folder / "wrangler.toml").write_text('main = "index.js"\ncompatibility_date = "2026-11-01"\n')
    (folder / "index.js").write_text(WORKER.format(port=witness.port))
    stack.deploy(folder, app)


def is_charged_in_the_end(stack: RunningStack, app: str, requests: int) -> bool:
    """Whether the object charges exactly so many once the leases have come back."""
    return soon(lambda: stack.billing(app, "get_worker_billing")["requests"] == str(requests))


@pytest.mark.soak
def test_exactly_the_allowance_is_served_and_charged(metered: RunningStack, size: Size, tmp_path: Path):
    async def run() -> None:
        async with Witness() as witness:
            await asyncio.to_thread(deploy_counted, metered, tmp_path, "limited", witness)
            statuses = await hammer(metered.port, "limited", size.requests, CONNECTIONS)
            assert statuses == {200: size.included, 402: size.requests - size.included}
            assert witness.served == size.included
        billing = await asyncio.to_thread(metered.billing, "limited", "get_worker_billing")
        assert (billing["requests"], billing["remaining_requests"]) == (str(size.included), "0")

    asyncio.run(run())


def test_what_is_not_spent_goes_back(metered: RunningStack, tmp_path: Path):
    async def run() -> None:
        async with Witness() as witness:
            await asyncio.to_thread(deploy_counted, metered, tmp_path, "quiet", witness)
            assert await hammer(metered.port, "quiet", 377, 20) == {200: 377}
            assert await asyncio.to_thread(is_charged_in_the_end, metered, "quiet", 377)
            assert witness.served == 377

    asyncio.run(run())


def test_a_missing_worker_is_not_charged(metered: RunningStack, tmp_path: Path):
    async def run() -> None:
        async with Witness() as witness:
            await asyncio.to_thread(deploy_counted, metered, tmp_path, "gone", witness)
            assert await hammer(metered.port, "gone", 100, 10) == {200: 100}
            metered.api("DELETE", "/workers/dispatch/namespaces/testing/scripts/gone")
            statuses = await hammer(metered.port, "gone", 50, 10)
            # While one instance has Cloudflare asked, the others don't know yet.
            assert statuses[404] > 0
            assert statuses[404] + statuses[502] == 50
            assert await asyncio.to_thread(is_charged_in_the_end, metered, "gone", 100 + statuses[502])

    asyncio.run(run())


def kill_the_workers(stack: RunningStack) -> int:
    """`kill -9` of the workerd that runs the Workers (not wrangler's own, which holds the port)."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True)
    lines = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
    wranglers = {pid for pid, _, args in lines if str(stack.state) in args}
    victims = [
        int(pid)
        for pid, parent, args in lines
        if parent in wranglers and " serve " in args and f":{stack.port} " not in args
    ]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    return len(victims)


@pytest.mark.soak
def test_kills_never_serve_more_and_lose_no_payment(metered: RunningStack, size: Size, tmp_path: Path):
    """Kills of workerd under load, with payments in between, each reported twice."""

    async def disturb(witness: Witness) -> int:
        kills = 0
        for number in range(2 * size.kills):
            served = witness.served
            for _ in range(2):
                await asyncio.to_thread(pay, metered, f"payment-{number}")
            await witness.until(served + size.included // 25)
            if number % 2:
                kills += await asyncio.to_thread(kill_the_workers, metered)
        return kills

    async def run() -> None:
        async with Witness() as witness:
            await asyncio.to_thread(deploy_counted, metered, tmp_path, "killed", witness)
            disturbing = asyncio.create_task(disturb(witness))
            while not disturbing.done():
                await hammer(metered.port, "killed", size.included, CONNECTIONS)
            assert await disturbing == size.kills
            await hammer(metered.port, "killed", size.requests, CONNECTIONS)
            await asyncio.to_thread(check_books, metered, size, witness.served)

    asyncio.run(run())


def pay(stack: RunningStack, payment: str) -> None:
    """Report a payment until it has arrived, as a webhook is sent again."""

    def has_arrived() -> bool:
        try:
            return bool(stack.billing("killed", "add_worker_funds", payment, 1) == "credited")
        except (httpx.TransportError, ControlError):
            return False

    assert soon(has_arrived, START_SECONDS)


def check_books(stack: RunningStack, size: Size, served: int) -> None:
    billing = stack.billing("killed", "get_worker_billing")
    assert billing["funding_cents"] == str(2 * size.kills)
    allowed = size.included + 2 * size.kills * 100
    assert served <= allowed
    assert int(billing["remaining_requests"]) == 0
    # What the kills can have taken with them: a lease of 1% in each instance.
    leased = size.kills * allowed // 100 * int(stack.settings["DISPATCH_INSTANCES"])
    assert allowed - served <= leased
    assert abs(int(billing["requests"]) - served) <= leased
