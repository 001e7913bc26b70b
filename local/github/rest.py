"""What the REST API's endpoints share: who asks, how often they may, and how they are refused.

After GitHub's pages "Getting started with the REST API", "Rate limits" and "Troubleshooting".
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.github.accounts import BadCredentialsError, Grant, Tokens

DOCUMENTATION = "https://docs.github.com/rest"
Endpoint = Callable[[Request], Awaitable[Response]]


class RestError(Exception):
    """An answer in GitHub's shape for errors."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class RateLimit:
    """How many questions each grant has in an hour."""

    limits: dict[Grant, int] = field(
        default_factory=lambda: {"anonymous": 60, "app": 5_000, "user": 5_000, "operator": 5_000}
    )
    _used: Counter[Grant] = field(default_factory=Counter)
    _resets_at: int = 0

    def take(self, grant: Grant) -> dict[str, str]:
        """Count one question; return the headers that tell of it."""
        if self._resets_at <= time.time():
            self._used.clear()
            self._resets_at = int(time.time()) + 3600
        self._used[grant] += 1
        limit = self.limits[grant]
        return {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(max(0, limit - self._used[grant])),
            "x-ratelimit-used": str(min(limit, self._used[grant])),
            "x-ratelimit-reset": str(self._resets_at),
            "x-ratelimit-resource": "core",
        }

    def is_over(self, grant: Grant) -> bool:
        return self._used[grant] > self.limits[grant]


class Rest:
    """Wraps endpoints; each finds the asker's grant at `request.state.grant`."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.rate_limit = RateLimit()
        # A test sets it, to have the API answer as it does when it is out of order.
        self.failure: int | None = None

    def route(self, path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        async def answer(request: Request) -> Response:
            headers: dict[str, str] = {"x-github-media-type": "github.v3; format=json"}
            try:
                response = await self._answer(request, endpoint, headers)
            except RestError as error:
                response = refusal(error.status, str(error))
            response.headers.update(headers)
            return response

        return Route(path, answer, methods=[method])

    async def _answer(self, request: Request, endpoint: Endpoint, headers: dict[str, str]) -> Response:
        if self.failure is not None:
            raise RestError(self.failure, "We couldn't respond to your request in time.")
        if not request.headers.get("user-agent"):
            raise RestError(403, "Request forbidden by administrative rules. Please use a User-Agent header.")
        try:
            grant, account = self._tokens.read(request.headers.get("authorization"))
        except BadCredentialsError:
            raise RestError(401, "Bad credentials") from None
        headers.update(self.rate_limit.take(grant))
        if self.rate_limit.is_over(grant):
            raise RestError(403, "API rate limit exceeded for 127.0.0.1.")
        request.state.grant, request.state.account = grant, account
        return await endpoint(request)


def refusal(status: int, message: str) -> Response:
    return JSONResponse(
        {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}, status
    )


async def not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, "Not Found" if error.status_code == 404 else error.detail)
