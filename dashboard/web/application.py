"""The dashboard's URLs, and what each request passes on its way to them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from web import (
    account_page,
    app_list,
    app_pages,
    attestation_pages,
    badges,
    docs_pages,
    errors,
    exports,
    health,
    login,
    metrics,
    notices,
    operator_acts,
    operator_lists,
    operator_page,
    payment_pages,
    site_hooks,
    site_pages,
    top_ups,
    webhooks,
)
from web.access import LoginRequiredError, login_required
from web.finishing import FinishingMiddleware, Keep
from web.pages import page
from web.rates import RateMiddleware
from web.refusals import RefusalsMiddleware
from web.security import SameOriginMiddleware, SecurityHeadersMiddleware, inward
from web.services import CALLBACK_PATH, Services
from web.sessions import SessionMiddleware

# What people type into forms that need a login, by the page's words for it.
FORMS = ("/apps", "/sites")
TYPED = {"name": "Name", "repository": "GitHub repository"}
MakeServices = Callable[[Scope], Services]


def application(make_services: MakeServices, keep: Keep = lambda work: None) -> ASGIApp:
    """`make_services` gives what one request is answered with; `keep` keeps the runtime at work on it."""
    site = Starlette(
        routes=[
            Route("/", home),
            Route("/login/github", login.begin),
            Route(CALLBACK_PATH, login.callback),
            Route("/logout", login.log_out, methods=["POST"]),
            Route("/apps", app_list.apps, methods=["GET", "POST"]),
            Route("/apps/{app_id}", app_pages.app),
            Route("/apps/{app_id}/402", app_pages.payment_required),
            Route("/apps/{app_id}/attestation", attestation_pages.attestation),
            Route("/apps/{app_id}/badge.svg", badges.of_app),
            Route("/apps/{app_id}/attestation.json", attestation_pages.document),
            Route("/apps/{app_id}/retry", app_pages.retry, methods=["POST"]),
            Route("/apps/{app_id}/delete", app_pages.delete, methods=["POST"]),
            Route("/apps/{app_id}/top-up", top_ups.top_up, methods=["GET", "POST"]),
            Route("/apps/{app_id}/payments.csv", exports.payments_of_app),
            Route("/apps/{app_id}/usage.csv", exports.usage_of_app),
            Route("/sites", site_pages.sites, methods=["GET", "POST"]),
            Route("/sites/{name}", site_pages.site),
            Route("/sites/{name}/attestation", attestation_pages.site_attestation),
            Route("/sites/{name}/badge.svg", badges.of_site),
            Route("/sites/{name}/402", site_pages.payment_required),
            Route("/sites/{name}/history.json", site_pages.history),
            Route("/sites/{name}/deploy", site_pages.deploy, methods=["POST"]),
            Route("/sites/{name}/switch", site_pages.switch, methods=["POST"]),
            Route("/sites/{name}/back", site_pages.go_back, methods=["POST"]),
            Route("/sites/{name}/withdraw", site_pages.withdraw, methods=["POST"]),
            Route("/sites/{name}/notice", site_pages.change_notice, methods=["POST"]),
            Route("/sites/{name}/feed.atom", site_pages.feed),
            Route("/sites/{name}/webhook", site_hooks.make_secret, methods=["POST"]),
            Route("/sites/{name}/webhooks/github", site_hooks.github, methods=["POST"]),
            Route("/sites/{name}/follow", site_pages.follow, methods=["POST"]),
            Route("/sites/{name}/delete", site_pages.delete, methods=["POST"]),
            Route("/sites/{name}/top-up", top_ups.top_up_site, methods=["GET", "POST"]),
            Route("/sites/{name}/payments.csv", exports.payments_of_site),
            Route("/sites/{name}/usage.csv", exports.usage_of_site),
            Route("/checkout-sessions/{session_id}/success", payment_pages.success),
            Route("/checkout-sessions/{session_id}/receipt", payment_pages.receipt),
            Route("/payments", payment_pages.payments),
            Route("/payments.csv", exports.payments_of_user),
            Route("/docs", docs_pages.docs),
            Route("/docs/{name}", docs_pages.doc),
            Route("/.well-known/security.txt", docs_pages.security_txt),
            Route("/account", account_page.account),
            Route("/account/delete", account_page.delete, methods=["POST"]),
            Route("/account/notices.atom", notices.feed),
            Route("/account/feed", notices.make_feed, methods=["POST"]),
            Route("/account/webhook", notices.set_webhook, methods=["POST"]),
            Route("/account/threshold", notices.set_threshold, methods=["POST"]),
            Route("/operator", operator_page.operator),
            Route("/operator/metrics", metrics.metrics),
            Route("/operator/health", health.in_words),
            Route("/operator/apps", operator_lists.apps),
            Route("/operator/sites", operator_lists.sites),
            Route("/operator/users", operator_lists.users),
            Route("/operator/suspend", operator_acts.suspend, methods=["GET", "POST"]),
            Route("/operator/restore", operator_acts.restore, methods=["GET", "POST"]),
            Route("/operator/switch", operator_acts.switch, methods=["POST"]),
            Route("/operator/acts", operator_acts.acts),
            Route("/operator/acts.json", operator_acts.acts_document),
            Route("/healthz", health.healthz),
            Route("/webhooks/github", webhooks.github, methods=["POST"]),
            Route("/webhooks/stripe", webhooks.stripe, methods=["POST"]),
        ],
        middleware=[
            Middleware(ServicesMiddleware, make_services=make_services),
            Middleware(RefusalsMiddleware),
            Middleware(RateMiddleware),
            Middleware(SameOriginMiddleware, refused=errors.from_elsewhere),
            Middleware(SessionMiddleware),
        ],
        exception_handlers=errors.HANDLERS | {LoginRequiredError: login_required},
    )
    # Around everything, so that a page that says what failed carries them, too.
    return SecurityHeadersMiddleware(FinishingMiddleware(site, keep))


class ServicesMiddleware:
    """Puts what a request is answered with at `request.state.services`."""

    def __init__(self, app: ASGIApp, make_services: MakeServices) -> None:
        self._app = app
        self._make_services = make_services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["services"] = self._make_services(scope)
        await self._app(scope, receive, send)


async def home(request: Request) -> Response:
    """What who canceled a login had typed before it is shown again, with the way to the form that has it."""
    kept = inward(request.query_params.get("next"), "")
    parts = urlsplit(kept)
    found = dict(parse_qsl(parts.query)) if parts.path in FORMS else {}
    typed = [(words, found[name]) for name, words in TYPED.items() if name in found]
    return page(request, "home.html", kept=kept, typed=typed)
