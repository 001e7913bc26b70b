"""`/apps/<id>/badge.svg` and a site's: a picture for a README that says what the latest check came to.

It is answered at once from what is known; an old check is asked for again, and made when its turn comes.
"""

from __future__ import annotations

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from attestation.checks import BUDGET
from model.app import App
from web.access import deployed_app
from web.attestation_pages import Word, visible_site_and_app, word_of
from web.services import services_of

LABEL = "Codius Workers"
# White on each has a contrast of 4.5 at least (WCAG 2.2, 1.4.3).
COLOURS: dict[Word, str] = {"verified": "#0a6b3d", "differs": "#b3201b", "not checked lately": "#5b6270"}
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
    return await badge(request, await deployed_app(request))


async def of_site(request: Request) -> Response:
    _, app = await visible_site_and_app(request)
    return await badge(request, app)


async def badge(request: Request, app: App) -> Response:
    services = services_of(request)
    now, store = services.now(), services.checks.store
    verdict = await store.verdict(app.id)
    if verdict is None or verdict.began_at <= now - BUDGET.app_ms:
        await store.want_check(app.id, now, BUDGET)
    return Response(picture(word_of(verdict, now)), 200, HEADERS, media_type="image/svg+xml")


def picture(word: Word) -> str:
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
