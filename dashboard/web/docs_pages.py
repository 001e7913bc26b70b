"""`/docs/…`: what deployers, payers and visitors want to know, made of docs/ by `make docs`; security.txt."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from model.limits import DAY_MS
from web.pages import page
from web.services import services_of
from web.site_history import time_of

FOLDER = Path(__file__).parent.parent / "docs"
VALID_DAYS = 90
TITLES = {"deployers": "For deployers", "payers": "For payers", "visitors": "For visitors"}


async def docs(request: Request) -> Response:
    return RedirectResponse(f"/docs/{next(iter(TITLES))}")


async def doc(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in TITLES:
        raise HTTPException(404)
    return page(request, "docs.html", name=name, titles=TITLES, content=content_of(name))


async def security_txt(request: Request) -> Response:
    """Whom to tell of a vulnerability (RFC 9116); it is said anew each day, for three months."""
    services = services_of(request)
    contact = services.settings.security_contact
    if contact is None:
        raise HTTPException(404)
    until = time_of((services.now() // DAY_MS + VALID_DAYS) * DAY_MS)
    place = f"{services.settings.dashboard_url}/.well-known/security.txt"
    text = f"Contact: {contact}\nExpires: {until}\nPreferred-Languages: en\nCanonical: {place}\n"
    return Response(text, media_type="text/plain; charset=utf-8")


@cache
def content_of(name: str) -> Markup:
    return Markup((FOLDER / f"{name}.html").read_text())  # noqa: S704 (made here, of our own words)
