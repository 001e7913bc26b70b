"""The queries on payments. Times are milliseconds since 1970, amounts US cents."""

from __future__ import annotations

from dataclasses import dataclass

from model.checkout import Checkout
from model.payment import Payment, PaymentStatus, RefundReason
from model.top_up import Order
from store.accounts import TURN
from store.database import Database, Row, Statement, Value
from store.sums import PAYMENTS, summed

# What can still change, as the index says it.
IS_UNFINISHED = "status IN ('open', 'processing', 'paid')"
# Of an account's name, ?2: the site, and the version that it has now; or the app.
SITE = "(SELECT sites.name FROM sites WHERE sites.name = ?2)"
APP = (
    "coalesce((SELECT site_events.app_id FROM site_events WHERE site_events.site = ?2 "
    "AND site_events.app_id IS NOT NULL ORDER BY at DESC LIMIT 1), ?2)"
)
SELECT = (
    "SELECT payments.*, coalesce(payments.site, payments.app_id) AS account, login, "
    "coalesce((SELECT sum(reversals.amount_cents) FROM reversals "
    "WHERE payment_id = payments.id), 0) AS taken_back, "
    "coalesce((SELECT sum(reversals.amount_cents) FROM reversals "
    "WHERE payment_id = payments.id AND kind = 'dispute'), 0) AS disputed, "
    "coalesce(amount_cents, paid_amount) AS paid, "
    "CASE WHEN payments.site IS NULL THEN EXISTS (SELECT 1 FROM (SELECT at AS since FROM suspended_apps "
    "WHERE suspended_apps.app_id = payments.app_id LIMIT -1) WHERE since <= paid_at) "
    "ELSE EXISTS (SELECT 1 FROM suspended_sites WHERE suspended_sites.site = payments.site "
    "AND suspended_sites.at <= paid_at) END AS came_suspended "
    "FROM payments LEFT JOIN users ON users.id = user_id"
)
# Of what has to be refunded, by an index each: what is not, and where there was nothing to pay.
LATEST = (
    "SELECT id FROM (SELECT id FROM payments INDEXED BY {index} WHERE refund_reason IS NOT NULL "
    "AND {which} ORDER BY created_at DESC LIMIT ?2)"
)
OPEN_REFUNDS = LATEST.format(index="open_refunds", which="taken < coalesce(amount_cents, paid_amount)")
NOTHING_PAID = LATEST.format(
    index="nothing_paid", which="coalesce(amount_cents, paid_amount) = 0 AND created_at >= ?1"
)


@dataclass(frozen=True, slots=True)
class Payments:
    database: Database

    async def has_account(self, name: str) -> bool:
        """Whether there is, or was, an app or a site that is named so."""
        rows = await self.database.execute(
            "SELECT id FROM apps WHERE id = ?1 UNION ALL SELECT name FROM sites WHERE name = ?1", name
        )
        return bool(rows)

    async def add_open(self, session_id: str, account: str, now: int, order: Order | None = None) -> None:
        """Note a session that was begun; without an `order` one that is heard of first here."""
        user_id, is_anonymous, wanted, cents = (
            (order.user_id, order.is_anonymous, order.wanted, order.cents)
            if order
            else (None, False, None, None)
        )
        await self._change(
            session_id,
            "INSERT INTO payments (id, app_id, site, user_id, status, created_at, is_anonymous, wanted, "  # noqa: S608
            f"asked_cents) VALUES (?1, {APP}, {SITE}, ?3, 'open', ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
            *(session_id, account, user_id, now, int(is_anonymous), wanted, cents),
        )

    async def record_paid(self, checkout: Checkout, now: int) -> None:
        """Note that a session is paid, once; whether or not it was noted when it was opened."""
        await self._change(
            checkout.id,
            "INSERT INTO payments (id, app_id, site, user_id, status, amount_cents, payment_intent, "  # noqa: S608
            f"created_at, paid_at, is_anonymous) VALUES (?1, {APP}, {SITE}, "
            "(SELECT id FROM users WHERE id = ?3), 'paid', ?4, ?5, ?6, ?6, ?7) "
            "ON CONFLICT (id) DO UPDATE SET status = 'paid', amount_cents = excluded.amount_cents, "
            "payment_intent = excluded.payment_intent, paid_at = excluded.paid_at "
            "WHERE status NOT IN ('paid', 'credited')",
            *(checkout.id, checkout.account, checkout.user_id, checkout.amount_total),
            *(checkout.payment_intent, now, int(checkout.is_anonymous)),
        )

    async def record_uncredited(self, checkout: Checkout, reason: RefundReason, now: int) -> None:
        """Note that a session is over and can't be credited, once."""
        await self._change(
            checkout.id,
            "INSERT INTO payments (id, app_id, site, user_id, status, refund_reason, currency, "  # noqa: S608
            f"paid_amount, payment_intent, created_at, is_anonymous) VALUES (?1, {APP}, {SITE}, "
            "(SELECT id FROM users WHERE id = ?3), 'failed', ?4, ?5, ?6, ?7, ?8, ?9) "
            "ON CONFLICT (id) DO UPDATE SET status = 'failed', refund_reason = excluded.refund_reason, "
            "currency = excluded.currency, paid_amount = excluded.paid_amount, "
            "payment_intent = excluded.payment_intent "
            "WHERE status NOT IN ('paid', 'credited') AND refund_reason IS NULL",
            *(checkout.id, checkout.account, checkout.user_id, reason, checkout.currency),
            *(checkout.amount_total or 0, checkout.payment_intent, now, int(checkout.is_anonymous)),
        )

    async def mark(self, session_id: str, status: PaymentStatus) -> None:
        """Note how far a session is that isn't paid."""
        await self._change(
            session_id,
            "UPDATE payments SET status = ? WHERE id = ? AND status NOT IN ('paid', 'credited') "
            "AND refund_reason IS NULL",
            *(status, session_id),
        )

    async def mark_credited(self, session_id: str, account: str, now: int) -> None:
        """Note that an account's object has booked a payment, and whether it was for what can't be served.

        What is deleted is marked so before its account is closed: what is booked later is noted so. A site
        whose Worker is missing can serve another from its balance.
        """
        credited: Statement = (
            "UPDATE payments SET status = 'credited', failed_at = NULL, failure = NULL, refund_reason = "
            "CASE WHEN site IS NULL THEN (SELECT CASE WHEN deleted_at IS NOT NULL THEN 'deleted' "
            "WHEN missing_since IS NOT NULL THEN 'missing' END FROM apps WHERE apps.id = app_id) "
            "ELSE (SELECT 'deleted' FROM sites WHERE sites.name = site AND deleted_at IS NOT NULL) END "
            "WHERE id = ? AND status = 'paid'",
            (session_id,),
        )
        await self.database.batch(
            *summed(PAYMENTS, "id = ?1", (session_id,), credited), (TURN, (now, account))
        )

    async def mark_failed(self, session_id: str, reason: str, now: int) -> None:
        """Note that the object could not book a payment."""
        await self.database.execute(
            "UPDATE payments SET failed_at = ?, failure = ? WHERE id = ? AND status = 'paid'",
            *(now, reason, session_id),
        )

    async def give_up(self, session_id: str, before: int) -> None:
        """End a session that Stripe doesn't know as one of ours, if it was begun before a time."""
        await self._change(
            session_id,
            "UPDATE payments SET status = 'expired' "
            "WHERE id = ? AND status IN ('open', 'processing') AND created_at < ?",
            *(session_id, before),
        )

    async def forget_expired(self, before: int) -> None:
        """Forget sessions that were begun before a time and in which nobody paid: anyone can begin one."""
        those = "status = 'expired' AND created_at < ?1 AND payment_intent IS NULL"
        forgotten: Statement = (f"DELETE FROM payments WHERE {those}", (before,))  # noqa: S608
        await self.database.batch(*summed(PAYMENTS, those, (before,), forgotten))

    async def forget_ways_back(self, before: int) -> None:
        """Forget what payers wanted to see, of sessions that were begun before a time."""
        await self.database.execute(
            "UPDATE payments SET wanted = NULL WHERE wanted IS NOT NULL AND created_at < ?", before
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
            "app_id = ? AND site IS NULL AND status IN ('processing', 'paid', 'credited') "
            "ORDER BY created_at DESC LIMIT ?",
            *(app_id, limit),
        )

    async def of_site(self, name: str, limit: int) -> list[Payment]:
        """The same of a site."""
        return await self._payments(
            "site = ? AND status IN ('processing', 'paid', 'credited') ORDER BY created_at DESC LIMIT ?",
            *(name, limit),
        )

    async def kept(self, account: str, is_site: bool, limit: int) -> list[Payment]:
        """What was credited to an account and not all taken back, newest first."""
        whose = "payments.site = ?" if is_site else "payments.app_id = ? AND payments.site IS NULL"
        return await self._payments(
            f"{whose} AND status = 'credited' AND taken_back < paid ORDER BY created_at DESC LIMIT ?",
            *(account, limit),
        )

    async def of_user(self, user_id: int, limit: int) -> list[Payment]:
        """A user's payments, of any status but those that were never finished, newest first."""
        return await self._payments(
            "user_id = ? AND status NOT IN ('open', 'expired') ORDER BY created_at DESC LIMIT ?",
            *(user_id, limit),
        )

    async def to_refund(self, nothing_since: int, limit: int) -> list[Payment]:
        """Payments that have to be refunded and are not, the latest first.

        Those without anything to refund are listed if they are newer than a time.
        """
        return await self._payments(
            f"payments.id IN ({OPEN_REFUNDS} UNION ALL {NOTHING_PAID}) "
            "AND (taken_back < paid OR paid = 0) ORDER BY payments.created_at DESC LIMIT ?2",
            *(nothing_since, limit),
        )

    async def failed(self, limit: int) -> list[Payment]:
        """Payments that the objects could not book, the latest first."""
        return await self._payments("failed_at IS NOT NULL ORDER BY failed_at DESC LIMIT ?", limit)

    async def unfinished(self, before: int, limit: int) -> list[str]:
        """Sessions that somebody has paid and that Stripe was not asked about since a time."""
        return await self._sessions(
            "status <> 'open' AND created_at < ? AND asked_at < ?", before, before, limit
        )

    async def left_open(self, created_before: int, asked_before: int, limit: int) -> list[str]:
        """Sessions that nobody has paid yet, most of which nobody will."""
        return await self._sessions(
            "status = 'open' AND created_at < ? AND asked_at < ?", created_before, asked_before, limit
        )

    async def _change(self, session_id: str, sql: str, *values: Value) -> None:
        await self.database.batch(*summed(PAYMENTS, "id = ?1", (session_id,), (sql, values)))

    async def _sessions(self, condition: str, *values: Value) -> list[str]:
        sql = f"SELECT id FROM payments WHERE {IS_UNFINISHED} AND {condition} ORDER BY asked_at LIMIT ?"  # noqa: S608
        return [str(row["id"]) for row in await self.database.execute(sql, *values)]

    async def _first(self, condition: str, *values: Value) -> Payment | None:
        return next(iter(await self._payments(condition, *values)), None)

    async def _payments(self, condition: str, *values: Value) -> list[Payment]:
        rows = await self.database.execute(f"{SELECT} WHERE {condition}", *values)
        return [payment_of(row) for row in rows]


def payment_of(row: Row) -> Payment:
    return Payment(**{name: row[name] for name in Payment.__slots__})  # type: ignore[arg-type]
