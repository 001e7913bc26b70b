"""The queries on what deployers are told, and how they want to be told. Times are milliseconds since 1970.

A notice is written in the transaction of the change that is its cause (`causes.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from model.limits import DAY_MS, HOUR_MS
from model.notice import Notice
from model.suspension import Kind
from store.causes import INSERT, ONCE
from store.database import Database, Row, Statement

MOST_OF_USER = 200
KEPT_MS = 90 * DAY_MS
MOST_ATTEMPTS = 10
COLUMNS = "user_id, cause, kind, about, name, detail, at"
# Of a user who has left, ?1, no session is left.
IS_HERE = "EXISTS (SELECT 1 FROM sessions WHERE user_id = ?1)"
# What belongs to who wants to be told, and wasn't looked at since ?1.
WATCHED = (
    "SELECT {table}.{key} AS account, '{about}' AS about, watching.user_id, low_cents, "
    "coalesce(level, 0) AS level, coalesce(balances.looked_at, 0) AS seen_at FROM notice_settings "
    "AS watching CROSS JOIN {table} {by_index} ON {table}.user_id = watching.user_id "
    "LEFT JOIN balances ON account = {table}.{key} WHERE low_cents IS NOT NULL "
    "AND coalesce(balances.looked_at, 0) <= ?1"
)
WATCHED_APPS = WATCHED.format(key="id", about="app", table="apps", by_index="INDEXED BY live_apps_of_user")
WATCHED_SITES = WATCHED.format(key="name", about="site", table="sites", by_index="")


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """How a user wants to be told. A webhook that is off failed for long, or is gone."""

    user_id: int
    feed_hash: str | None = None
    low_cents: int | None = None
    hook_url: str | None = None
    hook_number: int = 0
    hook_since: int = 0
    hook_try_at: int = 0
    hook_failures: int = 0
    hook_failing_since: int | None = None
    hook_failure: str | None = None
    hook_off_at: int | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A balance that is to be looked at, whose deployer is told when it is below so many cents."""

    account: str
    about: Kind
    user_id: int
    low_cents: int
    level: int


@dataclass(frozen=True, slots=True)
class Notices:
    database: Database

    async def of_user(self, user_id: int, limit: int) -> list[Notice]:
        """The latest first."""
        rows = await self.database.execute(
            f"SELECT {COLUMNS} FROM notices WHERE user_id = ? ORDER BY at DESC LIMIT ?",  # noqa: S608
            *(user_id, limit),
        )
        return [notice_of(row) for row in rows]

    async def forget_old(self, now: int) -> None:
        """Keep the latest of each user, of these months."""
        await self.database.batch(
            ("DELETE FROM notices WHERE at < ?", (now - KEPT_MS,)),
            (
                "DELETE FROM notices WHERE (user_id, cause) IN (SELECT user_id, cause FROM ("
                "SELECT user_id, cause, row_number() OVER (PARTITION BY user_id ORDER BY at DESC, cause) "
                "AS place FROM notices WHERE user_id IN (SELECT user_id FROM notices WHERE at > ?1)) "
                "WHERE place > ?2)",
                (now - HOUR_MS, MOST_OF_USER),
            ),
            # Of what is looked at no more, as it was deleted or nobody wants to be told.
            ("DELETE FROM balances WHERE looked_at < ?", (now - DAY_MS,)),
        )

    # How a user wants to be told.

    async def settings(self, user_id: int) -> NoticeSettings:
        rows = await self.database.execute("SELECT * FROM notice_settings WHERE user_id = ?", user_id)
        return NoticeSettings(**rows[0]) if rows else NoticeSettings(user_id)  # type: ignore[arg-type]

    async def user_of_feed(self, feed_hash: str) -> int | None:
        rows = await self.database.execute(
            "SELECT user_id FROM notice_settings WHERE feed_hash = ?", feed_hash
        )
        return int(rows[0]["user_id"] or 0) if rows else None

    async def set_feed(self, user_id: int, feed_hash: str) -> None:
        """The one before leads nowhere any more."""
        await self.database.execute(
            f"INSERT INTO notice_settings (user_id, feed_hash) SELECT ?1, ?2 WHERE {IS_HERE} "
            "ON CONFLICT (user_id) DO UPDATE SET feed_hash = excluded.feed_hash",
            *(user_id, feed_hash),
        )

    async def set_threshold(self, user_id: int, low_cents: int | None) -> None:
        await self.database.execute(
            f"INSERT INTO notice_settings (user_id, low_cents) SELECT ?1, ?2 WHERE {IS_HERE} "
            "ON CONFLICT (user_id) DO UPDATE SET low_cents = excluded.low_cents",
            *(user_id, low_cents),
        )

    async def set_hook(self, user_id: int, url: str, number: int, host: str, now: int) -> bool:
        """Give the webhook that had this number another address, and the next number.

        False if another has given it one meanwhile.
        """
        done, _ = await self.database.batch(
            (
                "INSERT INTO notice_settings (user_id, hook_url, hook_number, hook_since) "  # noqa: S608
                f"SELECT ?1, ?2, ?3 + 1, ?4 WHERE {IS_HERE} AND ?3 = coalesce("
                "(SELECT hook_number FROM notice_settings WHERE user_id = ?1), 0) ON CONFLICT (user_id) "
                "DO UPDATE SET hook_url = excluded.hook_url, hook_number = excluded.hook_number, "
                "hook_since = excluded.hook_since, hook_try_at = 0, hook_failures = 0, "
                "hook_failing_since = NULL, hook_failure = NULL, hook_off_at = NULL RETURNING user_id",
                (user_id, url, number, now),
            ),
            (
                f"{INSERT} SELECT user_id, ?3, 'webhook', 'user', ?4, ?5, ?6 FROM notice_settings "  # noqa: S608
                f"WHERE user_id = ?1 AND hook_number = ?2{ONCE}",
                (user_id, number + 1, f"webhook {number + 1}", str(user_id), host, now),
            ),
        )
        return bool(done)

    async def drop_hook(self, user_id: int) -> None:
        await self.database.execute(
            "UPDATE notice_settings SET hook_url = NULL, hook_off_at = NULL WHERE user_id = ?", user_id
        )

    # Sending.

    async def claim_hooks(self, now: int, until: int, limit: int) -> list[NoticeSettings]:
        """Webhooks with something to be sent, which nobody else sends to until a time."""
        rows = await self.database.execute(
            "UPDATE notice_settings SET hook_try_at = ?2 WHERE user_id IN (SELECT user_id "
            "FROM notice_settings AS due WHERE hook_url IS NOT NULL AND hook_off_at IS NULL "
            "AND hook_try_at <= ?1 AND EXISTS (SELECT 1 FROM notices WHERE notices.user_id = due.user_id "
            "AND at >= hook_since AND ended_at IS NULL) ORDER BY hook_try_at LIMIT ?3) RETURNING *",
            *(now, until, limit),
        )
        return [NoticeSettings(**row) for row in rows]  # type: ignore[arg-type]

    async def to_be_sent(self, user_id: int, since: int, limit: int) -> list[Notice]:
        """Those first that were tried least often: none that is refused keeps others waiting."""
        rows = await self.database.execute(
            f"SELECT {COLUMNS} FROM notices WHERE user_id = ? AND at >= ? AND ended_at IS NULL "  # noqa: S608
            "ORDER BY attempts, at LIMIT ?",
            *(user_id, since, limit),
        )
        return [notice_of(row) for row in rows]

    async def mark_sent(self, notice: Notice, hook: NoticeSettings, now: int) -> None:
        await self.database.batch(
            (
                "UPDATE notices SET ended_at = ?, attempts = attempts + 1 WHERE user_id = ? AND cause = ?",
                (now, notice.user_id, notice.cause),
            ),
            (
                "UPDATE notice_settings SET hook_failures = 0, hook_failing_since = NULL, "
                "hook_failure = NULL WHERE user_id = ? AND hook_number = ?",
                (hook.user_id, hook.hook_number),
            ),
        )

    async def mark_failed(
        self, notice: Notice, hook: NoticeSettings, failure: str, now: int, try_at: int, is_over: bool
    ) -> None:
        """`is_over` where the webhook is to be switched off."""
        await self.database.batch(
            (
                "UPDATE notices SET attempts = attempts + 1, ended_at = CASE WHEN attempts + 1 >= ?1 THEN ?2 "
                "ELSE ended_at END WHERE user_id = ?3 AND cause = ?4",
                (MOST_ATTEMPTS, now, notice.user_id, notice.cause),
            ),
            (
                "UPDATE notice_settings SET hook_failures = hook_failures + 1, hook_failure = ?1, "
                "hook_failing_since = coalesce(hook_failing_since, ?2), hook_try_at = ?3, "
                "hook_off_at = CASE WHEN ?4 THEN ?2 ELSE hook_off_at END "
                "WHERE user_id = ?5 AND hook_number = ?6",
                (failure, now, try_at, int(is_over), hook.user_id, hook.hook_number),
            ),
        )

    async def release(self, hook: NoticeSettings, now: int) -> None:
        """Let a webhook be sent to again that was claimed."""
        await self.database.execute(
            "UPDATE notice_settings SET hook_try_at = ? WHERE user_id = ? AND hook_number = ?",
            *(now, hook.user_id, hook.hook_number),
        )

    # Balances.

    async def watched(self, before: int, limit: int) -> list[Watched]:
        """Live accounts that weren't looked at since a time, of who wants to be told of their balances."""
        rows = await self.database.execute(
            f"{WATCHED_APPS} AND deleted_at IS NULL AND status = 'deployed' UNION ALL "
            f"{WATCHED_SITES} AND deleted_at IS NULL "
            "ORDER BY seen_at, account LIMIT ?2",
            *(before, limit),
        )
        return [Watched(**{name: row[name] for name in Watched.__slots__}) for row in rows]  # type: ignore[arg-type]

    async def mark_looked(self, accounts: Sequence[str], now: int) -> None:
        await self.database.execute(
            "INSERT INTO balances (account, looked_at) SELECT value, ?2 FROM json_each(?1) WHERE TRUE "
            "ON CONFLICT (account) DO UPDATE SET looked_at = excluded.looked_at",
            *(json.dumps(list(accounts)), now),
        )

    async def set_level(self, watched: Watched, level: int, detail: str, now: int) -> None:
        """Note how a balance stands; its deployer is told if that is worse than it was."""
        kind = {1: "low", 2: "used_up"}.get(level, "")
        told: Statement = (
            f"{INSERT} SELECT user_id, ?3, ?4, ?5, ?2, ?6, ?7 FROM notice_settings "  # noqa: S608
            "WHERE user_id = ?1 AND low_cents IS NOT NULL "
            f"AND EXISTS (SELECT 1 FROM balances WHERE account = ?2 AND level < ?8){ONCE}",
            (
                *(watched.user_id, watched.account, f"{kind} {watched.account} {now}", kind, watched.about),
                *(detail, now, level),
            ),
        )
        noted: Statement = ("UPDATE balances SET level = ? WHERE account = ?", (level, watched.account))
        await self.database.batch(*([told] if level else []), noted)


def notice_of(row: Row) -> Notice:
    return Notice(**row)  # type: ignore[arg-type]
