"""How often one visitor may ask for anything, and for what costs something that belongs to all."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from model.limits import LimitReachedError
from model.rates import PERIOD_SECONDS, Rate, UncountedError, kind_of, network_of
from web.errors import limit_reached, log_request
from web.security import is_operators_webhook

TOO_MANY = "Too many requests came from your network. Try again in a minute."


async def spend(request: Request, kind: str) -> None:
    """Count something costly, for who is logged in and for their network. Raises LimitReachedError."""
    services, viewer, network = request.state.services, request.state.viewer, network_of(request.headers)
    for asker in (viewer and f"user {viewer.id}", network):
        if asker and await is_too_much(request, services.rates.costly, f"{kind} {asker}"):
            who = kind_of(asker) if asker == network else str(viewer.id)
            services.refusing.tally.note(f"COSTLY {kind}", who)
            raise LimitReachedError(TOO_MANY, PERIOD_SECONDS)


async def is_too_much(request: Request, rate: Rate, key: str) -> bool:
    """What can't be counted isn't: nobody is refused because Cloudflare's counters fail."""
    try:
        return not await rate.has_room(key)
    except UncountedError as error:
        log_request(request, "rate_limit_failed", error)
        return False


class RateMiddleware:
    """Answers 429 to a network that asks too often. The operator's webhooks may come as they like."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_operators_webhook(scope):
            request = Request(scope)
            network = network_of(request.headers)
            services = request.state.services
            if network and await is_too_much(request, services.rates.requests, network):
                services.refusing.tally.note("REQUESTS", kind_of(network))
                response = await limit_reached(request, LimitReachedError(TOO_MANY, PERIOD_SECONDS))
                return await response(scope, receive, send)
        return await self._app(scope, receive, send)
