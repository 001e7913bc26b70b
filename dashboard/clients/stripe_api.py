"""Stripe, by its own SDK over the clients' `Fetch`.

Importing the SDK takes a fifth of a second: who asks for payments imports this module then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import stripe

from clients.http import Fetch, UnreachableError
from model.checkout import (
    CURRENCY,
    BadSignatureError,
    Checkout,
    Dispute,
    Event,
    PaymentsUnavailableError,
    Refund,
)
from model.json_text import read_json
from model.money import cents
from model.top_up import Order

RETRIES = 2
LONGEST_TITLE = 200
PAGE = 100  # the most that a list gives at once


@dataclass(frozen=True, slots=True)
class StripeApi:
    """Raises PaymentsUnavailableError. `webhook_secrets` are all that are valid while one is rotated."""

    fetch: Fetch
    api_url: str
    secret_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)

    @property
    def _client(self) -> Any:
        return stripe.StripeClient(
            self.secret_key,
            base_addresses={"api": self.api_url},
            http_client=FetchClient(self.fetch),
            max_network_retries=RETRIES,
        ).v1

    async def create_checkout(
        self, order: Order, page_url: str, success_url: str, idempotency_key: str
    ) -> tuple[str, str]:
        """Begin a top-up; return the session's id and its address.

        The account's page is at `page_url`. Of `success_url` Stripe fills in the session's id.
        """
        parameters = {
            **session_of(order),
            "success_url": success_url,
            "cancel_url": page_url,
        }
        options = {"idempotency_key": idempotency_key}
        session = await asked(self._client.checkout.sessions.create_async(parameters, options))
        return session.id, session.url

    async def checkout(self, session_id: str) -> Checkout | None:
        parameters = {"expand": ["payment_intent"]}
        session = await found(self._client.checkout.sessions.retrieve_async(session_id, parameters))
        return None if session is None else checkout_of(session)

    async def receipt_url(self, session_id: str) -> str | None:
        """Stripe's own receipt, which tells of refunds, too. Not to be kept: it is good for some weeks."""
        parameters = {"expand": ["payment_intent.latest_charge"]}
        session = await found(self._client.checkout.sessions.retrieve_async(session_id, parameters))
        intent = None if session is None else session.payment_intent
        charge = None if intent is None else intent.latest_charge
        return None if charge is None else charge.receipt_url

    async def checkout_of_intent(self, payment_intent: str) -> Checkout | None:
        """The session that made a payment; None for one that wasn't made by a session."""
        parameters = {"payment_intent": payment_intent, "expand": ["data.payment_intent"]}
        sessions = await asked(self._client.checkout.sessions.list_async(parameters))
        return next((checkout_of(session) for session in sessions.data), None)

    async def require(self) -> None:
        """Raise PaymentsUnavailableError unless the key may read sessions."""
        await asked(self._client.checkout.sessions.list_async({"limit": 1}))

    async def refunds(self, payment_intent: str) -> list[Refund]:
        """All refunds of a payment."""
        refunds = await asked(all_of(self._client.refunds, payment_intent))
        return [Refund(refund.id, refund.amount, refund.status) for refund in refunds]

    async def disputes(self, payment_intent: str) -> list[Dispute]:
        """All disputes of a payment."""
        return [dispute_of(item) for item in await asked(all_of(self._client.disputes, payment_intent))]

    def event(self, body: bytes, signature: str) -> Event | None:
        """Read a webhook; None for an event that is about nothing with an id. Raises BadSignatureError."""
        if not any(is_signed(body, signature, secret) for secret in self.webhook_secrets):
            raise BadSignatureError
        match read_json(body):
            case {"type": str(type_), "data": {"object": {"id": str(id_), **rest}}}:
                return Event(type_, id_, id_of(rest.get("payment_intent")))
        return None


def session_of(order: Order) -> dict[str, Any]:
    """What Stripe is told of a top-up, and shows its payer: the repository, where it serves, the amount."""
    metadata = {"app_id": order.account}
    if order.user_id is not None:
        metadata |= {"user_id": str(order.user_id)} | ({"anonymous": "yes"} if order.is_anonymous else {})
    title = shortened(order.title)
    product = {"name": f"Requests for {title}", "description": order.address}
    price = {"currency": CURRENCY, "unit_amount": order.cents, "product_data": product}
    words = f"{cents(order.cents)} is added to the balance that requests to {order.address} are charged to."
    return {
        "mode": "payment",
        "submit_type": "pay",
        "line_items": [{"price_data": price, "quantity": 1}],
        # Balances are in US dollars: Stripe is not to offer another currency.
        "adaptive_pricing": {"enabled": False},
        "client_reference_id": order.account,
        "custom_text": {"submit": {"message": words}},
        "metadata": metadata,
        "payment_intent_data": {
            "metadata": metadata,
            "description": f"Top-up of {title} ({order.account})",
        },
    }


def shortened(title: str) -> str:
    """A repository and directory, of which the latter can be longer than Stripe takes a description."""
    return title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"


class FetchClient(stripe.HTTPClient):
    """The SDK's way to the network."""

    name = "fetch"

    def __init__(self, fetch: Fetch) -> None:
        super().__init__()
        self._fetch = fetch

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            answer = await self._fetch(method.upper(), url, headers, post_data)
        except UnreachableError as error:
            raise unreachable(str(error)) from error
        if answer.json() is None:  # the SDK reads it without a bound
            raise unreachable("the answer is no JSON")
        return answer.body, answer.status, answer.headers

    async def sleep_async(self, secs: float) -> None:
        await asyncio.sleep(secs)


def unreachable(message: str) -> Exception:
    error: Exception = stripe.APIConnectionError(message, should_retry=True)  # type: ignore[no-untyped-call]
    return error


async def all_of(resource: Any, payment_intent: str) -> list[Any]:
    """What is listed of a payment, page after page."""
    first = await resource.list_async({"payment_intent": payment_intent, "limit": PAGE})
    return [item async for item in first.auto_paging_iter()]


async def asked(call: Any) -> Any:
    try:
        return await call
    except stripe.StripeError as error:
        raise failure(error) from error


async def found(call: Any) -> Any:
    """What was asked for, None when Stripe doesn't know it."""
    try:
        return await call
    except stripe.StripeError as error:
        if error.code == "resource_missing":
            return None
        raise failure(error) from error


def failure(error: stripe.StripeError) -> PaymentsUnavailableError:
    return PaymentsUnavailableError(f"{type(error).__name__}: {error.user_message}")


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    if not signature.isascii():  # which the SDK's comparison does not take
        return False
    try:
        return bool(
            stripe.WebhookSignature.verify_header(body, signature, secret, stripe.Webhook.DEFAULT_TOLERANCE)
        )
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False


def checkout_of(session: Any) -> Checkout:
    """Read a session whose payment intent is expanded."""
    intent = session.payment_intent
    metadata = session.metadata.to_dict() if session.metadata else {}
    user_id = metadata.get("user_id", "")
    return Checkout(
        id=session.id,
        mode=session.mode,
        status=session.status,
        payment_status=session.payment_status,
        currency=session.currency,
        amount_total=session.amount_total,
        account=metadata.get("app_id"),
        user_id=int(user_id) if user_id.isdecimal() else None,
        payment_intent=None if intent is None else intent.id,
        intent_status=None if intent is None else intent.status,
        is_anonymous=metadata.get("anonymous") == "yes",
    )


def dispute_of(dispute: Any) -> Dispute:
    moved = [one.amount for one in dispute.balance_transactions or [] if one.currency == CURRENCY]
    return Dispute(
        id=dispute.id,
        amount_cents=dispute.amount,
        status=dispute.status,
        withdrawn_cents=-sum(amount for amount in moved if amount < 0),
        reinstated_cents=sum(amount for amount in moved if amount > 0),
    )


def id_of(value: Any) -> str | None:
    """The id of something that may be expanded."""
    if value is None or isinstance(value, str):
        return value
    return str(value["id"])
