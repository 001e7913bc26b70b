"""How long the dashboard takes for its pages when it is warm.

They are asked of the local stack, with its database, objects and proxies, one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import statistics
import time
from pathlib import Path

import httpx

from bench.workerd import WorkerdError
from local.stack import Stack, free_port

DEPLOY_SECONDS = 60
PAGE_REQUESTS = 50


async def page_times(state: Path) -> dict[str, float]:
    """The median time of each page in milliseconds; `state` is a folder that isn't there yet."""
    port = free_port()
    client = httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=30)
    paths = ("/", "/apps", "/apps/<id>", "/apps/<id>/402")
    with contextlib.redirect_stdout(io.StringIO()):
        async with Stack(port, state), client:
            await log_in(client, f"http://127.0.0.1:{port}")
            app = await deploy(client, f"http://127.0.0.1:{port}/codius/examples/tree/main/hello")
            return {path: await median_time(client, path.replace("<id>", app)) for path in paths}


async def log_in(client: httpx.AsyncClient, github: str) -> None:
    """As alice. Cookies are handed on by hand: they are for secure addresses, as localhost is to browsers."""
    begun = await client.get("/login/github")
    page = await client.get(begun.headers["location"])
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text)) | {"login": "alice"}
    decided = await client.post(f"{github}/login/oauth/authorize", data=form)
    callback = await client.get(decided.headers["location"], headers={"cookie": cookies_of(begun)})
    client.headers["cookie"] = cookies_of(callback)


def cookies_of(response: httpx.Response) -> str:
    return "; ".join(header.partition(";")[0] for header in response.headers.get_list("set-cookie"))


async def deploy(client: httpx.AsyncClient, address: str) -> str:
    """Deploy an app and wait for it; return its id."""
    origin = {"origin": str(client.base_url).rstrip("/")}
    answered = await client.post("/apps", data={"repository": address}, headers=origin)
    path: str = answered.headers["location"]
    deadline = time.monotonic() + DEPLOY_SECONDS
    while 'class="badge deployed"' not in (await client.get(path)).text:
        if time.monotonic() > deadline:
            raise WorkerdError(f"the app was not deployed within {DEPLOY_SECONDS} s")
        await asyncio.sleep(0.5)
    return path.removeprefix("/apps/")


async def median_time(client: httpx.AsyncClient, path: str) -> float:
    times = []
    for _ in range(PAGE_REQUESTS):
        started = time.perf_counter()
        (await client.get(path)).raise_for_status()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
