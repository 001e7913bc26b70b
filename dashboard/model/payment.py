"""A payment as it is known here, and what refunds and disputes took back of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model.money import amount, cents

PaymentStatus = Literal["open", "processing", "paid", "credited", "expired", "failed"]
# Why a payment has to be refunded: its app was deleted, its app's Worker is missing, or it was in another
# currency than balances are. Where there was nothing to pay the operator is told all the same.
RefundReason = Literal["deleted", "missing", "currency", "nothing"]
ReversalKind = Literal["refund", "dispute"]
# What people read of one that takes something back, and of one that doesn't or no longer does.
REVERSAL_WORDS = {
    "refund": ("refunded", "came back to us"),
    "dispute": ("taken back by the bank", "takes nothing"),
}


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of `payments` with the payer's login, and what its refunds and disputes took back.

    `account` is named as the site or the app that it is for. `login` is shown to others unless it
    `is_anonymous`. `asked_cents` were to be paid, `wanted` is the path that the payer wanted to see.

    `currency` and `paid_amount`, in the currency's smallest unit, are of one that could not be credited;
    `taken_back` and `disputed`, a part of it, are in cents, or in that unit. `failure` is why the object
    could not book it. `came_suspended`: it came when its account was suspended, and still is.
    """

    id: str
    account: str
    site: str | None
    login: str | None
    is_anonymous: int
    wanted: str | None
    asked_cents: int | None
    status: PaymentStatus
    amount_cents: int | None
    taken_back: int
    disputed: int
    payment_intent: str | None
    created_at: int
    paid_at: int | None
    refund_reason: RefundReason | None
    currency: str | None
    paid_amount: int | None
    failed_at: int | None
    failure: str | None
    came_suspended: int

    @property
    def page(self) -> str:
        """The path of the page of what it is for."""
        return f"/apps/{self.account}" if self.site is None else f"/sites/{self.account}"

    @property
    def own_page(self) -> str:
        """The path of its own page, which its payer knows and nobody else."""
        return f"/checkout-sessions/{self.id}/success"

    @property
    def shown_login(self) -> str | None:
        """Whose payment it is, as far as that is for others to know."""
        return None if self.is_anonymous else self.login

    @property
    def at(self) -> int:
        return self.paid_at or self.created_at

    @property
    def paid(self) -> int | None:
        """In cents, or in the smallest unit of another currency."""
        return self.amount_cents if self.amount_cents is not None else self.paid_amount

    @property
    def amount(self) -> str:
        if self.amount_cents is not None:
            return cents(self.amount_cents)
        if self.paid_amount:
            return amount(self.paid_amount, self.currency)
        return cents(self.asked_cents) if self.asked_cents and self.refund_reason is None else "–"

    @property
    def word(self) -> str:
        """The status as people read it."""
        paid = self.paid
        if paid is None:
            return self.status
        if self.taken_back > 0:
            word = "disputed" if self.disputed else "refunded"
            return word if self.is_taken_back else f"partly {word}"
        if self.amount_cents is None or self.refund_reason is not None or self.came_suspended:
            return "not credited" if paid == 0 else "to be refunded"
        return "credited" if self.status == "credited" else "processing"

    @property
    def is_taken_back(self) -> bool:
        return 0 < (self.paid or 0) <= self.taken_back

    @property
    def is_on_its_way(self) -> bool:
        return self.refund_reason is None and self.status in ("processing", "paid")


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A refund or dispute of a payment, with what it takes back now, and when it was first heard of."""

    payment_id: str
    kind: ReversalKind
    amount_cents: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Line:
    """What a list of payments has in one row. `cents` are None where they are no US dollars."""

    at: int
    what: Literal["payment", "refund", "dispute"]
    word: str
    amount: str
    cents: int | None
    payment: Payment


def statement(payments: Sequence[Payment], taken_back: Sequence[TakenBack]) -> list[Line]:
    """Payments and what was taken back of them, each in a row of its own, the latest first."""
    by_id = {payment.id: payment for payment in payments}
    lines = [
        Line(payment.at, "payment", payment.word, payment.amount, payment.amount_cents, payment)
        for payment in payments
    ]
    lines += [line_of(one, by_id[one.payment_id]) for one in taken_back]
    return sorted(lines, key=lambda line: line.at, reverse=True)


def line_of(taken: TakenBack, payment: Payment) -> Line:
    """Of one in another currency, the amounts are in its smallest unit."""
    takes, takes_not = REVERSAL_WORDS[taken.kind]
    word = takes if taken.amount_cents else takes_not
    if payment.amount_cents is None:
        text = f"-{amount(taken.amount_cents, payment.currency)}"
        return Line(taken.created_at, taken.kind, word, text, None, payment)
    text = cents(-taken.amount_cents)
    return Line(taken.created_at, taken.kind, word, text, -taken.amount_cents, payment)
