from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from local.cloudflare.account import CloudflareAccount
from tests.deploy.support import ACCOUNT, Operator
from tests.pipeline.support import served


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    account = CloudflareAccount(ACCOUNT)
    api = account.application()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        """Cloudflare's API, and the Workers' health where something is deployed."""
        if scope["type"] == "http" and urlsplit(scope["path"]).path == "/healthz":
            deployed = {name.removesuffix("-staging") for name in account.workers.scripts}
            is_live = {"codius-dashboard", "codius-dispatch"} <= deployed
            # Cloudflare's Browser Integrity Check.
            is_refused = b"python-urllib" in dict(scope["headers"])[b"user-agent"].lower()
            status = 403 if is_refused else 200 if is_live else 404
            await JSONResponse({"status": "ok"}, status)(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/github/users/alice":
            await JSONResponse({"login": "alice", "id": 1001})(scope, receive, send)
        else:
            await api(scope, receive, send)

    with served(application) as address:
        yield Operator(tmp_path / "clone", account, address)
