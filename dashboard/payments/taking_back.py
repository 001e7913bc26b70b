"""Taking back what was refunded or disputed, and giving back what came back of it.

Stripe says what each refund and dispute of a payment takes back now: that is noted in D1, and the app's
object books the difference to what it has booked of it. Reports only name the payment. Both steps go by the
versions of `store/reversals.py`, so they can be repeated, by anyone, in any order and any overlap, and the
cron trigger finishes what a death left undone. What can't be booked holds up nothing else: it is tried again
later and later, after what has waited longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from clients.billing import Billing, BillingUnavailableError
from model.batch import OnFailure, each
from model.checkout import Dispute, Refund
from model.limits import DAY_MS
from model.payment import Payment
from payments.fulfilment import Fulfilment
from store.payments import Payments
from store.reversals import Reversal, Reversals

BOOKED_AT_ONCE = 50
PAYMENTS_ASKED_AT_ONCE = 20
FIRST_PAUSE_MS = 120_000
LONGEST_PAUSE_MS = DAY_MS
MOST_DOUBLINGS = 10  # beyond which a pause is the longest anyway


class Stripe(Protocol):
    """What is asked of Stripe; see `clients/stripe_api.py`."""

    async def refunds(self, payment_intent: str) -> list[Refund]: ...
    async def disputes(self, payment_intent: str) -> list[Dispute]: ...


@dataclass(frozen=True, slots=True)
class TakingBack:
    """`stripe` connects to it. Times are milliseconds since 1970."""

    payments: Payments
    reversals: Reversals
    fulfilment: Fulfilment
    billing: Billing
    stripe: Callable[[], Stripe]

    async def follow(self, payment_intent: str, now: int) -> None:
        """Have a payment's refunds and disputes count as they are now.

        Raises PaymentsUnavailableError, and BillingUnavailableError if the payment itself can't be credited:
        then it is to be repeated. A reversal that can't be booked is noted and tried again by `finish`.
        """
        payment = await self._payment_of(payment_intent, now)
        if payment is None:
            return
        await self._ask(payment, payment_intent, now)
        for reversal in await self.reversals.due_of(payment.id, BOOKED_AT_ONCE):
            await self._book(reversal, now)

    async def finish(self, now: int, asked_before: int, on_failure: OnFailure) -> None:
        """Ask again where no answer came, and book what is due; everything else goes on when one fails."""

        async def book(reversal: Reversal) -> None:
            failure = await self._book(reversal, now)
            if failure is not None:
                raise failure

        half_asked = await self.reversals.half_asked(asked_before, PAYMENTS_ASKED_AT_ONCE)
        await each(half_asked, str, lambda intent: self.follow(intent, now), on_failure)
        due = await self.reversals.due(now, BOOKED_AT_ONCE)
        await each(due, lambda reversal: reversal.id, book, on_failure)

    async def _payment_of(self, payment_intent: str, now: int) -> Payment | None:
        """The payment, which may be heard of here first."""
        payment = await self.payments.of_intent(payment_intent)
        if payment is not None:
            return payment
        session_id = await self.fulfilment.session_of_intent(payment_intent)
        return None if session_id is None else await self.fulfilment.fulfil(session_id, now)

    async def _ask(self, payment: Payment, payment_intent: str, now: int) -> None:
        version = await self.reversals.draw_version(payment.id, now)
        stripe = self.stripe()
        refunds, disputes = await stripe.refunds(payment_intent), await stripe.disputes(payment_intent)
        await self.reversals.record(payment.id, version, refunds, disputes, now)

    async def _book(self, reversal: Reversal, now: int) -> BillingUnavailableError | None:
        """Book a reversal; return why it can't be. Its next turn is noted before this one may hang or die."""
        await self.reversals.mark_tried(reversal, now + pause_ms(reversal.tries))
        try:
            await self.billing.set_reversal(
                reversal.account, reversal.id, reversal.amount_cents, reversal.version
            )
        except BillingUnavailableError as error:
            await self.reversals.mark_failed(reversal, error.reason, now)
            return error
        await self.reversals.mark_booked(reversal, now)
        return None


def pause_ms(tries: int) -> int:
    """How long to wait after so many tries in vain."""
    return min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(tries, MOST_DOUBLINGS))
