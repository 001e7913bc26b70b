from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from local.cloudflare.namespace_store import NamespaceStore, Script
from local.cloudflare.namespaces import DispatchNamespaces
from local.staging import ROOT
from pipeline.commands import environment
from tests.pipeline.support import Build, served


class TamperingStore(NamespaceStore):
    """Keeps scripts otherwise than they were uploaded, where a test says so."""

    tamper: Callable[[Script], None] | None = None

    def put(self, namespace: str, name: str, script: Script) -> None:
        if self.tamper is not None:
            self.tamper(script)
        super().put(namespace, name, script)


class Cloudflare:
    """Cloudflare's API with the namespace `testing`; `store` is what was uploaded.

    `failures` is how often requests still fail, by the end of their path, and `nonsense` what is answered to
    them: None for an answer that is cut off. Where `is_slow`, what was uploaded is never given out; whoever
    waits for it has `is_read` set.
    """

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.store = TamperingStore(folder)
        self.failures: dict[str, int] = {}
        self.nonsense: dict[str, bytes | None] = {}
        self.firewall = ""
        self.is_slow, self.is_read = False, threading.Event()

    async def on_change(self, name: str) -> None:
        pass


async def answer_nonsense(content: bytes | None, send: Send) -> None:
    length = 1_000 if content is None else len(content)
    headers = [(b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content or b"{", "more_body": content is None})


@pytest.fixture
def cloudflare(tmp_path: Path) -> Iterator[Cloudflare]:
    api = Cloudflare(tmp_path / "namespaces")
    whole = DispatchNamespaces(api.store, ("testing",), api.on_change).application()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        failing = [end for end, left in api.failures.items() if left and scope["path"].endswith(end)]
        for end in failing:
            api.failures[end] -= 1
        path = scope["path"].partition("/dispatch/")[2]
        if api.is_slow and path.endswith("/content"):
            api.is_read.set()
            while (await receive())["type"] != "http.disconnect":
                pass
        elif api.firewall and scope["method"] == "PUT":
            await HTMLResponse(api.firewall, 403, {"cf-ray": "8f00aa11bb22cc33-FRA"})(scope, receive, send)
        elif nonsense := [content for end, content in api.nonsense.items() if path.endswith(end)]:
            await answer_nonsense(nonsense[0], send)
        else:
            await (Response(status_code=500) if failing else whole)(scope, receive, send)

    with served(application) as address:
        api.url = f"{address}/client/v4"
        yield api


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (tmp_path / "checkout").mkdir()
    return Build(tmp_path / "checkout")


@pytest.fixture
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a job's programs."""
    found = environment(tmp_path_factory.mktemp("home"))
    return {**found, "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{found['PATH']}"}
