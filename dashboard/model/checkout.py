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
# foreign: not a top-up of this system.
State = Literal["open", "processing", "paid", "failed", "expired", "foreign"]
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
    """A Checkout Session; `app_id` and `user_id` are what this system wrote into its metadata."""

    id: str
    mode: str
    status: str | None
    payment_status: str
    currency: str | None
    amount_total: int | None
    app_id: str | None
    user_id: int | None
    payment_intent: str | None
    intent_status: str | None

    @property
    def state(self) -> State:
        if self.mode != "payment" or not self.app_id or self.currency not in (CURRENCY, None):
            return "foreign"
        if self.status != "complete":
            return "expired" if self.status == "expired" else "open"
        if self.payment_status == "unpaid":
            return "failed" if self.intent_status in FAILED_INTENTS else "processing"
        if self.payment_status != "paid":
            return "foreign"
        return "paid" if self.currency == CURRENCY and self.amount_total else "foreign"


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    amount_cents: int
    status: str | None

    @property
    def has_failed(self) -> bool:
        """The money came back to the operator."""
        return self.status in ("failed", "canceled")


@dataclass(frozen=True, slots=True)
class Dispute:
    id: str
    amount_cents: int
    status: str
    payment_intent: str | None

    @property
    def is_inquiry(self) -> bool:
        """A question of the bank's before there is a dispute: no money has moved."""
        return self.status.startswith("warning_")

    @property
    def is_won(self) -> bool:
        """The money came back to the operator."""
        return self.status == "won"


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook's event: its type, and the id and payment intent of what it is about."""

    type: str
    object_id: str
    payment_intent: str | None
