"""How long the dashboard takes for its pages when it is warm.

They are asked of the local stack, with its database, objects and proxies, one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import statistics
import time
from pathlib import Path

import httpx

from bench.workerd import WorkerdError
from local.example import deploy
from local.stack import Stack, free_port

DEPLOY_SECONDS = 60
PAGE_REQUESTS = 50


async def page_times(state: Path) -> dict[str, float]:
    """The median time of each page in milliseconds; `state` is a folder that isn't there yet."""
    port = free_port()
    client = httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=30)
    paths = ("/", "/apps", "/apps/<id>", "/apps/<id>/402")
    with contextlib.redirect_stdout(io.StringIO()):
        async with Stack(port, state, has_example=False), client:
            app = await deploy(client)
            await wait_until_deployed(client, app)
            return {path: await median_time(client, path.replace("<id>", app)) for path in paths}


async def wait_until_deployed(client: httpx.AsyncClient, app: str) -> None:
    deadline = time.monotonic() + DEPLOY_SECONDS
    while 'class="badge deployed"' not in (await client.get(f"/apps/{app}")).text:
        if time.monotonic() > deadline:
            raise WorkerdError(f"the app was not deployed within {DEPLOY_SECONDS} s")
        await asyncio.sleep(0.5)


async def median_time(client: httpx.AsyncClient, path: str) -> float:
    times = []
    for _ in range(PAGE_REQUESTS):
        started = time.perf_counter()
        (await client.get(path)).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
