"""A site with an app that takes payments, and a Stripe whose events the test delivers by hand."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from local.stripe.objects import Json
from local.stripe.server import Stripe, StripeSettings
from local.stripe.webhooks import signature
from tests.dashboard.dashboard_site import DASHBOARD, SECRETS, VARIABLES, Site

APP = "bcdfghjkmnpq"
STRIPE = VARIABLES["STRIPE_API_URL"]
PAYMENT_PAGES = VARIABLES["STRIPE_CHECKOUT_URL"]
WEBHOOK_SECRET, NEXT_SECRET = SECRETS["STRIPE_WEBHOOK_SECRET"].split()


class Shop:
    """A site with a deployed app of alice's, and a Stripe whose events the test delivers by hand."""

    def __init__(self, folder: Path, **env: str | int) -> None:
        settings = StripeSettings(
            origin=PAYMENT_PAGES,
            hook_url=f"{DASHBOARD}/webhooks/stripe",
            hook_host="dashboard.example",
            secret_key=SECRETS["STRIPE_SECRET_KEY"],
            webhook_secret=WEBHOOK_SECRET,
        )
        self.stripe = Stripe(settings, folder)
        self.stripe.webhook.is_paused = True
        self.site = Site({STRIPE: self.stripe.application()}, **env)
        self.services = self.site.services

    async def begin(
        self, user: Any = None, page: str = f"/apps/{APP}", cents: int = 500, **form: str
    ) -> Json:
        """Choose an amount and go on to Stripe's page; return Stripe's session."""
        chosen = {"amount": "other", "other": f"{cents // 100}.{cents % 100:02}", **form}
        response = await self.site.visitor(user).post(f"{page}/top-up", chosen)
        assert response.status_code == 303, response.text
        assert response.headers["location"].startswith(f"{PAYMENT_PAGES}/c/pay/")
        found = self.stripe.objects.get("checkout.session", response.headers["location"].rpartition("/")[2])
        assert found is not None
        return found

    async def paid(self, cents: int = 500, user: Any = None) -> Json:
        session = await self.begin(user, cents=cents)
        self.stripe.pay(session, settles_later=False)
        return session

    async def fails_later(self, user: Any = None) -> Json:
        """A payment that was still on its way when the payer came back, and then failed."""
        session = await self.begin(user)
        self.stripe.pay(session, settles_later=True)
        assert "being processed" in (await self.success(session)).text
        self.stripe.do_settle(session["id"], succeeds=False)
        return session

    async def status(self, session: Json) -> str:
        payment = await self.services.payments.get(session["id"])
        assert payment is not None
        return payment.status

    async def success(self, session: Json) -> httpx.Response:
        return await self.site.visitor().get(f"/checkout-sessions/{session['id']}/success")

    def events(self, type_: str) -> list[Json]:
        return [event for event in self.stripe.objects.of("event") if event["type"] == type_]

    async def deliver(self, event: Json, secret: str = WEBHOOK_SECRET, age: int = 0) -> int:
        body = json.dumps(event)
        header = signature(body, secret, int(time.time()) - age)
        response = await self.site.visitor().ask(
            "POST", "/webhooks/stripe", {"stripe-signature": header}, body
        )
        return response.status_code

    async def funding(self) -> int:
        account = await self.services.billing.account(APP)
        assert account is not None
        return account.funding_cents

    async def upkeep(self) -> list[str]:
        self.site.now += 1_000_000
        failures: list[str] = []
        await self.services.upkeep.run(self.site.now, lambda subject, error: failures.append(subject))
        return failures


def in_shop(folder: Path, work: Callable[[Shop], Awaitable[None]], **env: str | int) -> None:
    async def run() -> None:
        shop = Shop(folder, **env)
        await shop.site.deployed_app(APP)
        await work(shop)

    asyncio.run(run())
