"""What dispatch itself answers when it can't pass a request on: small pages, or JSON problems (RFC 9457)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape

RETRY_AFTER_SECONDS = 2
WAIT_SECONDS = 10  # see `visitors.py`
HTML_METHODS = {"GET", "HEAD"}
JSON_TYPES = ("application/json", "application/problem+json")
Q_VALUE = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
# Browsers send about 150 characters. Reading more takes time that nobody pays: such answers aren't charged.
MAX_ACCEPT_LENGTH = 500

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 20vh auto 0; padding: 0 1rem }}
code {{ overflow-wrap: anywhere }}
</style>
<h1>{title}</h1>
<p>{detail}</p>
<p><small>Request <code>{request_id}</code></small></p>
</html>
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Asker:
    """What of a request decides the form of an answer: its method, Accept header and id."""

    method: str
    accept: str | None
    request_id: str

    def wants_html(self) -> bool:
        """Whether HTML is acceptable, and JSON not preferred to it (RFC 9110, section 12.5.1)."""
        if self.method not in HTML_METHODS:
            return False
        wanted = media_ranges(self.accept)
        html = quality(wanted, "text/html")
        return html[0] > 0 and html >= max(quality(wanted, json_type) for json_type in JSON_TYPES)


def media_ranges(accept: str | None) -> dict[str, float]:
    """Each range that an Accept header names, with its q-value; one that is too long says nothing."""
    if accept is None or len(accept) > MAX_ACCEPT_LENGTH or not accept.strip():
        return {"*/*": 1.0}
    ranges: dict[str, float] = {}
    for item in accept.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        ranges[name] = max(ranges.get(name, 0.0), q_value(parameters))
    return ranges


def quality(wanted: dict[str, float], media_type: str) -> tuple[float, int]:
    """How much a media type is wanted: its q-value, then how exactly it is named."""
    patterns = ("*/*", media_type.split("/")[0] + "/*", media_type)
    for exactness in (2, 1, 0):
        if patterns[exactness] in wanted:
            return wanted[patterns[exactness]], exactness
    return 0.0, -1


def q_value(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            return float(parameter[2:]) if Q_VALUE.fullmatch(parameter[2:]) else 0.0
    return 1.0


def problem(
    asker: Asker,
    status: int,
    title: str,
    detail: str,
    *,
    type_: str = "about:blank",
    headers: dict[str, str] | None = None,
) -> Answer:
    """An error, as a page or as a problem document."""
    common = {"cache-control": "no-store", "x-request-id": asker.request_id} | (headers or {})
    if asker.wants_html():
        page = PAGE.format(title=escape(title), detail=escape(detail), request_id=escape(asker.request_id))
        return Answer(status, common | {"content-type": "text/html; charset=utf-8"}, page)
    body = {"type": type_, "title": title, "status": status, "detail": detail, "request_id": asker.request_id}
    return Answer(status, common | {"content-type": "application/problem+json"}, json.dumps(body) + "\n")


def no_such_app(asker: Asker) -> Answer:
    return problem(asker, 404, "No such app", "No app or site is at this address.")


def too_many_in_vain(asker: Asker) -> Answer:
    """For who has asked for too many apps that aren't there."""
    detail = "Too many apps that don't exist were asked for from your network. Try again in ten seconds."
    return problem(asker, 429, "Too many requests", detail, headers={"retry-after": str(WAIT_SECONDS)})


def health(asker: Asker) -> Answer:
    """Dispatch runs. The dashboard reports on what it depends on, to operators."""
    headers = {"cache-control": "no-store", "content-type": "application/json"}
    return Answer(200, headers | {"x-request-id": asker.request_id}, '{"status":"ok"}')


def platform_error(
    asker: Asker, status: int, error: str, message: str, headers: dict[str, str] | None = None
) -> Answer:
    """An error of the platform's own path: JSON for everyone and every origin, as the dashboard's are."""
    common = {
        "access-control-allow-origin": "*",
        "cache-control": "no-store",
        "content-type": "application/json",
        "x-request-id": asker.request_id,
    }
    body = {"error": error, "message": message}
    return Answer(status, common | (headers or {}), json.dumps(body) + "\n")


def nothing_published(asker: Asker) -> Answer:
    return platform_error(asker, 404, "not_found", "The platform publishes nothing at this path.")


def method_not_allowed(asker: Asker) -> Answer:
    return platform_error(asker, 405, "method_not_allowed", "This can only be read.", {"allow": "GET, HEAD"})


def too_many_documents_in_vain(asker: Asker) -> Answer:
    headers = {"retry-after": str(WAIT_SECONDS)}
    message = "Too many apps that don't exist were asked for from your network. Try again in ten seconds."
    return platform_error(asker, 429, "too_many_requests", message, headers)


def attestation_unavailable(asker: Asker) -> Answer:
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)}
    message = "The deployed code can't be checked right now. Try again shortly."
    return platform_error(asker, 503, "dashboard_unavailable", message, headers)


def insufficient_balance(asker: Asker, dashboard_url: str, app_id: str) -> Answer:
    """Send browsers to the page where the app can be topped up; tell everyone else of it."""
    page = f"{dashboard_url}/apps/{app_id}/402"
    if asker.wants_html():
        headers = {"location": page, "cache-control": "no-store", "x-request-id": asker.request_id}
        return Answer(302, headers, "")
    detail = f"This app has used up its prepaid requests. Anyone can top up its balance: {page}"
    return problem(asker, 402, "Insufficient balance", detail, type_=page)


def app_failed(asker: Asker) -> Answer:
    return problem(asker, 502, "The app failed", "The app raised an error instead of answering.")


def billing_unavailable(asker: Asker) -> Answer:
    detail = "The app's balance can't be checked right now. Nothing was charged. Try again shortly."
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)}
    return problem(asker, 503, "Billing is unavailable", detail, headers=headers)
