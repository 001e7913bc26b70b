"""What was begun is finished, also when whoever asked has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

Keep = Callable[[asyncio.Future[Any]], object]


class FinishingMiddleware:
    """Goes on with a request that nobody waits for any more.

    Cloudflare cancels it otherwise, wherever it is ("Duration" in "Limits" of Workers): a visitor could claim
    check after check and have none made. `keep` has it go on, which Cloudflare allows for half a minute.
    """

    def __init__(self, app: ASGIApp, keep: Keep) -> None:
        self._app, self._keep = app, keep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        work = asyncio.ensure_future(self._app(scope, receive, send))
        # Whatever it raises is for who called, not for the runtime.
        self._keep(asyncio.ensure_future(asyncio.wait([work])))
        await asyncio.shield(work)
