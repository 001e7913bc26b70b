"""`/sites/<name>/webhooks/github`: GitHub tells of pushes to a site's repository.

After GitHub's "Validating webhook deliveries" and the event `push` of "Webhook events and payloads". A
delivery says only that there may be something new: GitHub is asked for the branch's newest commit. So one
that comes twice, late, or for another repository or branch changes nothing. One that is forged is refused.
"""

from __future__ import annotations

import hashlib
import hmac

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from model.json_text import read_json
from model.site import Site
from web.access import existing_site, own_site
from web.bodies import limited_body
from web.pages import page
from web.services import Services, services_of
from web.webhooks import is_signed


async def github(request: Request) -> Response:
    services = services_of(request)
    site = await existing_site(request)
    body = await limited_body(request)
    signature = request.headers.get("x-hub-signature-256", "")
    if site.hook_number == 0 or not is_signed(body, signature, secret_of(services, site)):
        raise HTTPException(401, "The signature is missing or wrong.")
    if request.headers.get("x-github-event") == "push" and is_of_branch(body, site):
        await services.following.hear(site.name, services.now())
    return Response(status_code=204)


async def make_secret(request: Request) -> Response:
    """Make a new secret, which takes the place of the one before, and show it once."""
    services = services_of(request)
    site = await services.sites.make_hook(await own_site(request))
    if site is None:
        raise HTTPException(409, "This site was deleted.")
    return page(
        request,
        "site_webhook.html",
        site=site,
        secret=secret_of(services, site),
        url=f"{services.settings.dashboard_url}/sites/{site.name}/webhooks/github",
    )


def secret_of(services: Services, site: Site) -> str:
    """It is nowhere stored: it follows from the operator's own, which GitHub knows only of other webhooks."""
    key, text = services.settings.secrets.github_webhook, f"site {site.name} {site.hook_number}"
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_of_branch(body: bytes, site: Site) -> bool:
    """Whether a push was to a site's branch, and left it there."""
    try:
        payload = read_json(body)
    except ValueError:
        raise HTTPException(400, "The body is not JSON: choose the content type application/json.") from None
    match payload:
        case {"ref": str(ref), "deleted": False, "repository": {"id": int(number), "full_name": str(name)}}:
            is_named = site.repository_id is None and name.lower() == site.repository.lower()
            return ref == f"refs/heads/{site.branch}" and (is_named or number == site.repository_id)
    return False
