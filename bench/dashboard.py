"""How long the dashboard takes: to its first answer after a cold start, and for its pages when it is warm.

A start is that of a workerd process with one Worker in it, the dashboard or an empty Python Worker, until it
has answered. The first answer is the redirect to log in, which needs no database: workerd alone has none.
The pages are asked of the local stack, with its database, objects and proxies, one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import config
from bench.config import Struct
from bench.workerd import WorkerdError
from local import staging
from local.processes import ProcessGroup
from local.pyodide_bundle import BUNDLE
from local.stack import Stack, free_port
from local.staging import DASHBOARD, DISPATCH, ROOT

START_SECONDS = 60
DEPLOY_SECONDS = 60
PAGE_REQUESTS = 50
SECRETS = ("GITHUB_CLIENT_SECRET", "GITHUB_TOKEN", "GITHUB_WEBHOOK_SECRET", "CLOUDFLARE_API_TOKEN")


@dataclass(frozen=True, slots=True)
class DashboardTimes:
    """Starts in seconds, one for each round; the median time of each page in milliseconds."""

    starts: list[float]
    empty_starts: list[float]
    pages: Mapping[str, float]

    @property
    def start_ratio(self) -> float:
        return statistics.median(self.starts) / statistics.median(self.empty_starts)

    @property
    def slowest_page(self) -> float:
        return max(self.pages.values())


async def measure(folder: Path, rounds: int) -> DashboardTimes:
    starts, empty_starts = [], []
    for number in range(rounds):
        empty_starts.append(await start_seconds(folder / f"empty-{number}", empty_worker(), "/"))
        starts.append(await start_seconds(folder / f"start-{number}", dashboard_worker(), "/login/github"))
    with contextlib.redirect_stdout(io.StringIO()):
        pages = await page_times(folder / "state")
    return DashboardTimes(starts, empty_starts, pages)


# A cold start.


def empty_worker() -> Struct:
    main = {"name": "empty.py", "pythonModule": config.Embed("workers/empty.py")}
    return python_worker([main, *config.dependencies(DISPATCH)], {})


def dashboard_worker() -> Struct:
    files = [path for path in staging.source_files(DASHBOARD) if path.suffix in (".py", ".html")]
    paths = sorted(path.relative_to(DASHBOARD.modules) for path in files)
    main = staging.read_config(DASHBOARD)["main"]
    modules = [module(path) for path in sorted(paths, key=lambda path: str(path) != main)]
    variables = staging.read_config(DASHBOARD)["vars"] | dict.fromkeys(SECRETS, "secret")
    return python_worker([*modules, *config.dependencies(DASHBOARD)], variables)


def module(path: Path) -> Struct:
    kind = "pythonModule" if path.suffix == ".py" else "text"
    return {"name": str(path), kind: config.Embed(f"{DASHBOARD.name}/{path}")}


def python_worker(modules: list[Struct], variables: Mapping[str, str]) -> Struct:
    committed = staging.read_config(DASHBOARD)
    # The database and the objects are not asked for, but have to be there.
    bindings = [config.service(name, "nothing") for name in ("DB", "BILLING", "REQUESTS", "COSTLY")]
    return {
        "modules": modules,
        "compatibilityDate": committed["compatibility_date"],
        "compatibilityFlags": committed["compatibility_flags"] + staging.DEVELOPMENT_FLAGS,
        "bindings": [*(config.variable(name, value) for name, value in variables.items()), *bindings],
    }


async def start_seconds(folder: Path, worker: Struct, path: str) -> float:
    """The seconds from the start of a process to the answer."""
    port = free_port()
    folder.mkdir()
    services = [config.worker("measured", worker), config.worker("nothing", config.javascript("app.js"))]
    written = config.write_config(folder, services, {"measured": port})
    (binary,) = (ROOT / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd")
    started = time.monotonic()
    group = await ProcessGroup.start(
        *(binary, "serve", written, "--experimental"),
        f"--pyodide-bundle-disk-cache-dir={BUNDLE.parent}",
        env=os.environ,
        cwd=folder,
    )
    try:
        await answer(f"http://{config.ADDRESS}:{port}{path}", group)
        return time.monotonic() - started
    finally:
        await group.stop()


async def answer(url: str, group: ProcessGroup) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(timeout=START_SECONDS) as client:
        while time.monotonic() < deadline and group.process.returncode is None:
            with contextlib.suppress(httpx.TransportError):
                response = await client.get(url)
                if response.status_code < 400:
                    return
                raise WorkerdError(f"{url} was answered with {response.status_code}")
            await asyncio.sleep(0.005)
    raise WorkerdError(f"{url} was not answered within {START_SECONDS} s")


# Warm pages.


async def page_times(state: Path) -> dict[str, float]:
    port = free_port()
    client = httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=30)
    async with Stack(port, state), client:
        await log_in(client, f"http://127.0.0.1:{port}")
        app = await deploy(client, f"http://127.0.0.1:{port}/codius/examples/tree/main/hello")
        paths = ("/", "/apps", f"/apps/{app}", f"/apps/{app}/402")
        names = ("/", "/apps", "/apps/<id>", "/apps/<id>/402")
        return {name: await median_time(client, path) for name, path in zip(names, paths, strict=True)}


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
