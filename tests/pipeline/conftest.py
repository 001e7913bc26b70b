from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.cloudflare_api import CloudflareApi
from local.namespace_store import NamespaceStore, Script
from tests.pipeline.support import served


class TamperingStore(NamespaceStore):
    """Keeps scripts otherwise than they were uploaded, where a test says so."""

    tamper: Callable[[Script], None] | None = None

    def put(self, namespace: str, name: str, script: Script) -> None:
        if self.tamper is not None:
            self.tamper(script)
        super().put(namespace, name, script)


class Cloudflare:
    """Cloudflare's API with the namespace `testing`; `store` is what was uploaded."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.store = TamperingStore(folder)

    async def on_change(self, name: str) -> None:
        pass


@pytest.fixture
def cloudflare(tmp_path: Path) -> Iterator[Cloudflare]:
    api = Cloudflare(tmp_path / "namespaces")
    application = CloudflareApi(api.store, ("testing",), api.on_change).application()
    with served(application) as address:
        api.url = f"{address}/client/v4"
        yield api
