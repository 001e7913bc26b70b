from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.cloudflare.namespace_store import NamespaceStore, Script
from local.cloudflare.namespaces import DispatchNamespaces
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

    `failures` is how often requests still fail, by the end of their path.
    """

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.store = TamperingStore(folder)
        self.failures: dict[str, int] = {}

    async def on_change(self, name: str) -> None:
        pass


@pytest.fixture
def cloudflare(tmp_path: Path) -> Iterator[Cloudflare]:
    api = Cloudflare(tmp_path / "namespaces")
    whole = DispatchNamespaces(api.store, ("testing",), api.on_change).application()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        failing = [end for end, left in api.failures.items() if left and scope["path"].endswith(end)]
        for end in failing:
            api.failures[end] -= 1
        await (Response(status_code=500) if failing else whole)(scope, receive, send)

    with served(application) as address:
        api.url = f"{address}/client/v4"
        yield api


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (tmp_path / "checkout").mkdir()
    return Build(tmp_path / "checkout")
