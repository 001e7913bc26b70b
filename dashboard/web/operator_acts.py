"""What an operator does from the page: suspending and restoring, each confirmed on a page of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from model.app import User
from model.suspension import USER_ID, ActError, Operator, Target, reason_of, target_of
from model.switches import value_of
from web.bodies import form_fields
from web.pages import FAR_FUTURE, READING, before_of, page
from web.services import services_of
from web.site_history import time_of

ACTS_SHOWN = 100
ACTS_IN_JSON = 1_000

# What is done to a target, for a reason, by whom and when.
Do = Callable[[Target, str, Operator, int], Awaitable[None]]


def require_operator(request: Request) -> User:
    """Nobody else learns that these pages are there."""
    viewer: User | None = request.state.viewer
    if viewer is None or not services_of(request).settings.is_operator(viewer):
        raise HTTPException(404)
    return viewer


async def suspend(request: Request) -> Response:
    return await confirm_or_do(request, "suspend", services_of(request).suspending.suspend)


async def restore(request: Request) -> Response:
    return await confirm_or_do(request, "restore", services_of(request).suspending.restore)


async def confirm_or_do(request: Request, word: str, do: Do) -> Response:
    """GET asks whether this is meant, POST does it."""
    operator = Operator.of(require_operator(request))
    if request.method in READING:
        return await confirmation(request, word, await named(request, request.query_params))
    form = await form_fields(request, "kind", "name", "reason")
    target, reason = await named(request, form), reason_of(form["reason"])
    try:
        await do(target, reason, operator, services_of(request).now())
    except ActError:
        if not await was_done(request, word, target, reason, operator):
            raise
    return RedirectResponse("/operator#suspensions", 303)


async def was_done(request: Request, word: str, target: Target, reason: str, operator: Operator) -> bool:
    """Whether it was the last act of all: then this is a second click."""
    latest = await services_of(request).suspensions.acts(FAR_FUTURE, 1)
    asked = (word, target.kind, target.name, reason, operator.id)
    return any((act.act, act.kind, act.name, act.reason, act.operator_id) == asked for act in latest)


async def switch(request: Request) -> Response:
    """Set a switch, for a reason."""
    operator, services = Operator.of(require_operator(request)), services_of(request)
    form = await form_fields(request, "name", "value", "reason")
    value, reason = value_of(form["name"], form["value"]), reason_of(form["reason"])
    await services.overrides.set(form["name"], value, reason, operator, services.now())
    return RedirectResponse("/operator#switches", 303)


async def named(request: Request, fields: Mapping[str, str]) -> Target:
    """What a form names; a user by id or login, which can be another's id. Raises ActError."""
    kind, name, users = fields.get("kind", ""), fields.get("name", "").strip(), services_of(request).users
    if kind == "user" and not (USER_ID.fullmatch(name) and await users.get(int(name))):
        found = await users.id_of(name)
        name = name if found is None else str(found)
    return target_of(kind, name)


async def confirmation(request: Request, act: str, target: Target) -> Response:
    services = services_of(request)
    return page(
        request,
        "operator_act.html",
        act=act,
        target=target,
        user=await services.users.get(int(target.name)) if target.kind == "user" else None,
        exists=await services.suspensions.exists(target),
        covered=await services.suspensions.covered(target),
        suspension=await services.suspensions.get(target),
    )


async def acts(request: Request) -> Response:
    require_operator(request)
    found = await services_of(request).suspensions.acts(before_of(request), ACTS_SHOWN + 1)
    more = found[ACTS_SHOWN - 1].at if len(found) > ACTS_SHOWN else None
    return page(request, "operator_acts.html", acts=found[:ACTS_SHOWN], more=more)


async def acts_document(request: Request) -> Response:
    require_operator(request)
    found = await services_of(request).suspensions.acts(before_of(request), ACTS_IN_JSON)
    listed = [
        {
            "at": time_of(act.at),
            "act": act.act,
            "kind": act.kind,
            "name": act.name,
            "reason": act.reason,
            "operator": act.operator,
            "operatorId": act.operator_id,
        }
        for act in found
    ]
    older = f"/operator/acts.json?before={found[-1].at}" if len(found) == ACTS_IN_JSON else None
    return JSONResponse({"acts": listed, "older": older}, headers={"cache-control": "no-store"})
