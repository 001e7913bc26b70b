"""A stand-in for Stripe: the API that a top-up asks, Checkout's payment page, and signed webhooks.

What no customer does (refunds, disputes, trouble) is asked for at `/local/stripe`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import stripe
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from local.stripe.api import Api, Trouble, unknown_path
from local.stripe.errors import ApiError, invalid, money
from local.stripe.objects import RETURNED, Json, Objects
from local.stripe.webhooks import Webhook

environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape()
)
environment.filters["money"] = money


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """`origin` is the address of all of it; webhooks go to `hook_url` under the host name `hook_host`."""

    origin: str
    hook_url: str
    hook_host: str
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


class Stripe:
    """Use `application()` while it is started. What it knows outlives it, in `state`."""

    def __init__(self, settings: StripeSettings, state: Path) -> None:
        self.objects = Objects(state / "objects.json", settings.origin)
        self.webhook = Webhook(settings.hook_url, settings.hook_host, settings.webhook_secret, self.objects)
        self.api = Api(self.objects, settings.secret_key)
        self._origin = settings.origin

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                *self.api.routes(),
                Route("/c/pay/{id}", self.payment_page, methods=["GET", "POST"]),
                Route("/receipts/{id}", self.receipt_page),
                Route("/test/payments/{id}", self.dashboard_page, methods=["GET", "POST"]),
                Route("/local/stripe", self.control, methods=["POST"]),
            ],
            exception_handlers={HTTPException: unknown_path},
        )

    def start(self) -> None:
        """Go on with the deliveries that have not succeeded."""
        self.webhook.resume()

    async def stop(self) -> None:
        await self.webhook.stop()

    # The payment page.

    async def payment_page(self, request: Request) -> Response:
        session = self.objects.get("checkout.session", request.path_params["id"])
        if session is None:
            raise HTTPException(404)
        if request.method == "GET" or session["status"] != "open":
            return self._pay_page(session, None)
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("card") == "declined":
            return self._pay_page(session, "Your card was declined.")
        self.pay(session, form.get("card") == "later")
        return RedirectResponse(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]), 303)

    def _pay_page(self, session: Json, error: str | None) -> Response:
        template = environment.get_template("pay.html")
        page = template.render(session=session, item=self.objects.item_of(session), error=error)
        return HTMLResponse(page, 402 if error else 200)

    def pay(self, session: Json, settles_later: bool) -> None:
        self.objects.pay(session, settles_later)
        self._tell("checkout.session.completed", session)
        if not settles_later:
            self._tell("charge.succeeded", self._charge_of(session))

    async def receipt_page(self, request: Request) -> Response:
        """A receipt as its payer sees it, kept up to date with what was refunded."""
        address = f"{self._origin}{request.url.path}"
        charges = self.objects.of("charge", receipt_url=address)
        if not charges:
            raise HTTPException(404)
        return HTMLResponse(environment.get_template("receipt.html").render(charge=charges[0]))

    async def dashboard_page(self, request: Request) -> Response:
        """A payment as an operator sees it in Stripe's dashboard, with the button that refunds it."""
        charges = self.objects.of("charge", payment_intent=request.path_params["id"])
        if not charges:
            raise HTTPException(404)
        error = None
        if request.method == "POST":
            try:
                self._refund(charges[0], None, "succeeded")
            except ApiError as refused:
                error = str(refused)
        template = environment.get_template("payment.html")
        return HTMLResponse(template.render(charge=charges[0], error=error), 400 if error else 200)

    # What is asked for at `/local/stripe`.

    async def control(self, request: Request) -> Response:
        asked = await request.json()
        try:
            return JSONResponse(getattr(self, f"do_{asked.pop('do')}")(**asked))
        except ApiError as error:
            return JSONResponse(error.content, error.status)

    def do_pay(self, session: str) -> Json:
        """A customer pays, and is gone before their browser comes back."""
        self.pay(self.objects.all[session], settles_later=False)
        return self.objects.all[session]

    def do_settle(self, session: str, succeeds: bool = True) -> Json:
        """End a payment that settles later."""
        item = self.objects.all[session]
        if succeeds:
            self.objects.settle(item)
        else:
            self.objects.fail(item)
        self._tell(f"checkout.session.async_payment_{'succeeded' if succeeds else 'failed'}", item)
        return item

    def do_refund(self, session: str, cents: int | None = None, status: str = "succeeded") -> Json:
        """Refund a payment, or all that is left of it; raises ApiError where Stripe refuses."""
        amount = None if cents is None else str(cents)
        return self._refund(self._charge_of(self.objects.all[session]), amount, status)

    def do_end_refund(self, refund: str, status: str) -> Json:
        """Let a refund that is pending succeed, or any fail or be canceled."""
        item = self.objects.all[refund]
        if item["status"] in RETURNED or status not in ("succeeded", *RETURNED):
            raise invalid(f"A refund that is {item['status']} can't become {status}.", "", "status")
        self.objects.end_refund(item, status)
        self._tell("refund.failed" if status == "failed" else "refund.updated", item)
        return item

    def do_dispute(self, session: str, cents: int | None = None, is_inquiry: bool = False) -> Json:
        """Dispute a payment or a part of it; what is refunded or disputed in full can't be disputed again."""
        charge = self._charge_of(self.objects.all[session])
        cents = charge["amount"] if cents is None else cents
        self._require_disputable(charge, cents)
        dispute = self.objects.dispute(charge, cents, is_inquiry)
        self._tell("charge.dispute.created", dispute)
        if not is_inquiry:
            self._tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def _require_disputable(self, charge: Json, cents: int, besides: str = "") -> None:
        others = sum(
            one["amount"] for one in self.objects.of("dispute", charge=charge["id"]) if one["id"] != besides
        )
        if charge["refunded"] or not 0 < cents <= charge["amount"] - others:
            raise invalid(f"{cents} of the charge {charge['id']} can't be disputed.", "", "amount")

    def do_change_dispute(self, dispute: str, cents: int) -> Json:
        """The bank corrects the amount of a dispute that is not closed."""
        item = self._open_dispute(dispute)
        self._require_disputable(self.objects.all[item["charge"]], cents, item["id"])
        self.objects.change_dispute(item, cents)
        self._tell("charge.dispute.updated", item)
        return item

    def do_escalate_dispute(self, dispute: str) -> Json:
        """A question of the bank's becomes a dispute."""
        item = self._open_dispute(dispute)
        if item["status"] != "warning_needs_response":
            raise invalid(f"A dispute that is {item['status']} can't be escalated.", "", "status")
        self.objects.escalate(item)
        self._tell("charge.dispute.funds_withdrawn", item)
        return item

    def do_close_dispute(self, dispute: str, won: bool, returned: int = 0) -> Json:
        """End a dispute: won it comes back in full, lost only in part or not at all; a question just ends."""
        item = self._open_dispute(dispute)
        withdrawn = -sum(moved["amount"] for moved in item["balance_transactions"])
        if item["status"] == "warning_needs_response":
            self.objects.close_dispute(item, "warning_closed", 0)
        else:
            self.objects.close_dispute(item, "won" if won else "lost", withdrawn if won else returned)
        self._tell("charge.dispute.closed", item)
        if len(item["balance_transactions"]) > 1:
            self._tell("charge.dispute.funds_reinstated", item)
        return item

    def _open_dispute(self, dispute: str) -> Json:
        item = self.objects.all[dispute]
        if item["status"] not in ("needs_response", "warning_needs_response"):
            raise invalid(f"The dispute {dispute} is closed.", "", "status")
        return item

    def do_session(self, parameters: Json, **fields: Any) -> Json:
        """A session in any state, as another system may have made it."""
        session = self.objects.add_session(parameters, **fields)
        self._tell("checkout.session.completed", session)
        return session

    def do_trouble(self, times: int, status: int = 500, seconds: float = 0) -> Json:
        self.api.trouble = Trouble(status, seconds, times)
        return {}

    def do_webhooks(self, copies: int = 1, paused: bool = False) -> Json:
        self.webhook.copies = copies
        if paused:
            self.webhook.is_paused = True
        else:
            self.webhook.resume()
        return {}

    def do_undelivered(self) -> list[str]:
        return self.objects.undelivered

    def do_list(self, kind: str) -> list[Json]:
        return self.objects.of(kind)

    def _refund(self, charge: Json, amount: str | None, status: str) -> Json:
        refund = self.api.refund(charge, amount, status)
        self._tell("charge.refunded", charge)
        return refund

    def _charge_of(self, session: Json) -> Json:
        return self.objects.of("charge", payment_intent=session["payment_intent"])[0]

    def _tell(self, type_: str, item: Json) -> None:
        event = self.objects.add_event(type_, item, stripe.api_version or "")
        self.objects.save()
        self.webhook.send(event)
