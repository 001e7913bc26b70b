"""What answers under an app's address: for programs (`/.well-known/codius` of the app) and for people."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from attestation.checks import BUDGET
from model.app import App
from store.attestations import Check
from web.access import deployed_app
from web.errors import log_request
from web.pages import page
from web.services import Services
from web.settings import Settings

OPEN = {"access-control-allow-origin": "*"}
CACHED = OPEN | {"cache-control": f"public, max-age={BUDGET.app_ms // 1000}"}
UNCACHED = OPEN | {"cache-control": "no-store"}
AGAIN = UNCACHED | {"retry-after": "5"}


async def document(request: Request) -> Response:
    """The document that docs/attestation.md describes."""
    try:
        found = await deployed_app(request)
    except HTTPException:
        return JSONResponse({"error": "no_such_app", "message": "No such app is deployed."}, 404, UNCACHED)
    check = await latest_check(request, found)
    if check is None or check.status is None:
        message = "A check is in progress, or others are waited for longer. Try again shortly."
        return JSONResponse({"error": "busy", "message": message}, 503, AGAIN)
    # As it was kept: for an app of many modules it is long, and anyone may ask for it.
    headers = CACHED if check.status == 200 else AGAIN
    return Response(check.encoded, check.status, headers, media_type="application/json")


async def attestation(request: Request) -> Response:
    """The same in words; an app's page loads it into itself."""
    found = await deployed_app(request)
    services: Services = request.state.services
    check = await latest_check(request, found)
    return page(
        request,
        "attestation.html",
        app=found,
        check=check,
        left_out=await services.checks.store.left_out(found.id),
        command=verify_command(services.settings, services.settings.app_url(found.id)),
    )


def verify_command(settings: Settings, url: str) -> str:
    """What a visitor runs: the tool in the operator's repository, whose workflow must have signed."""
    branch = "" if settings.github_branch == "main" else f"@{settings.github_branch}"
    signer = f"{settings.github_repository}{branch}"
    tool = f"git+{settings.github_url}/{signer}#subdirectory=cli"
    return f"uvx --from '{tool}' codius verify {url} --signer-repo {signer}"


async def latest_check(request: Request, app: App) -> Check | None:
    services: Services = request.state.services

    def on_failure(app_id: str, error: Exception) -> None:
        log_request(request, "check_failed", error)

    return await services.checks.latest(app, services.now(), on_failure)
