"""The Pages project in the real Pages runtime: everything but static files is the dashboard's, as it came."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from local.processes import ProcessGroup
from local.stack import free_port
from local.staging import NODE_BIN, ROOT

WRANGLER = ROOT / "node_modules" / ".bin" / "wrangler"
READY_SECONDS = 60
# In the dashboard's place: says what it was asked.
ECHO = """
export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  const headers = [["set-cookie", "a=1; Path=/; HttpOnly"], ["set-cookie", "b=2"]];
  const moved = { status: 303, headers: [["location", "/there"], ...headers] };
  if (pathname === "/moved") return new Response(null, moved);
  const { method, url } = request;
  const [cookie, origin] = ["cookie", "origin"].map((name) => request.headers.get(name));
  const versions = [...request.headers.keys()].filter((name) => name.includes("workers-version"));
  const seen = { method, url, body: await request.text(), cookie, origin, versions };
  return Response.json(seen, { status: 404, headers });
} };
"""


@asynccontextmanager
async def running(folder: Path, state: Path, *command: str | Path) -> AsyncIterator[str]:
    """A `wrangler dev` that is ready; its address. Those of one `state` find each other."""
    port = free_port()
    env = os.environ | {
        "PATH": f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}",
        "WRANGLER_REGISTRY_PATH": str(state / "registry"),
        "WRANGLER_LOG_PATH": str(state / "logs"),
        "WRANGLER_SEND_METRICS": "false",
        "CI": "true",
    }
    ports = ("--ip", "127.0.0.1", "--port", str(port), "--inspector-port", "0")
    group = await ProcessGroup.start(WRANGLER, *command, *ports, env=env, cwd=folder)
    try:
        await asyncio.wait_for(ready(group), READY_SECONDS)
        yield f"http://127.0.0.1:{port}"
    finally:
        await group.stop()


async def ready(group: ProcessGroup) -> None:
    assert group.process.stdout is not None
    output = b""
    while b"Ready on" not in output:
        line = await group.process.stdout.readline()
        assert line, output.decode()
        output += line


def test_the_forwarder_changes_nothing_but_takes_off_what_chooses_a_version(tmp_path: Path) -> None:
    asyncio.run(forward(tmp_path))


async def forward(folder: Path) -> None:
    echo, pages = folder / "echo", folder / "pages"
    echo.mkdir()
    (echo / "index.js").write_text(ECHO)
    (echo / "wrangler.toml").write_text(
        'name = "codius-dashboard"\nmain = "index.js"\ncompatibility_date = "2026-11-01"\n'
    )
    shutil.copytree(ROOT / "pages", pages, ignore=shutil.ignore_patterns("dist"))
    shutil.copytree(ROOT / "dashboard" / "static", pages / "dist")
    for name in ("_worker.js", "_routes.json"):
        shutil.copy(ROOT / "pages" / name, pages / "dist")
    async with (
        running(echo, folder, "dev"),
        running(pages, folder, "pages", "dev", "dist") as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        static = await client.get("/style.css")
        assert static.content == (ROOT / "dashboard" / "static" / "style.css").read_bytes()
        headers = {"cookie": "session=1", "origin": address}
        answer = await client.post("/apps?x=1", content="repository=a%2Fb", headers=headers)
        assert answer.status_code == 404
        assert answer.json() == {
            "method": "POST",
            "url": f"{address}/apps?x=1",
            "body": "repository=a%2Fb",
            "cookie": "session=1",
            "origin": address,
            "versions": [],
        }
        version = {f"cloudflare-workers-version-{name}": "x" for name in ("overrides", "key")}
        chosen = await client.post("/apps?x=1", content="repository=a%2Fb", headers=headers | version)
        assert chosen.json() == answer.json()
        assert answer.headers.get_list("set-cookie") == ["a=1; Path=/; HttpOnly", "b=2"]
        moved = await client.get("/moved")
        assert (moved.status_code, moved.headers["location"]) == (303, "/there")


def test_no_static_file_asks_the_worker() -> None:
    excluded = json.loads((ROOT / "pages" / "_routes.json").read_text())["exclude"]
    static = {f"/{path.name}" for path in (ROOT / "dashboard" / "static").iterdir() if path.suffix}
    assert static | {"/vendor/*"} == set(excluded)
