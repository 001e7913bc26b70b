"""Crediting what was paid, exactly once, and taking back what was refunded or disputed.

Webhooks and the success page only name what changed; the facts come from Stripe. They are noted in D1 first,
and then booked in the app's object under Stripe's own id, which books each id once. So every step can be
repeated, by anyone, in any order, and the cron trigger finishes what a crash left undone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clients.billing import Billing
from model.checkout import Checkout, Dispute, Refund
from store.apps import Apps
from store.payments import Payment, Payments

ADJUSTMENTS_AT_ONCE = 50


class Stripe(Protocol):
    """What is asked of Stripe; see `clients/stripe_api.py`."""

    async def checkout(self, session_id: str) -> Checkout | None: ...
    async def checkout_of_intent(self, payment_intent: str) -> Checkout | None: ...
    async def refunds(self, payment_intent: str) -> list[Refund]: ...
    async def dispute(self, dispute_id: str) -> Dispute | None: ...


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """`stripe` connects to it. Times are milliseconds since 1970.

    Raises PaymentsUnavailableError and BillingUnavailableError: then it is to be repeated.
    """

    apps: Apps
    payments: Payments
    billing: Billing
    stripe: Callable[[], Stripe]

    async def fulfil(self, session_id: str, now: int) -> Payment | None:
        """Credit a session if it is paid; return how far it is, None if it is no top-up of this system."""
        checkout = await self.stripe().checkout(session_id)
        if checkout is None or checkout.state == "foreign" or checkout.app_id is None:
            return None
        if await self.apps.get(checkout.app_id) is None:
            return None
        await self._follow(checkout, checkout.app_id, now)
        return await self.payments.get(session_id)

    async def _follow(self, checkout: Checkout, app_id: str, now: int) -> None:
        match checkout.state:
            case "paid":
                assert checkout.amount_total is not None
                await self.payments.record_paid(checkout, now)
                await self.billing.add_funds(app_id, checkout.id, checkout.amount_total)
                await self.payments.mark_credited(checkout.id)
            case "processing" | "failed" | "expired":
                await self.payments.add_open(checkout.id, app_id, None, now)
                await self.payments.mark(checkout.id, checkout.state)

    async def take_refunds_back(self, payment_intent: str, now: int) -> None:
        """Book the refunds of a payment, and what came back of those that failed."""
        payment = await self._payment_of(payment_intent, now)
        if payment is None:
            return
        for refund in await self.stripe().refunds(payment_intent):
            if not refund.has_failed:
                await self.payments.add_adjustment(refund.id, payment, "refund", -refund.amount_cents, now)
            else:
                await self.payments.add_return(
                    f"{refund.id}-failed", refund.id, payment, "refund", refund.amount_cents, now
                )
        await self.apply_adjustments(now)

    async def take_dispute_back(self, dispute_id: str, now: int) -> None:
        """Book a dispute, and what came back of one that was won."""
        dispute = await self.stripe().dispute(dispute_id)
        if dispute is None or dispute.is_inquiry or dispute.payment_intent is None:
            return
        payment = await self._payment_of(dispute.payment_intent, now)
        if payment is None:
            return
        await self.payments.add_adjustment(dispute.id, payment, "dispute", -dispute.amount_cents, now)
        if dispute.is_won:
            await self.payments.add_adjustment(
                f"{dispute.id}-won", payment, "dispute", dispute.amount_cents, now
            )
        await self.apply_adjustments(now)

    async def _payment_of(self, payment_intent: str, now: int) -> Payment | None:
        """The payment, which may be heard of here first."""
        payment = await self.payments.of_intent(payment_intent)
        if payment is not None:
            return payment
        checkout = await self.stripe().checkout_of_intent(payment_intent)
        return None if checkout is None else await self.fulfil(checkout.id, now)

    async def apply_adjustments(self, now: int) -> None:
        """Have the objects book what they haven't."""
        for adjustment in await self.payments.unapplied(ADJUSTMENTS_AT_ONCE):
            await self.billing.add_funds(adjustment.app_id, adjustment.id, adjustment.amount_cents)
            await self.payments.mark_applied(adjustment.id, now)
