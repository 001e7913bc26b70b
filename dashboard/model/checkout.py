"""What Stripe says of payments, and what that means here.

After Stripe's "Fulfill orders" (Checkout), "Refunds" and "Disputes". Amounts are integers in US cents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{4,250}")
CURRENCY = "usd"
# paid: to be credited. processing: the customer is done, the money isn't there yet. failed: it won't come.
# currency: paid in another currency, nothing: there was nothing to pay; neither can be credited.
# foreign: not a top-up of this system.
State = Literal["open", "processing", "paid", "failed", "expired", "currency", "nothing", "foreign"]
# What Stripe gives the payment intent of a delayed payment (such as a bank debit) that came to nothing.
FAILED_INTENTS = frozenset({"requires_payment_method", "canceled"})


class PaymentsUnavailableError(Exception):
    """Stripe can't be asked now, or refused; nothing is lost, and it can be tried again."""


class PaymentsNotConfiguredError(Exception):
    """The operator has set up no payments; the message says so to people."""

    def __init__(self) -> None:
        super().__init__("The operator of this site has not set up payments.")


class BadSignatureError(Exception):
    """The webhook's signature is missing, wrong or old."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A Checkout Session; `account`, `user_id` and `is_anonymous` are what was written into its metadata."""

    id: str
    mode: str
    status: str | None
    payment_status: str
    currency: str | None
    amount_total: int | None
    account: str | None
    user_id: int | None
    payment_intent: str | None
    intent_status: str | None
    is_anonymous: bool = False

    @property
    def state(self) -> State:
        if self.mode != "payment" or not self.account:
            return "foreign"
        if self.status != "complete":
            return "expired" if self.status == "expired" else "open"
        if self.payment_status == "unpaid":
            return "failed" if self.intent_status in FAILED_INTENTS else "processing"
        if self.payment_status == "no_payment_required" or not self.amount_total:
            return "nothing"
        if self.payment_status != "paid":
            return "foreign"
        return "paid" if self.currency == CURRENCY else "currency"


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    amount_cents: int
    status: str | None

    @property
    def taken_cents(self) -> int:
        """What it takes back now: nothing once the money has come back to the operator."""
        return 0 if self.status in ("failed", "canceled") else self.amount_cents


@dataclass(frozen=True, slots=True)
class Dispute:
    """`withdrawn_cents` and `reinstated_cents` are what Stripe has moved because of it, if in US dollars.

    An operator whose Stripe account is in another currency has none: then the amount alone counts.
    """

    id: str
    amount_cents: int
    status: str
    withdrawn_cents: int
    reinstated_cents: int

    @property
    def taken_cents(self) -> int:
        """What it takes back now.

        With a `warning_…` there is only a question of the bank's: no money has moved. What is won comes back
        in full, what is lost in part at most. One that was prevented may have moved money or not.
        """
        if self.status.startswith("warning_") or self.status == "won":
            return 0
        if self.withdrawn_cents or self.status == "prevented":
            return max(0, min(self.amount_cents, self.withdrawn_cents - self.reinstated_cents))
        return self.amount_cents


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook's event: its type, and the id and payment intent of what it is about."""

    type: str
    object_id: str
    payment_intent: str | None
