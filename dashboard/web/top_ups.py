"""Topping up, up to Stripe's payment page: what it is for, what it buys, and how the payer is shown."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clients.billing import BillingAccount
from model.app import App, place_of
from model.checkout import PaymentsNotConfiguredError
from model.site import Site
from model.top_up import Offer, Order, TopUpError, chosen_cents, offers, way_back
from web.access import LoginRequiredError, visible_app, visible_site
from web.accounts import can_top_up
from web.bodies import form_fields, from_query
from web.pages import page
from web.rates import spend
from web.services import services_of

FIELDS = ("amount", "other", "payer", "next")
LOGIN, ANONYMOUS = "login", "anonymous"


@dataclass(frozen=True, slots=True)
class Payable:
    """An app, or a site, that takes payments: `name` is its account's, `page` the path of its page."""

    kind: str
    name: str
    page: str
    repository: str
    directory: str
    login: str

    @property
    def title(self) -> str:
        return place_of(self.repository, self.directory)

    @classmethod
    def app(cls, app: App) -> Payable:
        source = app.source
        return cls("app", app.id, f"/apps/{app.id}", source.repository, source.directory, app.deployer.login)

    @classmethod
    def site(cls, site: Site) -> Payable:
        return cls(
            "site", site.name, f"/sites/{site.name}", site.repository, site.directory, site.owner.login
        )


@dataclass(frozen=True, slots=True)
class Form:
    """What the form of a top-up shows. `least_cents` can be paid; `wanted` is where its payer goes on to."""

    payable: Payable
    account: BillingAccount
    choices: Sequence[Offer]
    least_cents: int
    wanted: str | None
    typed: dict[str, str]
    error: str | None = None


def form_of(request: Request, payable: Payable, account: BillingAccount) -> Form:
    """The form as it is first shown; after a login, with what was chosen before."""
    typed = from_query(request, *FIELDS)
    least_cents = request.state.services.settings.top_up_least_cents
    choices = offers(least_cents, account.unit_price_nano_usd, account.requests_per_unit)
    return Form(payable, account, choices, least_cents, way_back(typed["next"]), typed)


async def top_up(request: Request) -> Response:
    """Begin a payment for a live app, by anyone."""
    app = await visible_app(request)
    require_served(request, app, "app")
    return await choose_or_begin(request, Payable.app(app))


async def top_up_site(request: Request) -> Response:
    """The same for a live site."""
    site = await visible_site(request)
    services = services_of(request)
    require_served(request, await services.site_hosting.serving_app(site, services.now()), "site")
    return await choose_or_begin(request, Payable.site(site))


def require_served(request: Request, app: App | None, kind: str) -> None:
    if app is None or not app.is_served:
        raise HTTPException(409, f"This {kind} isn't running, so it can't be topped up.")
    if not can_top_up(request.state.services, app):
        raise PaymentsNotConfiguredError


async def choose_or_begin(request: Request, payable: Payable) -> Response:
    """The page of the amounts, or what follows from one."""
    services = services_of(request)
    account = await services.billing.account(payable.name)
    if account is None:
        raise HTTPException(404)
    form = form_of(request, payable, account)
    if request.method != "POST":
        return page(request, "top_up.html", form=form)
    typed = await form_fields(request, *FIELDS)
    if typed["payer"] == LOGIN and request.state.viewer is None:
        raise LoginRequiredError(typed, request.url.path)  # the session has ended since the form was shown
    try:
        cents = chosen_cents(typed["amount"], typed["other"], form.least_cents, form.choices)
    except TopUpError as error:
        shown = Form(
            payable, account, form.choices, form.least_cents, way_back(typed["next"]), typed, str(error)
        )
        return page(request, "top_up.html", 422, form=shown)
    return await begin(request, payable, cents, typed)


async def begin(request: Request, payable: Payable, cents: int, typed: dict[str, str]) -> Response:
    """Go to Stripe's page, of which a row is noted before."""
    services = services_of(request)
    viewer = request.state.viewer
    await spend(request, "top-ups")
    order = Order(
        account=payable.name,
        title=payable.title,
        address=services.settings.app_url(payable.name),
        cents=cents,
        user_id=None if viewer is None else viewer.id,
        is_anonymous=viewer is None or typed["payer"] == ANONYMOUS,
        wanted=way_back(typed["next"]),
    )
    dashboard_url = services.settings.dashboard_url
    session_id, address = await services.stripe().create_checkout(
        order,
        f"{dashboard_url}{payable.page}",
        f"{dashboard_url}/checkout-sessions/{{CHECKOUT_SESSION_ID}}/success",
        idempotency_key=str(uuid.uuid4()),
    )
    await services.payments.add_open(session_id, payable.name, services.now(), order)
    return RedirectResponse(address, 303)
