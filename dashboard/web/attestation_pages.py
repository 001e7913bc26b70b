"""What answers under an app's address: for programs (`/.well-known/codius` of the app) and for people."""

from __future__ import annotations

import json
import shlex
from datetime import datetime
from typing import Any, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from attestation.checks import BUDGET, DifferenceError, Document
from model.app import App
from model.limits import DAY_MS
from model.site import Site, Standing
from store.attestations import Check, Verdict
from web.access import app_of, deployed_app, is_background, named_site, visible_site
from web.errors import log_request
from web.pages import page
from web.security import OPEN
from web.services import Services, services_of
from web.settings import Settings
from web.site_history import site_part

Word = Literal["verified", "differs", "not checked lately"]

LATELY_MS = DAY_MS
UNCACHED = OPEN | {"cache-control": "no-store"}
# What the command asks if it is told nothing else.
CLOUDFLARE_API = "https://api.cloudflare.com/client/v4"
NO_SUCH_APP = (
    "No such app is deployed. (A Worker that the operator uploaded by hand was not built or signed: there is "
    "nothing to verify.)"
)
AGAIN = UNCACHED | {"retry-after": "5"}


async def document(request: Request) -> Response:
    """The document that docs/attestation.md describes, of an app or of what a site serves now."""
    services = services_of(request)
    site, standing = await named_site(request), None
    try:
        if site is None:
            found = await deployed_app(request)
        else:
            standing = await services.site_hosting.standing(site.name, services.now())
            found = await app_of_site(services, site, standing)
    except HTTPException:
        return JSONResponse({"error": "no_such_app", "message": NO_SUCH_APP}, 404, UNCACHED)
    check = await latest_check(request, found)
    if check is None or check.status is None:
        message = "A check is in progress, or others are waited for longer. Try again shortly."
        return JSONResponse({"error": "busy", "message": message}, 503, AGAIN)
    # As it was kept: for an app of many modules it is long, and anyone may ask for it.
    encoded, seconds = check.encoded or "{}", BUDGET.app_ms // 1000
    if site is not None and standing is not None and check.status == 200:
        part, seconds = await part_of_site(services, site, standing)
        encoded = f'{encoded[:-1]},"site":{json.dumps(part)}}}'
    cached = OPEN | {"cache-control": f"public, max-age={seconds}"}
    return Response(
        encoded, check.status, cached if check.status == 200 else AGAIN, media_type="application/json"
    )


async def app_of_site(services: Services, site: Site, standing: Standing) -> App:
    """What a site serves. Raises HTTPException where it serves nothing."""
    found = await services.site_hosting.app_of(site, standing)
    if found is None or found.deleted_at is not None:
        raise HTTPException(404)
    return found


async def part_of_site(services: Services, site: Site, standing: Standing) -> tuple[dict[str, Any], int]:
    """What a site says of itself, and for how many seconds that holds."""
    now = services.now()
    versions = await services.site_versions.count(site.name)
    part = site_part(site, standing, versions, services.settings, now)
    milliseconds = BUDGET.app_ms
    if standing.next is not None:
        milliseconds = max(0, min(milliseconds, standing.next.serves_from - now))
    return part, milliseconds // 1000


async def attestation(request: Request) -> Response:
    """The same in words, to be sent to somebody; an app's page loads its first part into itself."""
    found = await app_of(request)
    if found is not None and found.is_public and found.deleted_at is not None and not is_background(request):
        return RedirectResponse(f"/apps/{found.id}")  # it says so, to who comes by an old link
    return await in_words(request, await deployed_app(request), None)


async def site_attestation(request: Request) -> Response:
    """The same of what a site serves now."""
    site, app = await visible_site_and_app(request)
    return await in_words(request, app, site)


async def visible_site_and_app(request: Request) -> tuple[Site, App]:
    """The site in the path, and what it serves now. Raises HTTPException where it serves nothing."""
    services = services_of(request)
    site = await visible_site(request)
    standing = await services.site_hosting.standing(site.name, services.now())
    return site, await app_of_site(services, site, standing)


async def in_words(request: Request, found: App, site: Site | None) -> Response:
    services = services_of(request)
    settings = services.settings
    check = await latest_check(request, found)
    content = None if check is None or check.status is None else check.document()
    document = content if check is not None and check.status == 200 else None
    name = found.id if site is None else site.name
    here = f"{settings.dashboard_url}/{'apps' if site is None else 'sites'}/{name}"
    return page(
        request,
        "attestation.html",
        app=found,
        site=site,
        document=document,
        failure=None if content is None or document is not None else content["message"],
        found_at=None if document is None else found_at(document),
        verdict_words=words_of(document),
        verdict_word=await word_about(services, found),
        left_out=await services.checks.store.left_out(found.id),
        asks_cloudflare=settings.cloudflare_read_token is not None,
        command=verify_command(settings, settings.app_url(name)),
        markdown=f"[![Codius Workers]({here}/badge.svg)]({here}/attestation)",
    )


def words_of(document: Document | None) -> str:
    if document is None:
        return "Not checked"
    return "Verified" if document.get("agrees") else "Differs"


async def word_about(services: Services, app: App | None) -> Word | None:
    """What the latest check of an app came to; None of what isn't served."""
    if app is None or not app.is_served:
        return None
    return word_of(await services.checks.store.verdict(app.id), services.now())


def word_of(verdict: Verdict | None, now: int) -> Word:
    if verdict is None or verdict.agrees is None or verdict.found_at < now - LATELY_MS:
        return "not checked lately"
    return "verified" if verdict.agrees else "differs"


def found_at(document: Document) -> int:
    """When what it says was found: a check that is under way, or died, has left an earlier one."""
    return round(1_000 * datetime.fromisoformat(document["checkedAt"]).timestamp())


def verify_command(settings: Settings, url: str) -> str:
    """What a visitor runs: the tool in the operator's repository, whose workflow must have signed."""
    branch = "" if settings.github_branch == "main" else f"@{settings.github_branch}"
    signer = f"{settings.github_repository}{branch}"
    tool = f"git+{settings.github_url}/{signer}#subdirectory=cli"
    options = ["--signer-repo", signer]
    if settings.cloudflare_read_token is not None and settings.cloudflare_api_url != CLOUDFLARE_API:
        options += ["--cloudflare-api", settings.cloudflare_api_url]
    if settings.sigstore_trusted_root is not None:
        options += ["--trusted-root", settings.sigstore_trusted_root]
    return f"uvx --from '{tool}' codius verify {url} {shlex.join(options)}"


async def latest_check(request: Request, app: App) -> Check | None:
    services = services_of(request)

    def on_failure(app_id: str, error: Exception) -> None:
        event = "verification_differs" if isinstance(error, DifferenceError) else "check_failed"
        log_request(request, event, error)

    return await services.checks.latest(app, services.now(), on_failure)
