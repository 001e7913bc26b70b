"""`/apps/<id>/badge.svg` and a site's: a picture for a README that says what the latest check came to.

It is answered at once from what is known; an old check is asked for again, and made when its turn comes.
Of what serves nothing there is one, too: no README shows a broken picture. What isn't there, what nobody may
see yet and what was never deployed look the same, whoever asks.
"""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from attestation.checks import BUDGET
from model.app import App
from model.site_names import is_site_name
from web.access import app_of
from web.attestation_pages import Word, word_of
from web.services import services_of

Absent = Literal["deleted", "not deployed"]

LABEL = "Codius Workers"
# White on each has a contrast of 4.5 at least (WCAG 2.2, 1.4.3).
GOOD, BAD, QUIET = "#0a6b3d", "#b3201b", "#5b6270"
COLOURS: dict[Word | Absent, str] = {
    "verified": GOOD,
    "differs": BAD,
    "not checked lately": QUIET,
    "deleted": QUIET,
    "not deployed": QUIET,
}
LETTER, EDGE = 6.6, 8  # pixels: a letter of 11 px Verdana on the average, rounded up
HEADERS = {
    "cache-control": "public, max-age=300",
    # Pages of others show it.
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
}
PICTURE = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" '
    'aria-label="{label}: {word}">'
    "<title>{label}: {word}</title>"
    '<rect width="{width}" height="20" rx="3" fill="#333"/>'
    '<path d="M{split} 0H{inner}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{split}z" fill="{colour}"/>'
    '<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
    '<text x="{first}" y="14">{label}</text><text x="{second}" y="14">{word}</text></g></svg>'
)


async def of_app(request: Request) -> Response:
    found = await app_of(request)
    if found is None or not found.is_public:
        return badge("not deployed")
    return badge("deleted" if found.deleted_at is not None else await checked(request, found))


async def of_site(request: Request) -> Response:
    services, name = services_of(request), request.path_params["name"]
    site = await services.sites.get(name) if is_site_name(name) else None
    if site is None or not await services.sites.has_switches(name):
        return badge("not deployed")
    if site.deleted_at is not None:
        return badge("deleted")
    app = await services.site_hosting.serving_app(site, services.now())
    return badge("not deployed" if app is None or app.deleted_at is not None else await checked(request, app))


async def checked(request: Request, app: App) -> Word:
    """What the latest check came to."""
    services = services_of(request)
    now, store = services.now(), services.checks.store
    verdict = await store.verdict(app.id)
    if verdict is None or verdict.began_at <= now - BUDGET.app_ms:
        await store.want_check(app.id, now, BUDGET)
    return word_of(verdict, now)


def badge(word: Word | Absent) -> Response:
    return Response(picture(word), 200, HEADERS, media_type="image/svg+xml")


def picture(word: Word | Absent) -> str:
    split, more = (round(len(text) * LETTER) + 2 * EDGE for text in (LABEL, word))
    width = split + more
    return PICTURE.format(
        width=width,
        inner=width - 3,
        split=split,
        first=split // 2,
        second=split + more // 2,
        label=LABEL,
        word=word,
        colour=COLOURS[word],
    )
