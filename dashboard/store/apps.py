"""The queries on apps. Times are milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model.app import UNFINISHED, App, Source, User
from store.causes import telling_of_deploy
from store.database import Database, Row, Statement, Value
from store.sites import MAY_BE_NAMED
from store.sums import APP_OPENED, APPS, summed
from store.suspensions import APP_SUSPENDED

COLUMNS = (
    "SELECT apps.*, login, name, "
    "(SELECT reason FROM suspended_apps WHERE app_id = apps.id LIMIT 1) AS suspension "
)
SELECT = COLUMNS + "FROM apps JOIN users ON users.id = user_id"
# Of a user: of those the user may have so many, while the deleted ones grow for ever.
SELECT_LIVE = COLUMNS + "FROM apps INDEXED BY live_apps_of_user JOIN users ON users.id = user_id"
IS_UNFINISHED = "(run_ended = 0 OR (deleted_at IS NOT NULL AND removed_at IS NULL))"

Kind = Literal["live", "serving", "unfinished", "failed", "deleted", "all"]
# Deployed, and not to be had: suspended, or its Worker is gone.
IS_OUT = f"(missing_since IS NOT NULL OR EXISTS ({APP_SUSPENDED.format(app='apps.id')}))"
OF_KIND: dict[Kind, str] = {
    "live": "deleted_at IS NULL",
    "serving": f"deleted_at IS NULL AND status = 'deployed' AND NOT {IS_OUT}",
    "unfinished": f"deleted_at IS NULL AND status IN ({', '.join(repr(one) for one in UNFINISHED)})",
    "failed": f"deleted_at IS NULL AND (status = 'failed' OR (status = 'deployed' AND {IS_OUT}))",
    "deleted": "status = 'deleted'",
    "all": "TRUE",
}


@dataclass(frozen=True, slots=True)
class Apps:
    database: Database

    async def get(self, app_id: str) -> App | None:
        return await self._first("apps.id = ?", app_id)

    async def id_of_run(self, run_id: int) -> str | None:
        rows = await self.database.execute("SELECT id FROM apps WHERE run_id = ?", run_id)
        return str(rows[0]["id"]) if rows else None

    async def live_app_of(self, user: User, source: Source) -> App | None:
        return await self._first(
            "user_id = ? AND repository = ? COLLATE NOCASE AND commit_hash = ? AND directory = ? "
            "AND deleted_at IS NULL",
            *(user.id, source.repository, source.commit_hash, source.directory),
        )

    async def of_user(
        self, user: User, before: int, limit: int, words: str = "", kind: Kind = "live"
    ) -> list[App]:
        """A user's apps of a kind that were created before a time, newest first.

        Those with the words in their id, or where their code is, in letters of either case.
        """
        return await self._apps(
            f"user_id = ?1 AND apps.created_at < ?2 AND {OF_KIND[kind]} "
            "AND instr(lower(repository || '/' || directory || ' ' || apps.id), lower(?3)) > 0 "
            "ORDER BY apps.created_at DESC LIMIT ?4",
            *(user.id, before, words, limit),
            select=SELECT if kind in ("deleted", "all") else SELECT_LIVE,
        )

    async def live_of(self, user: User, limit: int) -> list[App]:
        """A user's apps that are not deleted."""
        return await self._apps(
            "user_id = ? AND deleted_at IS NULL ORDER BY apps.created_at LIMIT ?",
            *(user.id, limit),
            select=SELECT_LIVE,
        )

    async def latest(self, limit: int) -> list[App]:
        return await self._apps("TRUE ORDER BY apps.created_at DESC LIMIT ?", limit)

    async def latest_failed(self, limit: int) -> list[App]:
        return await self._apps("status = 'failed' ORDER BY changed_at DESC LIMIT ?", limit)

    async def unexplained(self, failures: Sequence[str], since: int, before: int, limit: int) -> list[App]:
        """Apps whose run failed since a time with one of these reasons, and not asked about lately."""
        return await self._apps(
            f"status = 'failed' AND changed_at > ? AND run_id IS NOT NULL AND asked_at < ? "
            f"AND failure IN ({', '.join('?' * len(failures))}) ORDER BY asked_at LIMIT ?",
            since,
            before,
            *failures,
            limit,
        )

    async def overdue(self, before: int, limit: int) -> list[App]:
        """Apps on their way, to be deployed or removed, that nothing was heard of since a time.

        One of each user's, before a second of anybody's; the one first that was asked about longest ago.
        """
        return await self._apps(
            "apps.id IN (SELECT id FROM (SELECT id, asked_at, row_number() OVER (PARTITION BY user_id "  # noqa: S608
            "ORDER BY asked_at, id) AS turn FROM apps INDEXED BY unfinished_apps "
            f"WHERE {IS_UNFINISHED} AND changed_at < ?1 AND asked_at < ?1) "
            "ORDER BY turn, asked_at, id LIMIT ?2) ORDER BY asked_at, apps.id",
            before,
            limit,
        )

    async def write_if_unchanged(self, app: App, changed: App, now: int) -> bool:
        """Write where a deploy has got to; False when another has written since `app` was read."""
        written: Statement = (
            "UPDATE apps SET status = ?, failure = ?, run_id = ?, run_attempt = ?, run_ended = ?, "
            "deployed_at = CASE ? WHEN 'deployed' THEN coalesce(deployed_at, ?) ELSE deployed_at END, "
            "changed_at = ? WHERE id = ? AND status = ? AND run_id IS ? AND run_attempt = ? "
            "AND run_ended = ? RETURNING id",
            (
                *(changed.status, changed.failure, changed.run_id, changed.run_attempt),
                *(int(changed.run_ended), changed.status, now, now),
                *(app.id, app.status, app.run_id, app.run_attempt, int(app.run_ended)),
            ),
        )
        told = telling_of_deploy(app, changed, now)
        opened = [(APP_OPENED, (app.id, now))] if changed.status == "deployed" else []
        results = await self.database.batch(*told, *summed(APPS, "id = ?1", (app.id,), written), *opened)
        rows = results[len(told) + 1]
        return bool(rows)

    async def mark_asked(self, app_id: str, now: int) -> None:
        await self.database.execute("UPDATE apps SET asked_at = ? WHERE id = ?", now, app_id)

    async def mark_deleted(self, app_id: str, now: int) -> bool:
        """Delete an app, once; False if it was, or serves a site. Its row stays: its id is this source's.

        What it failed with is forgotten.
        """
        may_be = f"deleted_at IS NULL AND NOT {MAY_BE_NAMED}"
        deleted: Statement = (
            "UPDATE apps SET status = 'deleted', failure = NULL, deleted_at = ?1, changed_at = ?1, "  # noqa: S608
            f"asked_at = ?1 WHERE id = ?2 AND {may_be} RETURNING id",
            (now, app_id),
        )
        # One that is refused, or deleted already, is in no sum's change: nothing is written.
        changing = f"id = ?2 AND (({may_be}) OR deleted_at = ?1)"
        _, rows, *_ = await self.database.batch(
            *summed(APPS, changing, (now, app_id), deleted),
            (
                "DELETE FROM failures WHERE app_id = (SELECT id FROM apps "
                "WHERE id = ? AND deleted_at IS NOT NULL)",
                (app_id,),
            ),
        )
        return bool(rows)

    async def mark_removed(self, app_id: str, now: int) -> None:
        """Note that nothing of a deleted app is left to remove."""
        await self.database.execute(
            "UPDATE apps SET removed_at = ? WHERE id = ? AND deleted_at IS NOT NULL AND removed_at IS NULL",
            *(now, app_id),
        )

    async def mark_missing(self, app_id: str, now: int) -> None:
        """Note that a live app's Worker is gone, if that isn't known yet."""
        await self.database.execute(
            "UPDATE apps SET missing_since = ? WHERE id = ? AND missing_since IS NULL AND deleted_at IS NULL",
            *(now, app_id),
        )

    async def mark_present(self, app_id: str) -> None:
        await self.database.execute(
            "UPDATE apps SET missing_since = NULL WHERE id = ? AND missing_since IS NOT NULL", app_id
        )

    async def _first(self, condition: str, *values: Value) -> App | None:
        return next(iter(await self._apps(condition, *values)), None)

    async def _apps(self, condition: str, *values: Value, select: str = SELECT) -> list[App]:
        return [app_of(row) for row in await self.database.execute(f"{select} WHERE {condition}", *values)]


def app_of(row: Row) -> App:
    return App(
        id=str(row["id"]),
        source=Source(
            str(row["repository"]), str(row["git_ref"]), str(row["commit_hash"]), str(row["directory"])
        ),
        deployer=User(row["user_id"], row["login"], row["name"]),  # type: ignore[arg-type]
        status=row["status"],  # type: ignore[arg-type]
        failure=row["failure"],  # type: ignore[arg-type]
        run_ended=bool(row["run_ended"]),
        suspension=row["suspension"],  # type: ignore[arg-type]
        **{name: row[name] for name in NUMBERS},  # type: ignore[arg-type]
    )


NUMBERS = (
    "run_id",
    "run_attempt",
    "created_at",
    "changed_at",
    "deployed_at",
    "deleted_at",
    "removed_at",
    "missing_since",
    "run_began_at",
)
