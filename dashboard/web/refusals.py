"""Writing down what limits refused."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from web.errors import log_request


class RefusalsMiddleware:
    """Does it after an answer has been sent: nobody waits for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        if scope["type"] == "http":
            request = Request(scope)
            services = request.state.services
            try:
                await services.refusing.write(services.now())
            except Exception as error:  # the answer was given; what was counted is lost
                log_request(request, "refusals_failed", error)
