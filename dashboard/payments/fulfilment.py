"""Crediting what was paid, exactly once.

Webhooks and the success page only name what changed; the facts come from Stripe. They are noted in D1 first,
and then booked in the account's object under Stripe's own id, which books each id once. So every step can be
repeated, by anyone, in any order, and the cron trigger finishes what a crash left undone.

What was paid and can't be credited, or was credited to what can't be served, is noted to be refunded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clients.billing import Billing, BillingUnavailableError
from model.checkout import Checkout
from model.limits import DAY_MS
from model.payment import Payment
from store.payments import Payments

# Stripe knows a session for longer; a key of another account that was set by mistake is noticed before.
UNKNOWN_MS = 30 * DAY_MS


class Stripe(Protocol):
    """What is asked of Stripe; see `clients/stripe_api.py`."""

    async def checkout(self, session_id: str) -> Checkout | None: ...
    async def checkout_of_intent(self, payment_intent: str) -> Checkout | None: ...


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """`stripe` connects to it. Times are milliseconds since 1970.

    Raises PaymentsUnavailableError and BillingUnavailableError: then it is to be repeated.
    """

    payments: Payments
    billing: Billing
    stripe: Callable[[], Stripe]

    async def fulfil(self, session_id: str, now: int) -> Payment | None:
        """Credit a session if it is paid; return how far it is, None if it is no top-up of this system."""
        checkout = await self.stripe().checkout(session_id)
        account = None if checkout is None or checkout.state == "foreign" else checkout.account
        if checkout is None or account is None or not await self.payments.has_account(account):
            await self.payments.give_up(session_id, now - UNKNOWN_MS)
            return None
        await self._follow(checkout, account, now)
        return await self.payments.get(session_id)

    async def session_of_intent(self, payment_intent: str) -> str | None:
        """The session that made a payment; None for one that wasn't made by a session."""
        checkout = await self.stripe().checkout_of_intent(payment_intent)
        return None if checkout is None else checkout.id

    async def _follow(self, checkout: Checkout, account: str, now: int) -> None:
        match checkout.state:
            case "paid":
                await self._credit(checkout, account, now)
            case "currency" | "nothing":
                await self.payments.record_uncredited(checkout, checkout.state, now)
            case "processing" | "failed" | "expired":
                await self.payments.add_open(checkout.id, account, now)
                await self.payments.mark(checkout.id, checkout.state)

    async def _credit(self, checkout: Checkout, account: str, now: int) -> None:
        assert checkout.amount_total is not None
        await self.payments.record_paid(checkout, now)
        try:
            await self.billing.add_funds(account, checkout.id, checkout.amount_total)
        except BillingUnavailableError as error:
            await self.payments.mark_failed(checkout.id, error.reason, now)
            raise
        await self.payments.mark_credited(checkout.id, account, now)
