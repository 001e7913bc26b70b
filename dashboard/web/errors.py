"""Pages for what went wrong. They say what to do next; details go to the log, under the request's id."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from clients.billing import BillingUnavailableError
from clients.cloudflare import CloudflareError
from clients.github_api import GitHubError
from hosting.repository_url import SourceError
from model.checkout import PaymentsNotConfiguredError, PaymentsUnavailableError
from model.limits import LimitReachedError
from model.site import AlreadySoError, SiteError
from model.suspension import ActError
from web.pages import READING, page, parent_page
from web.security import WEBHOOKS

REQUEST_ID = "x-request-id"
FOR_FORMS = "This address takes what a form sends, and nothing else."

TITLES = {
    400: "This didn't work",
    401: "This is not allowed",
    403: "This is not allowed",
    405: "This can't be done here",
    409: "This can't be done now",
    413: "This is too large",
    429: "This is too much at once",
}
UNAVAILABLE: dict[type[Exception], str] = {
    BillingUnavailableError: "Billing can't be reached",
    CloudflareError: "Cloudflare can't be reached",
    GitHubError: "GitHub can't be reached",
    PaymentsUnavailableError: "Stripe can't be reached",
}


async def http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    request_id = log_refusal(request.url.path, error.status_code, error.detail, request.headers)
    if error.status_code == 404:
        # The same for every name, so that it needs no look at what there is under it.
        response = page(request, "not_found.html", 404, app_id=request.path_params.get("app_id"))
    else:
        title = TITLES.get(error.status_code, "This went wrong")
        words = {"title": title, "message": error.detail, "request_id": None}
        if request.method in READING and error.status_code == 405:  # there is nothing to come back to
            words |= {"message": FOR_FORMS, "here": parent_page(request.url.path)}
        response = page(request, "error.html", error.status_code, **words)
    response.headers.update(error.headers or {})
    return with_id(response, request_id)


async def unavailable(request: Request, error: Exception) -> Response:
    title = next(title for kind, title in UNAVAILABLE.items() if isinstance(error, kind))
    request_id = log_request(request, "unavailable", error)
    message = "Nothing is lost. Try again in a moment."
    response = page(request, "error.html", 503, title=title, message=message, request_id=request_id)
    return with_id(response, request_id)


async def limit_reached(request: Request, error: Exception) -> Response:
    assert isinstance(error, LimitReachedError)
    request_id = log_refusal(request.url.path, error.status, str(error), request.headers)
    words = {"title": TITLES[error.status], "message": str(error), "request_id": None}
    response = page(request, "error.html", error.status, **words)
    return with_id(limited(response, error), request_id)


def limited(response: Response, error: LimitReachedError) -> Response:
    """An answer that says that a limit is reached, as programs read it (RFC 6585, section 4)."""
    response.status_code = error.status
    if error.seconds is not None:
        response.headers["retry-after"] = str(error.seconds)
    return response


async def not_by_the_rules(request: Request, error: Exception) -> Response:
    """What a site or its address doesn't allow; the message says why."""
    request_id = log_refusal(request.url.path, 409, str(error), request.headers)
    words = {"title": TITLES[409], "message": str(error), "request_id": None}
    return with_id(page(request, "error.html", 409, **words), request_id)


async def already_so(request: Request, error: Exception) -> Response:
    """Who asks twice, as by a double click, sees what they have got."""
    return RedirectResponse(parent_page(request.url.path), 303)


async def payments_not_set_up(request: Request, error: Exception) -> Response:
    """Nothing to try again, and nothing that the operator has to be told."""
    title = "Payments are not set up here"
    return page(request, "error.html", 503, title=title, message=str(error), request_id=None)


async def server_error(request: Request, error: Exception) -> Response:
    request_id = log_request(request, "page_failed", error)
    title, message = "Something went wrong", "The error was logged. Try again in a moment."
    response = page(request, "error.html", 500, title=title, message=message, request_id=request_id)
    return with_id(response, request_id)


async def from_elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to a change that another site asks for."""
    error = HTTPException(403, "Changes are accepted only from pages of this site.")
    response = await http_error(Request(scope), error)
    await response(scope, receive, send)


HANDLERS: dict[Any, Any] = {
    HTTPException: http_error,
    **dict.fromkeys(UNAVAILABLE, unavailable),
    LimitReachedError: limit_reached,
    AlreadySoError: already_so,
    SiteError: not_by_the_rules,
    SourceError: not_by_the_rules,
    ActError: not_by_the_rules,
    PaymentsNotConfiguredError: payments_not_set_up,
    Exception: server_error,
}


def with_id(response: Response, request_id: str) -> Response:
    response.headers[REQUEST_ID] = request_id
    return response


def request_id_of(headers: Mapping[str, str]) -> str:
    """Cloudflare's id of a request, or else a new one."""
    return headers.get("cf-ray") or uuid.uuid4().hex


def log_refusal(path: str, status: int, reason: str, headers: Mapping[str, str]) -> str:
    """Note a request that was refused; return its id. A refused webhook is for the operator to look at."""
    request_id = request_id_of(headers)
    level = "error" if path in WEBHOOKS else "info"
    log("refused", f"{status}: {reason}", level, path=path, request_id=request_id)
    return request_id


def log_request(request: Request, event: str, error: Exception) -> str:
    """Note a request that failed; return its id."""
    request_id = request_id_of(request.headers)
    log(event, described(error), path=request.url.path, request_id=request_id)
    return request_id


def log_upkeep(subject: str, error: Exception) -> None:
    """Note what the upkeep could not do, and for what; it is tried again."""
    log("upkeep_failed", described(error), subject=subject)


def described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def log(event: str, message: str, level: str = "error", **values: str) -> None:
    """Write one line of JSON, in the shape that all three Workers use."""
    line = {"level": level, "worker": "dashboard", "event": event, **values, "message": message[:500]}
    print(json.dumps(line), file=sys.stderr if level == "error" else sys.stdout)
