"""The way of every deploy: Cloudflare takes a snapshot of a Python Worker's memory, where instances begin.

The pinned workerd does so, too, with the modules that wrangler uploads. What can't be in a snapshot, such as
a JavaScript object in a global, fails here as it would fail the deploy.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.config import Embed, capnp_text
from deploy.configs import PAYMENT_SECRETS, SECRETS
from local.processes import ProcessGroup
from local.python_runtime import PYTHON_OPTIONS, workerd
from local.stack import NODE_BIN, WRANGLER, free_port
from local.staging import BILLING, DASHBOARD, DEVELOPMENT_FLAGS, DISPATCH, ROOT, Worker, read_config

SECONDS = 240
SNAPSHOT = "snapshot.bin"  # workerd's own name of it
# In place of all bindings: something whose methods can be named. A rate limit is never reached.
NOWHERE = """import { WorkerEntrypoint } from "cloudflare:workers";
export default class extends WorkerEntrypoint { limit() { return { success: true }; } }
"""
SMALLEST_BYTES = 10_000_000  # of a memory with Python in it


def upload_of(worker: Worker, folder: Path) -> list[str]:
    """Have wrangler write what it would upload; return the modules' names, the main one first."""
    environment = os.environ | {
        "PATH": f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}",
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_LOG_PATH": str(folder.parent / "logs"),
        "CI": "true",
    }
    config = worker.config.relative_to(ROOT)
    command = [WRANGLER, "deploy", "--dry-run", "--config", config, "--outdir", folder]

    async def run() -> None:
        group = await ProcessGroup.start(*command, env=environment, cwd=ROOT)
        try:
            output, _ = await asyncio.wait_for(group.process.communicate(), SECONDS)
        finally:
            await group.stop()
        assert group.process.returncode == 0, output.decode()

    asyncio.run(run())
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    # Wrangler's own note about the folder is no module.
    return sorted(
        (name for name in files if name != "README.md"), key=lambda name: (name != "entry.py", name)
    )


def config_of(worker: Worker, folder: Path, port: int) -> Path:
    """A workerd config of the upload in `folder`; the bindings are there, and lead nowhere."""
    config = read_config(worker)
    modules = [
        {"name": name, kind_of(name): Embed(f"{folder.name}/{name}")} for name in upload_of(worker, folder)
    ]
    variables = [{"name": name, "json": json.dumps(value)} for name, value in config["vars"].items()]
    service = {
        "modules": modules,
        "compatibilityDate": config["compatibility_date"],
        "compatibilityFlags": [*config["compatibility_flags"], *DEVELOPMENT_FLAGS],
        "bindings": [
            *variables,
            *({"name": name, "text": "secret"} for name in (*SECRETS, *PAYMENT_SECRETS)),
            *({"name": name, "service": {"name": "nowhere"}} for name in names_of_bindings(config)),
        ],
    }
    if worker is BILLING:
        objects = {"className": "BillingDurableObject", "uniqueKey": "billing"}
        service |= {"durableObjectNamespaces": [objects], "durableObjectStorage": {"localDisk": "objects"}}
    socket = {"name": "http", "address": f"127.0.0.1:{port}", "service": "main", "http": {}}
    disk = {"name": "objects", "disk": {"path": str(folder.parent), "writable": True}}
    nowhere = {
        "modules": [{"name": "index.js", "esModule": NOWHERE}],
        "compatibilityDate": config["compatibility_date"],
    }
    services = [{"name": "main", "worker": service}, {"name": "nowhere", "worker": nowhere}, disk]
    text = capnp_text({"services": services, "sockets": [socket]})
    path = folder.parent / "config.capnp"
    path.write_text(
        f'using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = {text};\n'
    )
    return path


def kind_of(name: str) -> str:
    """As wrangler uploads them: a Worker's own modules as Python, what is vendored as data."""
    return "pythonModule" if name.endswith(".py") and not name.startswith("python_modules/") else "data"


def names_of_bindings(config: dict[str, Any]) -> Iterator[str]:
    for part in (*config.values(), *config.get("durable_objects", {}).values()):
        for item in part if isinstance(part, list) else ():
            if isinstance(item, dict) and (name := item.get("binding") or item.get("name")):
                yield name


@asynccontextmanager
async def served(config: Path, snapshots: Path, *options: str) -> AsyncIterator[None]:
    group = await ProcessGroup.start(
        *(workerd(), "serve", config, *PYTHON_OPTIONS, f"--python-snapshot-dir={snapshots}", *options),
        env=os.environ,
        cwd=config.parent,
    )
    try:
        yield
    finally:
        await group.stop()


async def answer(port: int, host: str, path: str) -> httpx.Response:
    """The first one, as soon as there is any."""
    async with asyncio.timeout(SECONDS), httpx.AsyncClient(timeout=SECONDS) as client:
        while True:
            with suppress(httpx.TransportError):
                return await client.get(f"http://127.0.0.1:{port}{path}", headers={"host": host})
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("worker", "host", "path", "status"),
    [
        (BILLING, "billing", "/", 404),
        (DASHBOARD, "dashboard", "/healthz", 200),
        (DISPATCH, "healthz.apps.example", "/healthz", 200),
    ],
    ids=lambda value: value.name if isinstance(value, Worker) else "",
)
def test_a_worker_answers_from_a_snapshot_of_its_upload(
    tmp_path: Path, worker: Worker, host: str, path: str, status: int
) -> None:
    port, snapshots = free_port(), tmp_path / "snapshots"
    snapshots.mkdir()
    config = config_of(worker, tmp_path / "upload", port)

    async def run() -> None:
        for options in (["--python-save-snapshot"], ["--python-load-snapshot", SNAPSHOT]):
            async with served(config, snapshots, *options):
                response = await answer(port, host, path)
            assert response.status_code == status, response.text
            assert (snapshots / SNAPSHOT).stat().st_size > SMALLEST_BYTES

    asyncio.run(run())
