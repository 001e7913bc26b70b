"""How long a Worker takes to its first answer after a cold start.

A start is that of a workerd process with one Worker in it, one of the product's or an empty Python Worker,
until it has answered. What they are asked first needs no other Worker, and no database, which workerd alone
has not: the dashboard's redirect to log in, dispatch's own health.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench import config
from bench.config import Struct
from bench.figures import Figure
from bench.workerd import WorkerdError, start_workerd
from local import staging
from local.processes import ProcessGroup
from local.stack import free_port
from local.staging import DASHBOARD, DISPATCH

START_SECONDS = 60
SECRETS = ("GITHUB_CLIENT_SECRET", "GITHUB_TOKEN", "GITHUB_WEBHOOK_SECRET", "CLOUDFLARE_API_TOKEN")
HEALTH_HOST, HEALTH_PATH = "healthz.localhost", "/healthz"


@dataclass(frozen=True, slots=True)
class Starts:
    """Seconds to the first answer, one for each round."""

    empty: list[float]
    dashboard: list[float]
    dispatch: list[float]

    @property
    def dashboard_ratio(self) -> Figure:
        return self._ratio(self.dashboard)

    @property
    def dispatch_ratio(self) -> Figure:
        return self._ratio(self.dispatch)

    def _ratio(self, seconds: list[float]) -> Figure:
        return Figure([one / empty for one, empty in zip(seconds, self.empty, strict=True)])


async def measure(folder: Path, rounds: int) -> Starts:
    starts = Starts([], [], [])
    for number in range(rounds):
        starts.empty.append(await start_seconds(folder / f"empty-{number}", empty_worker(), "/"))
        starts.dashboard.append(
            await start_seconds(folder / f"dashboard-{number}", dashboard_worker(), "/login/github")
        )
        starts.dispatch.append(
            await start_seconds(folder / f"dispatch-{number}", dispatch_worker(), HEALTH_PATH, HEALTH_HOST)
        )
    return starts


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


def dispatch_worker() -> Struct:
    worker = config.python(DISPATCH)
    return worker | {
        "bindings": [*worker["bindings"], *(config.service(name, "nothing") for name in ("APP", "BILLING"))]
    }


def module(path: Path) -> Struct:
    kind = "pythonModule" if path.suffix == ".py" else "text"
    return {"name": str(path), kind: config.Embed(f"{DASHBOARD.name}/{path}")}


def python_worker(modules: list[Struct], variables: Mapping[str, str]) -> Struct:
    committed = staging.read_config(DASHBOARD)
    bindings = [config.service(name, "nothing") for name in others(committed)]
    return {
        "modules": modules,
        "compatibilityDate": committed["compatibility_date"],
        "compatibilityFlags": committed["compatibility_flags"] + staging.DEVELOPMENT_FLAGS,
        "bindings": [*(config.variable(name, value) for name, value in variables.items()), *bindings],
    }


def others(committed: Mapping[str, Any]) -> list[str]:
    """What the dashboard is bound to: it is not asked for, but has to be there."""
    listed = ("d1_databases", "services", "ratelimits")
    bindings = [
        *committed["durable_objects"]["bindings"],
        *(item for key in listed for item in committed[key]),
    ]
    return [item.get("binding") or item["name"] for item in bindings]


async def start_seconds(folder: Path, worker: Struct, path: str, host: str = config.ADDRESS) -> float:
    """The seconds from the start of a process to the answer."""
    port = free_port()
    folder.mkdir()
    services = [config.worker("measured", worker), config.worker("nothing", config.javascript("app.js"))]
    written = config.write_config(folder, services, {"measured": port})
    started = time.monotonic()
    group = await start_workerd(written)
    try:
        await answer(f"http://{config.ADDRESS}:{port}{path}", host, group)
        return time.monotonic() - started
    finally:
        await group.stop()


async def answer(url: str, host: str, group: ProcessGroup) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(timeout=START_SECONDS) as client:
        while time.monotonic() < deadline and group.process.returncode is None:
            with contextlib.suppress(httpx.TransportError):
                response = await client.get(url, headers={"host": host})
                if response.status_code < 400:
                    return
                raise WorkerdError(f"{url} was answered with {response.status_code}")
            await asyncio.sleep(0.005)
    raise WorkerdError(f"{url} was not answered within {START_SECONDS} s")
