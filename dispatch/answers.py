"""What dispatch itself answers when it can't pass a request on: small pages, or JSON problems (RFC 9457)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from error_page import Link, error_page

RETRY_AFTER_SECONDS = 2
WAIT_SECONDS = 10  # see `visitors.py`
# A path and query that is longer is not carried to the page about the balance, nor back from it.
MAX_TARGET_LENGTH = 1_000
HTML_METHODS = {"GET", "HEAD"}
JSON_TYPES = ("application/json", "application/problem+json")
Q_VALUE = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
# Browsers send about 150 characters. Reading more takes time that nobody pays: such answers aren't charged.
MAX_ACCEPT_LENGTH = 500
NAVIGATE = "navigate"
BY_NAME = 2  # how exactly `quality` says that a type is named


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Asker:
    """What of a request decides the form of an answer: its method, Accept header and id.

    `target` is the path and query that was asked for. `mode` and `destination` are `Sec-Fetch-Mode` and
    `Sec-Fetch-Dest` (W3C, "Fetch Metadata Request Headers"), None where nobody says what the answer is for.
    """

    method: str
    accept: str | None
    request_id: str
    target: str = "/"
    mode: str | None = None
    destination: str | None = None

    def wants_html(self) -> bool:
        """Whether HTML is acceptable, and JSON not preferred to it (RFC 9110, section 12.5.1).

        What a page fetches (a script, an image, data) is HTML only where that is asked for by name.
        """
        if self.method not in HTML_METHODS:
            return False
        wanted = media_ranges(self.accept)
        html = quality(wanted, "text/html")
        if html[0] == 0 or html < max(quality(wanted, json_type) for json_type in JSON_TYPES):
            return False
        return self.mode in (None, NAVIGATE) or html[1] == BY_NAME

    def shows_a_page(self) -> bool:
        """Whether the answer is what a window shows: then it may be another page, elsewhere."""
        return self.wants_html() and self.mode in (None, NAVIGATE) and self.destination in (None, "document")


@dataclass(frozen=True, slots=True)
class Home:
    """Where pages lead: the dashboard's address, and where people write to the operator, or nothing."""

    dashboard_url: str
    contact: str = ""


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
    for exactness in (BY_NAME, 1, 0):
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
    link: Link | None = None,
    home: Home | None = None,
    members: Mapping[str, str] | None = None,
) -> Answer:
    """An error, as a page or as a problem document, which has more `members`.

    A page has the link, and others to the dashboard and to where abuse is reported.
    """
    common = {"cache-control": "no-store", "x-request-id": asker.request_id} | (headers or {})
    if asker.wants_html():
        address, contact = (home.dashboard_url, home.contact) if home else (None, "")
        page = error_page(title, detail, asker.request_id, link, address, contact)
        return Answer(status, common | {"content-type": "text/html; charset=utf-8"}, page)
    body = {"type": type_, "title": title, "status": status, "detail": detail, "request_id": asker.request_id}
    text = json.dumps({**body, **(members or {})}) + "\n"
    return Answer(status, common | {"content-type": "application/problem+json"}, text)


def no_such_app(asker: Asker, home: Home) -> Answer:
    link = Link(home.dashboard_url, "What Codius Workers is")
    detail = "No app or site is at this address. Is it spelled right?"
    return problem(asker, 404, "No such app", detail, link=link, home=home)


def missing(asker: Asker, home: Home, app_id: str) -> Answer:
    """For an app, or a version of a site, whose Worker is gone."""
    return problem(
        asker,
        404,
        "This app is missing",
        "Its Worker is not at Cloudflare any more, so there is nothing that could answer.",
        link=about(home, app_id),
        home=home,
    )


def deleted(asker: Asker, home: Home, app_id: str) -> Answer:
    detail = "Whoever it belonged to has deleted it. It serves no more requests."
    link = about(home, app_id)
    return problem(asker, 410, "This app was deleted", detail, link=link, home=home)


def about(home: Home, app_id: str) -> Link:
    """The page of an app, which leads on to a site's where the name is one's."""
    return Link(f"{home.dashboard_url}/apps/{app_id}", "What it is, and whose")


def too_many_in_vain(asker: Asker, home: Home) -> Answer:
    """For who has asked for too many apps that aren't there."""
    detail = "Too many apps that don't exist were asked for from your network. Try again in ten seconds."
    headers = {"retry-after": str(WAIT_SECONDS)}
    return problem(asker, 429, "Too many requests", detail, headers=headers, home=home)


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


def insufficient_balance(asker: Asker, home: Home, app_id: str) -> Answer:
    """Send a window to the page where the app can be topped up, which leads back; tell all others of it."""
    page = f"{home.dashboard_url}/apps/{app_id}/402"
    has_way_back = asker.target != "/" and len(asker.target) <= MAX_TARGET_LENGTH
    back = f"?next={quote(asker.target, safe='')}" if has_way_back else ""
    if asker.shows_a_page():
        headers = {"location": page + back, "cache-control": "no-store", "x-request-id": asker.request_id}
        return Answer(302, headers, "")
    detail = "This app has used up its prepaid requests. Anyone can top up its balance"
    detail += "." if asker.wants_html() else f": {page}"
    link = Link(page + back, "Its balance")
    return problem(asker, 402, "Insufficient balance", detail, type_=page, link=link, home=home)


def suspended(asker: Asker, home: Home, app_id: str, reason: str) -> Answer:
    detail = f"The operator has suspended what is at this address: {reason}"
    link = Link(home.contact, "Write to the operator") if home.contact else about(home, app_id)
    members = {"reason": reason} | ({"contact": home.contact} if home.contact else {})
    return problem(asker, 403, "Suspended", detail, link=link, home=home, members=members)


def app_failed(asker: Asker, home: Home, app_id: str) -> Answer:
    detail = "The app raised an error instead of answering."
    link = about(home, app_id)
    return problem(asker, 502, "The app failed", detail, link=link, home=home)


def billing_unavailable(asker: Asker, home: Home, app_id: str) -> Answer:
    # Not that nothing was charged: billing may have counted the request, and its answer have been lost.
    detail = "The app's balance can't be checked right now, so the app was not asked. Try again shortly."
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)}
    link = about(home, app_id)
    return problem(asker, 503, "Billing is unavailable", detail, headers=headers, link=link, home=home)
