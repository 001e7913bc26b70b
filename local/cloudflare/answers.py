"""The form of the API's answers, results or errors in an envelope: "Making API calls" of its reference."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """A request is refused: the HTTP status, the API's error code and message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class BrowserIntegrityCheck:
    """Refuses who doesn't say what they are, as it is on for every zone unless turned off, the API's too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = Headers(scope=scope).get("user-agent", "")
        is_refused = not name or name.lower().startswith("python-urllib")
        app = HTMLResponse("error code: 1010", 403) if is_refused else self._app
        await app(scope, receive, send)


def envelope(result: Any, status: int = 200) -> JSONResponse:
    return JSONResponse({"success": True, "errors": [], "messages": [], "result": result}, status)


async def on_api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error_envelope(error.status, error.code, str(error))


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = (
        f"No route for {request.method} {request.url.path}" if error.status_code == 404 else error.detail
    )
    return error_envelope(error.status_code, 7003, message)


async def on_failure(request: Request, error: Exception) -> JSONResponse:
    return error_envelope(500, 10013, f"workers.api.error.unknown: {error}")


def error_envelope(status: int, code: int, message: str) -> JSONResponse:
    errors = [{"code": code, "message": message}]
    return JSONResponse({"success": False, "errors": errors, "messages": [], "result": None}, status)


MIDDLEWARE = [Middleware(BrowserIntegrityCheck)]
EXCEPTION_HANDLERS = {ApiError: on_api_error, HTTPException: on_http_error, Exception: on_failure}


def timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def token() -> str:
    """A JWT that nobody checks, of the form that wrangler reads the expiry of."""
    parts = ({"alg": "none"}, {"exp": 4_000_000_000})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "none"])


async def accept(request: Request) -> Response:
    return envelope({})


def collection(path: str, read: Handler, create: Handler) -> list[Route]:
    """The routes of a list: GET reads it, POST adds to it."""
    return [Route(path, read, methods=["GET"]), Route(path, create, methods=["POST"])]
