"""The queries on refunds and disputes: what each takes back now, and whether the objects have booked that.

Stripe numbers no answers, and two reports that overlap can read it at different moments and write in the
other order. So whoever is about to ask draws a version first, and an answer counts unless one of a later
version is known. Every change at Stripe is reported, so somebody draws a version after it: whoever drew a
later one has asked after the last change, too. A version that came to nothing is seen in `half_asked`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from model.checkout import Dispute, Refund
from model.payment import Payment, TakenBack
from store.accounts import TURN
from store.database import Database, Statement, Value
from store.sums import PAYMENTS, TAKEN, summed

SELECT = (
    "SELECT reversals.*, coalesce(site, app_id) AS account, payment_intent FROM reversals "
    "JOIN payments ON payments.id = payment_id"
)
# What is to be taken back from an account was credited to it before.
IS_DUE = "booked_version < version AND status = 'credited'"


@dataclass(frozen=True, slots=True)
class Reversal:
    """A row of `reversals` with the account of its payment. Amounts are US cents."""

    id: str
    payment_id: str
    payment_intent: str
    account: str
    amount_cents: int
    version: int
    tries: int
    failed_at: int | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class Reversals:
    """Times are milliseconds since 1970. Versions are, too: they rise even when a database is set back."""

    database: Database

    async def draw_version(self, payment_id: str, now: int) -> int:
        """Note that Stripe is about to be asked; return a version that is later than all before."""
        (row,) = await self.database.execute(
            "UPDATE payments SET asked_version = max(asked_version + 1, ?) WHERE id = ? "
            "RETURNING asked_version",
            *(now, payment_id),
        )
        return row["asked_version"]  # type: ignore[return-value]

    async def record(
        self, payment_id: str, version: int, refunds: Sequence[Refund], disputes: Sequence[Dispute], now: int
    ) -> None:
        """Note what each of a payment's reversals takes back, unless that is known of a later version.

        Those of a payment that was never credited are noted as booked: there is nothing to take back.
        """
        told = json.dumps(
            [{"id": one.id, "cents": one.taken_cents, "kind": "refund"} for one in refunds]
            + [{"id": one.id, "cents": one.taken_cents, "kind": "dispute"} for one in disputes]
        )
        taken: Statement = (
            "INSERT INTO reversals "
            "(id, payment_id, amount_cents, version, booked_version, created_at, kind) "
            "SELECT told.value ->> 'id', payments.id, told.value ->> 'cents', ?, "
            "CASE WHEN refund_reason = 'currency' THEN ? ELSE 0 END, ?, told.value ->> 'kind' "
            "FROM payments, json_each(?) AS told WHERE payments.id = ? AND known_version < ? "
            "ON CONFLICT (id) DO UPDATE SET amount_cents = excluded.amount_cents, "
            "version = excluded.version, booked_version = max(booked_version, excluded.booked_version), "
            "try_at = 0, tries = 0 WHERE amount_cents <> excluded.amount_cents",
            (version, version, now, told, payment_id, version),
        )
        await self.database.batch(
            *summed(PAYMENTS, "id = ?1", (payment_id,), taken),
            (
                f"UPDATE payments SET known_version = ?1, taken = {TAKEN} "  # noqa: S608
                "WHERE id = ?2 AND known_version < ?1",
                (version, payment_id),
            ),
        )

    async def of_payments(self, payments: Sequence[Payment]) -> list[TakenBack]:
        """The refunds and disputes of payments."""
        if not payments:
            return []
        rows = await self.database.execute(
            "SELECT payment_id, kind, amount_cents, created_at FROM reversals "
            "WHERE payment_id IN (SELECT value FROM json_each(?))",
            json.dumps([payment.id for payment in payments]),
        )
        return [TakenBack(**{name: row[name] for name in TakenBack.__slots__}) for row in rows]  # type: ignore[arg-type]

    async def half_asked(self, before: int, limit: int) -> list[str]:
        """Payment intents that Stripe was to be asked about before a time, without an answer until now."""
        rows = await self.database.execute(
            "SELECT payment_intent FROM payments WHERE known_version < asked_version AND asked_version < ? "
            "AND payment_intent IS NOT NULL ORDER BY asked_version LIMIT ?",
            *(before, limit),
        )
        return [str(row["payment_intent"]) for row in rows]

    async def due(self, now: int, limit: int) -> list[Reversal]:
        """What is to be booked and is not, those that have waited longest for their turn first."""
        return await self._reversals(f"{IS_DUE} AND try_at <= ? ORDER BY try_at LIMIT ?", now, limit)

    async def due_of(self, payment_id: str, limit: int) -> list[Reversal]:
        """The same of one payment, whoever's turn it is."""
        return await self._reversals(f"payment_id = ? AND {IS_DUE} LIMIT ?", payment_id, limit)

    async def mark_tried(self, reversal: Reversal, next_at: int) -> None:
        await self.database.execute(
            "UPDATE reversals SET tries = tries + 1, try_at = ? WHERE id = ?", next_at, reversal.id
        )

    async def mark_failed(self, reversal: Reversal, reason: str, now: int) -> None:
        await self.database.execute(
            "UPDATE reversals SET failed_at = ?, failure = ? WHERE id = ? AND booked_version < version",
            *(now, reason, reversal.id),
        )

    async def mark_booked(self, reversal: Reversal, now: int) -> None:
        await self.database.batch(
            (
                "UPDATE reversals SET booked_version = ?, failed_at = NULL, failure = NULL "
                "WHERE id = ? AND booked_version < ?",
                (reversal.version, reversal.id, reversal.version),
            ),
            (TURN, (now, reversal.account)),
        )

    async def failed(self, limit: int) -> list[Reversal]:
        """What the objects could not book, the latest first."""
        return await self._reversals(
            "reversals.failed_at IS NOT NULL ORDER BY reversals.failed_at DESC LIMIT ?", limit
        )

    async def _reversals(self, condition: str, *values: Value) -> list[Reversal]:
        rows = await self.database.execute(f"{SELECT} WHERE {condition}", *values)
        return [Reversal(**{name: row[name] for name in Reversal.__slots__}) for row in rows]  # type: ignore[arg-type]
