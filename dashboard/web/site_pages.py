"""`/sites`, a site's own pages, and what its owner can do there."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from clients.github_api import GitHubError
from hosting.repository_url import SourceError
from hosting.site_making import TAKEN
from model.app import APP_ID, App, User, new_id
from model.left_out import LeftOut
from model.limits import LimitReachedError
from model.payment import statement
from model.site import NOTICES, VERSIONS_KEPT, OnItsWayError, Site, SiteError, Standing
from model.site_names import refusal_of
from store.site_versions import Version
from web.access import is_background, own_site, require_viewer, visible_site
from web.accounts import billing_of, can_top_up
from web.attestation_pages import word_about
from web.bodies import form_field, form_fields, from_query
from web.errors import limited
from web.pages import FAR_FUTURE, TIME, before_of, page
from web.security import OPEN
from web.services import Services, services_of
from web.site_history import history_document
from web.top_ups import Payable, form_of

SITES_SHOWN = 100
EVENTS_SHOWN = 50
HISTORY_EVENTS = 1_000
PAYMENTS_SHOWN = 50
MOST_READY = 2 * VERSIONS_KEPT
FIELDS = ("name", "repository", "notice", "app")
NOTICE_WORDS = {"none": "None", "hour": "An hour", "day": "A day", "week": "A week"}


@dataclass(frozen=True, slots=True)
class NameCheck:
    """What is said of a name while it is typed."""

    is_free: bool
    words: str


async def sites(request: Request) -> Response:
    """A user's sites, and the form that makes one."""
    services, is_form = services_of(request), request.method == "POST"
    typed = await form_fields(request, *FIELDS) if is_form else from_query(request, *FIELDS)
    viewer = require_viewer(request, typed)
    if not is_form:
        return await sites_page(request, viewer, typed, None)
    try:
        site = await services.site_making.create(
            viewer,
            typed["name"],
            typed["repository"],
            typed["app"],
            notice_of(typed["notice"]),
            services.now(),
        )
    except LimitReachedError as error:
        return limited(await sites_page(request, viewer, typed, str(error)), error)
    except (SiteError, SourceError, GitHubError) as error:
        return await sites_page(request, viewer, typed, str(error))
    return see_site(site)


async def sites_page(request: Request, viewer: User, typed: dict[str, str], error: str | None) -> Response:
    services = services_of(request)
    app_id = typed["app"]
    app = await services.apps.get(app_id) if APP_ID.fullmatch(app_id) else None
    if app is not None and not app.is_deployed_by(viewer):
        app = None
    return page(
        request,
        "sites.html",
        200 if error is None else 422,
        form=typed,
        error=error,
        app=app,
        check=await name_check(services, typed["name"]) if typed["name"] else None,
        notices=NOTICE_WORDS,
        github_url=services.settings.github_url,
        sites=await sites_of(services, viewer, services.now()) if not is_background(request) else [],
    )


async def sites_of(services: Services, viewer: User, now: int) -> list[tuple[Site, App | None]]:
    """A user's sites, with what each serves."""
    found = await services.sites.of_user(viewer, SITES_SHOWN)
    serving = await asyncio.gather(*(services.site_hosting.serving_app(site, now) for site in found))
    return list(zip(found, serving, strict=True))


async def name_check(services: Services, name: str) -> NameCheck:
    settings = services.settings
    refusal = refusal_of(name, settings.apps_domain, settings.dashboard_url)
    if refusal is not None:
        return NameCheck(False, refusal)
    if await services.sites.get(name) is not None:
        return NameCheck(False, TAKEN)
    return NameCheck(True, f"{settings.app_url(name)} is free.")


async def site(request: Request) -> Response:
    """Everybody may know what serves, what comes, and what there was."""
    services, viewer = services_of(request), request.state.viewer
    found, now = await visible_site(request), services.now()
    standing = await services.site_hosting.standing(found.name, now)
    waiting = await services.site_versions.on_its_way(found.name)
    current = await services.site_hosting.app_of(found, standing)
    is_owner = found.is_owned_by(viewer) and found.deleted_at is None
    left_out_of = services.checks.store.left_out
    coming = standing.next
    events = await services.sites.events(found.name, before_of(request), EVENTS_SHOWN + 1)
    payments = await services.payments.of_site(found.name, PAYMENTS_SHOWN)
    return page(
        request,
        "site.html",
        site=found,
        now=now,
        standing=standing,
        waiting=await services.apps.get(waiting.app_id) if waiting is not None and is_owner else None,
        is_owner=is_owner,
        failed=await failed_version(services, found) if is_owner and waiting is None else None,
        verdict_word=await word_about(services, current),
        left_out=LeftOut() if current is None else await left_out_of(current.id),
        coming_left_out=LeftOut() if coming is None else await left_out_of(coming.app_id),
        ready=await ready_versions(services, found, standing) if is_owner else [],
        notices=NOTICE_WORDS,
        events=events[:EVENTS_SHOWN],
        more=events[EVENTS_SHOWN - 1].at if len(events) > EVENTS_SHOWN else None,
        serving=current,
        can_top_up=can_top_up(services, current),
        lines=statement(payments, await services.reversals.of_payments(payments)),
        **await billing_of(request, found.name),
    )


async def failed_version(services: Services, site: Site) -> App | None:
    """The version that was asked for last, if its deploy failed: for the owner, as others don't see it."""
    app_id = await services.site_versions.latest(site.name)
    app = None if app_id is None else await services.apps.get(app_id)
    return app if app is not None and app.status == "failed" else None


async def ready_versions(services: Services, site: Site, standing: Standing) -> list[Version]:
    """Those that can be switched to."""
    last = standing.last
    found = await services.site_versions.ready(site.name, MOST_READY)
    return [version for version in found if last is None or version.app_id != last.app_id]


async def history(request: Request) -> Response:
    """The document that docs/sites.md describes: what serves, what comes, and all that there was."""
    try:
        found = await visible_site(request)
    except HTTPException:
        return JSONResponse({"error": "no_such_site", "message": "There is no such site."}, 404, OPEN)
    services = services_of(request)
    now = services.now()
    standing = await services.site_hosting.standing(found.name, now)
    events = await services.sites.events(found.name, before_of(request), HISTORY_EVENTS + 1)
    document = history_document(found, standing, events[:HISTORY_EVENTS], services.settings, now)
    if len(events) > HISTORY_EVENTS:
        path = f"/sites/{found.name}/history.json?before={events[HISTORY_EVENTS - 1].at}"
        document["older"] = services.settings.dashboard_url + path
    document["versions"] = await services.site_versions.count(found.name)
    return JSONResponse(document, headers=OPEN)


async def feed(request: Request) -> Response:
    """The newest events, for who wants to be told (Atom, RFC 4287)."""
    services, found = services_of(request), await visible_site(request)
    response = page(
        request,
        "site_feed.html",
        site=found,
        events=await services.sites.events(found.name, FAR_FUTURE, EVENTS_SHOWN),
        notices=NOTICE_WORDS,
        page=f"{services.settings.dashboard_url}/sites/{found.name}",
    )
    response.headers["content-type"] = "application/atom+xml; charset=utf-8"
    response.headers.update(OPEN)
    return response


async def payment_required(request: Request) -> Response:
    """Where browsers are sent when a site has used up its prepaid requests."""
    services, found = services_of(request), await visible_site(request)
    account = await services.billing.account(found.name)
    if account is None:
        raise HTTPException(404)
    serving = await services.site_hosting.serving_app(found, services.now())
    return page(
        request,
        "site_payment_required.html",
        site=found,
        account=account,
        has_payments=services.settings.has_payments,
        serving=serving,
        form=form_of(request, Payable.site(found), account) if can_top_up(services, serving) else None,
    )


# What the owner can do.


async def deploy(request: Request) -> Response:
    found = await own_site(request)
    services = services_of(request)
    app_id = new_id(secrets.choice)
    with contextlib.suppress(OnItsWayError):  # its page shows what is on its way
        await services.site_hosting.deploy_newest(found, app_id, request.state.viewer, services.now())
    return see_site(found.name)


async def switch(request: Request) -> Response:
    found = await own_site(request)
    services, app_id = services_of(request), await form_field(request, "app")
    await services.site_hosting.switch(found.name, app_id, request.state.viewer, services.now())
    return see_site(found.name)


async def go_back(request: Request) -> Response:
    found = await own_site(request)
    services, app_id = services_of(request), await form_field(request, "app")
    await services.site_hosting.go_back(found.name, request.state.viewer, services.now(), app_id)
    return see_site(found.name)


async def withdraw(request: Request) -> Response:
    found = await own_site(request)
    services, announced_at = services_of(request), await form_field(request, "announced_at")
    if not TIME.fullmatch(announced_at):
        raise HTTPException(400, "The form names no version that is announced.")
    await services.site_hosting.withdraw(found.name, int(announced_at), request.state.viewer, services.now())
    return see_site(found.name)


async def change_notice(request: Request) -> Response:
    found = await own_site(request)
    services, notice = services_of(request), notice_of(await form_field(request, "notice"))
    await services.site_hosting.change_notice(found.name, notice, request.state.viewer, services.now())
    return see_site(found.name)


async def follow(request: Request) -> Response:
    found = await own_site(request)
    services = services_of(request)
    await services.sites.set_follows(found.name, await form_field(request, "follows") == "yes")
    return see_site(found.name)


async def delete(request: Request) -> Response:
    found = await own_site(request)
    services = services_of(request)
    await services.site_hosting.delete(found.name, request.state.viewer, services.now())
    return see_site(found.name)


def notice_of(word: str) -> int:
    """Milliseconds."""
    if word not in NOTICES:
        raise HTTPException(400, "The form names no notice.")
    return NOTICES[word]


def see_site(name: str) -> Response:
    return RedirectResponse(f"/sites/{name}", 303)
