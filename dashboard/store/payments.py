"""The queries on payments, refunds and disputes. Times are milliseconds since 1970, amounts US cents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.checkout import Checkout
from store.database import Database, Row, Value

PaymentStatus = Literal["open", "processing", "paid", "credited", "expired", "failed"]
SELECT = (
    "SELECT payments.*, login, coalesce((SELECT sum(adjustments.amount_cents) FROM adjustments "
    "WHERE payment_id = payments.id), 0) AS adjusted_cents "
    "FROM payments LEFT JOIN users ON users.id = user_id"
)


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of `payments` with the payer's login, and the sum of its adjustments (negative: taken back)."""

    id: str
    app_id: str
    login: str | None
    status: PaymentStatus
    amount_cents: int | None
    adjusted_cents: int
    created_at: int
    paid_at: int | None

    @property
    def word(self) -> str:
        """The status as people read it."""
        if self.amount_cents is None:
            return self.status
        if self.adjusted_cents <= -self.amount_cents:
            return "taken back"
        if self.adjusted_cents < 0:
            return "partly taken back"
        return "credited" if self.status == "credited" else "processing"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Funds taken back from an app (negative), or returned to it."""

    id: str
    app_id: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Payments:
    database: Database

    async def add_open(self, session_id: str, app_id: str, user_id: int | None, now: int) -> None:
        await self.database.execute(
            "INSERT INTO payments (id, app_id, user_id, status, created_at) VALUES (?, ?, ?, 'open', ?) "
            "ON CONFLICT DO NOTHING",
            *(session_id, app_id, user_id, now),
        )

    async def record_paid(self, checkout: Checkout, now: int) -> None:
        """Note that a session is paid, once; whether or not it was noted when it was opened."""
        await self.database.execute(
            "INSERT INTO payments (id, app_id, user_id, status, amount_cents, payment_intent, created_at, "
            "paid_at) VALUES (?, ?, (SELECT id FROM users WHERE id = ?), 'paid', ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET status = 'paid', amount_cents = excluded.amount_cents, "
            "payment_intent = excluded.payment_intent, paid_at = excluded.paid_at "
            "WHERE status NOT IN ('paid', 'credited')",
            *(checkout.id, checkout.app_id, checkout.user_id, checkout.amount_total),
            *(checkout.payment_intent, now, now),
        )

    async def mark(self, session_id: str, status: PaymentStatus) -> None:
        """Note how far a session is that isn't paid."""
        await self.database.execute(
            "UPDATE payments SET status = ? WHERE id = ? AND status NOT IN ('paid', 'credited')",
            *(status, session_id),
        )

    async def mark_credited(self, session_id: str) -> None:
        await self.database.execute(
            "UPDATE payments SET status = 'credited' WHERE id = ? AND status = 'paid'", session_id
        )

    async def mark_asked(self, session_id: str, now: int) -> None:
        await self.database.execute("UPDATE payments SET asked_at = ? WHERE id = ?", now, session_id)

    async def get(self, session_id: str) -> Payment | None:
        return await self._first("payments.id = ?", session_id)

    async def of_intent(self, payment_intent: str) -> Payment | None:
        return await self._first("payment_intent = ?", payment_intent)

    async def of_app(self, app_id: str, limit: int) -> list[Payment]:
        """What was paid, or is about to be, newest first."""
        return await self._payments(
            "app_id = ? AND status IN ('processing', 'paid', 'credited') ORDER BY created_at DESC LIMIT ?",
            *(app_id, limit),
        )

    async def of_user(self, user_id: int, limit: int) -> list[Payment]:
        """A user's payments, of any status but those that were never finished, newest first."""
        return await self._payments(
            "user_id = ? AND status NOT IN ('open', 'expired') ORDER BY created_at DESC LIMIT ?",
            *(user_id, limit),
        )

    async def too_late(self, limit: int) -> list[Payment]:
        """Payments for apps that were deleted by then, to be refunded."""
        return await self._payments(
            "paid_at >= (SELECT deleted_at FROM apps WHERE apps.id = app_id) "
            "AND adjusted_cents > -amount_cents ORDER BY paid_at DESC LIMIT ?",
            limit,
        )

    async def total_cents(self) -> int:
        """What was paid in all, less what was taken back."""
        ((row),) = await self.database.execute(
            "SELECT coalesce((SELECT sum(amount_cents) FROM payments), 0) "
            "+ coalesce((SELECT sum(amount_cents) FROM adjustments), 0) AS cents"
        )
        return row["cents"]  # type: ignore[return-value]

    async def unfinished(self, before: int, open_before: int, limit: int) -> list[str]:
        """Sessions that may still be credited and that Stripe was not asked about since a time.

        Those that nobody has paid yet, most of which nobody will, come last and have a time of their own.
        """
        rows = await self.database.execute(
            "SELECT id FROM payments WHERE status IN ('open', 'processing', 'paid') AND created_at < ? "
            "AND asked_at < CASE status WHEN 'open' THEN ? ELSE ? END "
            "ORDER BY status = 'open', asked_at LIMIT ?",
            *(before, open_before, before, limit),
        )
        return [str(row["id"]) for row in rows]

    # Refunds and disputes.

    async def add_adjustment(self, id_: str, payment: Payment, kind: str, cents: int, now: int) -> None:
        await self.database.execute(
            "INSERT INTO adjustments (id, payment_id, kind, amount_cents, created_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            *(id_, payment.id, kind, cents, now),
        )

    async def add_return(self, id_: str, of: str, payment: Payment, kind: str, cents: int, now: int) -> None:
        """Note that what an adjustment took back was returned; nothing if there was no such adjustment."""
        await self.database.execute(
            "INSERT INTO adjustments (id, payment_id, kind, amount_cents, created_at) SELECT ?, ?, ?, ?, ? "
            "WHERE EXISTS (SELECT 1 FROM adjustments WHERE id = ?) ON CONFLICT DO NOTHING",
            *(id_, payment.id, kind, cents, now, of),
        )

    async def unapplied(self, limit: int) -> list[Adjustment]:
        """What the objects have not booked yet, oldest first."""
        rows = await self.database.execute(
            "SELECT adjustments.id, app_id, adjustments.amount_cents FROM adjustments "
            "JOIN payments ON payments.id = payment_id WHERE applied_at IS NULL "
            "ORDER BY adjustments.created_at, adjustments.id LIMIT ?",
            limit,
        )
        return [Adjustment(row["id"], row["app_id"], row["amount_cents"]) for row in rows]  # type: ignore[arg-type]

    async def mark_applied(self, id_: str, now: int) -> None:
        await self.database.execute(
            "UPDATE adjustments SET applied_at = ? WHERE id = ? AND applied_at IS NULL", now, id_
        )

    async def _first(self, condition: str, *values: Value) -> Payment | None:
        return next(iter(await self._payments(condition, *values)), None)

    async def _payments(self, condition: str, *values: Value) -> list[Payment]:
        rows = await self.database.execute(f"{SELECT} WHERE {condition}", *values)
        return [payment_of(row) for row in rows]


def payment_of(row: Row) -> Payment:
    names = ("id", "app_id", "login", "status", "amount_cents", "adjusted_cents", "created_at", "paid_at")
    return Payment(**{name: row[name] for name in names})  # type: ignore[arg-type]
