"""Pages: templates, and what all of them share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from model.app import Source, User
from model.money import amount, cents, dollars, rounded_down
from model.site import notice_word
from web.services import Services
from web.settings import Settings
from web.site_history import time_of

READING = frozenset({"GET", "HEAD"})
# The pages that forms are on, of those below which changes are asked for.
PAGE_OF_FORM = re.compile(r"/(?:(?:apps|sites)(?:/[^/]+)?|account|operator)(?=/|$)")
# A time in an address or a form, in milliseconds since 1970.
TIME = re.compile(r"[0-9]{1,20}")
FAR_FUTURE = 10**15  # a JavaScript number still is exact

templates = Jinja2Templates(directory=Path(__file__).parent.parent / "templates")


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses at GitHub, and of the apps themselves."""

    settings: Settings

    def github(self, name: str) -> str:
        """A user's page, or a repository's (owner/name)."""
        return f"{self.settings.github_url}/{quote(name)}"

    def tree(self, full_name: str, ref: str, directory: str = "") -> str:
        return f"{self.github(full_name)}/tree/{quote(f'{ref}/{directory}'.rstrip('/'))}"

    def newest(self, source: Source) -> str:
        """The page of a source's branch and directory: what it leads to changes with the branch."""
        return self.tree(source.repository, source.git_ref, source.directory)

    def commit(self, full_name: str, commit_hash: str) -> str:
        return f"{self.github(full_name)}/commit/{quote(commit_hash)}"

    def compare(self, full_name: str, before: str, after: str) -> str:
        """The commits between two."""
        return f"{self.github(full_name)}/compare/{quote(before)}...{quote(after)}"

    def run(self, run_id: int) -> str:
        return f"{self.github(self.settings.github_repository)}/actions/runs/{run_id}"

    def payment(self, session_id: str, payment_intent: str) -> str:
        """A session's payment in Stripe's dashboard, which shows test payments apart."""
        mode = "/test" if session_id.startswith("cs_test_") else ""
        return f"{self.settings.stripe_dashboard_url}{mode}/payments/{quote(payment_intent)}"

    def app(self, app_id: str, path: str | None = None) -> str:
        """`path` is an app's own, with its query, and begins with a slash."""
        return self.settings.app_url(app_id) + (path or "/")[1:]


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Render a template. A page that says what went wrong is rendered with nothing but itself."""
    viewer: User | None = getattr(request.state, "viewer", None)
    services: Services | None = getattr(request.state, "services", None)
    if services is not None:
        settings = services.settings
        values |= {"links": Links(settings), "is_operator": settings.is_operator(viewer)}
        values |= {"source": settings.source_url, "contact": settings.contact, "terms": settings.terms_url}
    return templates.TemplateResponse(
        request,
        template,
        {
            "viewer": viewer,
            "path": request.url.path,
            "here": here_of(request),
            "back": back_of(request),
            **values,
        },
        status_code=status,
    )


def when(milliseconds: int) -> Markup:
    """A time as people read it, in UTC, with its exact form for programs."""
    time = datetime.fromtimestamp(milliseconds / 1000, UTC)
    exact, readable = time.isoformat(timespec="seconds"), f"{time.day} {time:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(exact, readable)


def money(nano_usd: int) -> str:
    """An amount in whole cents, rounded down; a pointer that rests on it is told the exact one."""
    exact, readable = dollars(nano_usd), dollars(rounded_down(nano_usd))
    return exact if exact == readable else Markup('<span title="{}">{}</span>').format(exact, readable)


def duration(milliseconds: int) -> str:
    """`72_000` is `1 min 12 s`."""
    minutes, seconds = divmod(max(1, round(milliseconds / 1000)), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def parent_page(path: str) -> str:
    """The page whose form asks for a change: `/apps/<id>` of `/apps/<id>/retry`."""
    found = PAGE_OF_FORM.match(path)
    return found[0] if found else "/"


def back_of(request: Request) -> str | None:
    """The page that leads to this one, where there is one but the first of all."""
    path, parent = request.url.path, parent_page(request.url.path)
    return None if parent == "/" or (parent == path and request.method in READING) else parent


def here_of(request: Request) -> str:
    """The page's address on this site, to come back to; of a change, the page that asks for it.

    A login knows better: where it began.
    """
    if began := getattr(request.state, "began_at", None):
        return str(began)
    if request.method not in READING:
        return parent_page(request.url.path)
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path


def before_of(request: Request) -> int:
    """Where a page of older things begins, in milliseconds since 1970."""
    text = request.query_params.get("before", "")
    return min(int(text), FAR_FUTURE) if TIME.fullmatch(text) else FAR_FUTURE


templates.env.filters |= {
    "dollars": money,
    "price": dollars,
    "cents": cents,
    "amount": amount,
    "count": "{:,}".format,
    "when": when,
    "duration": duration,
    "notice": notice_word,
    "timestamp": time_of,
}
