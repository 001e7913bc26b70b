from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloudflare_api import CloudflareApi
from local.namespace_store import NamespaceStore
from tests.pipeline.support import served


class Cloudflare:
    """Cloudflare's API with the namespace `testing`; `store` is what was uploaded."""

    def __init__(self, folder: Path) -> None:
        self.url = ""
        self.store = NamespaceStore(folder)

    async def on_change(self, name: str) -> None:
        pass


@pytest.fixture
def cloudflare(tmp_path: Path) -> Iterator[Cloudflare]:
    api = Cloudflare(tmp_path / "namespaces")
    application = CloudflareApi(api.store, ("testing",), api.on_change).application()
    with served(application) as address:
        api.url = f"{address}/client/v4"
        yield api
