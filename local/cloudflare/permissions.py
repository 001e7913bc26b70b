"""What a token may do: "API token permissions" of Cloudflare's documentation.

The stand-in takes any token for one that may do everything, but for READ_TOKEN: an account's own token with
the permission "Workers Scripts Read" alone.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from local.cloudflare.answers import MIDDLEWARE, envelope, error_envelope

READ_TOKEN = "reads-scripts-of-this-account"  # noqa: S105
READABLE = re.compile(r"/workers/(scripts|dispatch|services|workers)(/.*)?")
VERIFY = "/tokens/verify"


class Permissions:
    """Refuses what a token may not do, below an account."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = Headers(scope=scope).get("authorization", "").removeprefix("Bearer ")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        app: ASGIApp = self._app
        if path == VERIFY and token:
            app = envelope({"id": "0" * 32, "status": "active"})
        elif token == READ_TOKEN and not (scope["method"] == "GET" and READABLE.fullmatch(path)):
            app = error_envelope(403, 10000, "Authentication error")
        await app(scope, receive, send)


ACCOUNT_MIDDLEWARE = [*MIDDLEWARE, Middleware(Permissions)]
