"""What answers under an app's address: for programs (`/.well-known/codius` of the app) and for people."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from attestation.checks import APP_MS
from hosting.app import APP_ID, App
from store.attestations import Check
from web.pages import page
from web.services import Services

RETRY_SECONDS = 5
OPEN = {"access-control-allow-origin": "*"}


async def document(request: Request) -> Response:
    """The document that docs/attestation.md describes."""
    try:
        found = await deployed_app(request)
    except HTTPException:
        return JSONResponse({"error": "no_such_app", "message": "No such app is deployed."}, 404, OPEN)
    check = await latest_check(request, found)
    if check is None or check.status is None:
        retry = OPEN | {"retry-after": str(RETRY_SECONDS), "cache-control": "no-store"}
        message = "The app is being checked, or too many others are. Try again shortly."
        return JSONResponse({"error": "busy", "message": message}, 503, retry)
    return JSONResponse(
        check.document, check.status, OPEN | {"cache-control": f"public, max-age={APP_MS // 1000}"}
    )


async def attestation(request: Request) -> Response:
    """The same in words; an app's page loads it into itself."""
    found = await deployed_app(request)
    services: Services = request.state.services
    return page(
        request,
        "attestation.html",
        app=found,
        check=await latest_check(request, found),
        signer_repository=services.settings.github_repository,
    )


async def deployed_app(request: Request) -> App:
    services: Services = request.state.services
    app_id = request.path_params["app_id"]
    found = await services.apps.get(app_id) if APP_ID.fullmatch(app_id) else None
    if found is None or not found.is_public or found.deleted_at is not None:
        raise HTTPException(404)
    return found


async def latest_check(request: Request, app: App) -> Check | None:
    services: Services = request.state.services
    return await services.checks.latest(app, services.settings.app_url(app.id), services.now())
