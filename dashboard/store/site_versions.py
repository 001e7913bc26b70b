"""The queries on sites' versions: the apps that were made for a site, or given its name.

Times are milliseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.app import App, User
from model.site import VERSIONS_KEPT
from store.database import Database, Statement
from store.sites import IS_SERVING, UNENDED
from store.sums import APPS, summed
from store.suspensions import APP_SUSPENDED, SITE_SUSPENDED

# Of a site's versions those that are there: by its owner's live apps, as most versions were deleted since.
DEPLOYED = (
    "FROM sites CROSS JOIN apps INDEXED BY live_apps_of_user ON apps.user_id = sites.user_id "
    "CROSS JOIN site_versions ON site_versions.site = sites.name AND site_versions.app_id = apps.id "
    "WHERE sites.name = {site} AND apps.deleted_at IS NULL AND apps.status = 'deployed'"
)


@dataclass(frozen=True, slots=True)
class Version:
    """An app that was made for a site, or given its name, and can serve."""

    app_id: str
    commit_hash: str
    git_ref: str
    asked_at: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The app of a version on its way, and who asked for it; None where the branch was followed."""

    app_id: str
    asker: User | None


@dataclass(frozen=True, slots=True)
class SiteVersions:
    database: Database

    async def add(self, name: str, app: App, user: User | None, now: int) -> bool:
        """Have an app that is there become a site's version; False while another is on its way."""
        rows = await self.database.execute(
            "INSERT INTO site_versions (site, app_id, user_id, asked_at, is_made) "  # noqa: S608
            "SELECT name, ?2, ?3, ?4, 0 FROM sites "
            f"WHERE name = ?1 AND deleted_at IS NULL AND NOT EXISTS ({UNENDED.format(site='?1')}) "
            f"AND NOT EXISTS ({SITE_SUSPENDED.format(site='?1')}) "
            "ON CONFLICT (site, app_id) DO UPDATE SET user_id = ?3, asked_at = ?4, ended_at = NULL "
            "RETURNING app_id",
            *(name, app.id, None if user is None else user.id, now),
        )
        return bool(rows)

    async def end(self, name: str, app_id: str, now: int) -> None:
        """A version on its way comes to nothing."""
        await self.database.execute(
            "UPDATE site_versions SET ended_at = ? WHERE site = ? AND app_id = ? AND ended_at IS NULL",
            *(now, name, app_id),
        )

    async def on_its_way(self, name: str) -> Waiting | None:
        """What is made for a site, or was and isn't announced yet."""
        rows = await self.database.execute(
            "SELECT app_id, user_id, login, name FROM site_versions LEFT JOIN users ON users.id = user_id "
            "WHERE site = ? AND ended_at IS NULL",
            name,
        )
        if not rows:
            return None
        app_id, *user = rows[0].values()
        return Waiting(str(app_id), None if user[0] is None else User(*user))  # type: ignore[arg-type]

    async def latest(self, name: str) -> str | None:
        """The app of the version that was asked for last, whatever became of it."""
        rows = await self.database.execute(
            "SELECT app_id FROM site_versions WHERE site = ? ORDER BY asked_at DESC, app_id LIMIT 1", name
        )
        return str(rows[0]["app_id"]) if rows else None

    async def has(self, name: str, app_id: str) -> bool:
        rows = await self.database.execute(
            "SELECT 1 FROM site_versions WHERE site = ? AND app_id = ?", name, app_id
        )
        return bool(rows)

    async def waiting_for(self, app_id: str) -> list[str]:
        """The sites that an app is on its way to."""
        rows = await self.database.execute(
            "SELECT site FROM site_versions WHERE app_id = ? AND ended_at IS NULL", app_id
        )
        return [str(row["site"]) for row in rows]

    async def to_be_announced(self, limit: int) -> list[str]:
        """Sites with a version that is deployed, or came to nothing, and was not announced."""
        rows = await self.database.execute(
            "SELECT site FROM site_versions JOIN apps ON apps.id = app_id WHERE ended_at IS NULL "
            "AND (status = 'deleted' OR (status IN ('deployed', 'failed') AND run_ended = 1)) "
            "ORDER BY site_versions.asked_at LIMIT ?",
            limit,
        )
        return [str(row["site"]) for row in rows]

    async def ready(self, name: str, limit: int) -> list[Version]:
        """A site's versions that are there, the latest that was asked for first."""
        rows = await self.database.execute(
            "SELECT site_versions.app_id, commit_hash, git_ref, site_versions.asked_at "
            f"{DEPLOYED.format(site='?1')} AND missing_since IS NULL "
            f"AND NOT EXISTS ({APP_SUSPENDED.format(app='site_versions.app_id')}) "
            "ORDER BY site_versions.asked_at DESC, site_versions.app_id LIMIT ?2",
            *(name, limit),
        )
        return [Version(**row) for row in rows]  # type: ignore[arg-type]

    async def count(self, name: str) -> int:
        """How many apps have served a site, or are announced."""
        (row,) = await self.database.execute(
            "SELECT count(*) AS versions FROM site_versions WHERE site = ? AND EXISTS (SELECT 1 "
            "FROM site_events WHERE site_events.app_id = site_versions.app_id "
            "AND site_events.site = site_versions.site)",
            name,
        )
        return row["versions"]  # type: ignore[return-value]

    async def retire(self, name: str, now: int, previous: str | None) -> None:
        """Delete apps that were made for a site and are no longer kept ready, as a user would.

        Not those that serve a site, nor the one to go back to, nor those with an account of their own that
        somebody paid into. What they leave is removed by the upkeep.
        """
        retired: Statement = (
            "UPDATE apps SET status = 'deleted', deleted_at = ?1, changed_at = ?1, asked_at = ?1 "  # noqa: S608
            f"WHERE id IN (SELECT site_versions.app_id {DEPLOYED.format(site='?2')} "
            "ORDER BY max(site_versions.asked_at, coalesce((SELECT max(at) "
            "FROM site_events WHERE site_events.site = ?2 AND site_events.app_id = apps.id), 0)) DESC "
            "LIMIT -1 OFFSET ?3) AND id IS NOT ?4 "
            "AND EXISTS (SELECT 1 FROM site_versions WHERE site = ?2 AND app_id = apps.id AND is_made = 1) "
            "AND NOT EXISTS (SELECT 1 FROM payments WHERE payments.app_id = apps.id "
            "AND payments.site IS NULL AND payments.status IN ('processing', 'paid', 'credited')) "
            f"AND NOT {IS_SERVING}",
            (now, name, VERSIONS_KEPT, previous),
        )
        # Of which they are before and after.
        unremoved = "removed_at IS NULL AND user_id = (SELECT user_id FROM sites WHERE name = ?1)"
        await self.database.batch(*summed(APPS, unremoved, (name,), retired))
