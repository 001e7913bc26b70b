"""The queries on sites, their versions and their events. Times are milliseconds since 1970.

An event is decided by the rules (`model/site.py`) from the site as it was read, and written only if no other
came since: so there is one order of events, and every rule holds when it is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.app import App, User
from model.site import VERSIONS_KEPT, Event, Site, Switch
from store.database import Database, Row, Value

SELECT = "SELECT sites.*, login, users.name AS full_name FROM sites JOIN users ON users.id = user_id"


def is_in_force(events: str) -> str:
    """That an event, of a table or an alias of it, has something serve, and was not withdrawn."""
    return (
        f"{events}.serves_from IS NOT NULL AND NOT EXISTS (SELECT 1 FROM site_events AS withdrawal "  # noqa: S608
        f"WHERE withdrawal.site = {events}.site AND withdrawal.withdraws = {events}.at)"
    )


# That an app, `apps.id`, serves a live site at ?1 or is to serve it later: there is nothing in force that has
# begun by then and comes after it.
IS_SERVING = (
    "EXISTS (SELECT 1 FROM site_events AS planned JOIN sites ON sites.name = planned.site "  # noqa: S608
    f"WHERE planned.app_id = apps.id AND sites.deleted_at IS NULL AND {is_in_force('planned')} "
    "AND NOT EXISTS (SELECT 1 FROM site_events AS later WHERE later.site = planned.site "
    "AND later.serves_from <= ?1 AND (later.serves_from, later.at) > (planned.serves_from, planned.at) "
    f"AND {is_in_force('later')}))"
)
# At most this many events a day, a number that nobody reaches by hand.
EVENTS_PER_DAY = 200
DAY_MS = 86_400_000
# Of what is in force: what is announced, and enough of what has begun to tell what served before.
SWITCHES_READ = 40
UNENDED = "SELECT 1 FROM site_versions WHERE site = {site} AND ended_at IS NULL"


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
class Sites:
    database: Database

    async def create(self, site: Site, limit: int) -> bool:
        """Add a site, once; False if the name has an owner, or its owner has so many names already.

        Names of deleted sites count: a name has one owner for ever.
        """
        created, _ = await self.database.batch(
            (
                "INSERT INTO sites (name, user_id, repository, directory, branch, notice_ms, created_at, "
                "changed_at, told_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?7 "
                "WHERE (SELECT count(*) FROM sites WHERE user_id = ?2) < ?8 "
                "ON CONFLICT DO NOTHING RETURNING name",
                (
                    *(site.name, site.owner.id, site.repository, site.directory, site.branch),
                    *(site.notice_ms, site.created_at, limit),
                ),
            ),
            (
                "INSERT INTO site_events (site, at, kind, user_id, notice_ms) "
                "SELECT name, created_at, 'creation', user_id, notice_ms FROM sites "
                "WHERE name = ? AND user_id = ? ON CONFLICT DO NOTHING",
                (site.name, site.owner.id),
            ),
        )
        return bool(created)

    async def get(self, name: str) -> Site | None:
        return next(iter(await self._sites("sites.name = ?", name)), None)

    async def of_user(self, user: User, limit: int) -> list[Site]:
        """A user's sites, newest first."""
        return await self._sites("user_id = ? ORDER BY sites.created_at DESC LIMIT ?", user.id, limit)

    async def untold(self, now: int, limit: int) -> list[Site]:
        """Sites of which the object doesn't know all, those that have waited longest first."""
        return await self._sites("told_at < changed_at AND try_at <= ? ORDER BY try_at LIMIT ?", now, limit)

    # Events.

    async def switches(self, name: str) -> list[Switch]:
        """What is in force, the latest to serve last."""
        rows = await self.database.execute(
            "SELECT site_events.app_id, serves_from, at, commit_hash, manifest_sha256 FROM site_events "  # noqa: S608
            "JOIN apps ON apps.id = site_events.app_id "
            "LEFT JOIN attestations ON attestations.app_id = site_events.app_id "
            f"WHERE site = ? AND {is_in_force('site_events')} "
            "ORDER BY serves_from DESC, at DESC LIMIT ?",
            *(name, SWITCHES_READ),
        )
        return [Switch(**row) for row in reversed(rows)]  # type: ignore[arg-type]

    async def events(self, name: str, before: int, limit: int) -> list[Event]:
        """What became of a site before a time, newest first."""
        rows = await self.database.execute(
            "SELECT at, kind, site_events.user_id, login, site_events.app_id, serves_from, withdraws, "
            "notice_ms, commit_hash, manifest_sha256 FROM site_events "
            "LEFT JOIN users ON users.id = site_events.user_id "
            "LEFT JOIN apps ON apps.id = site_events.app_id "
            "LEFT JOIN attestations ON attestations.app_id = site_events.app_id "
            "WHERE site = ? AND at < ? ORDER BY at DESC LIMIT ?",
            *(name, before, limit),
        )
        return [Event(**row) for row in rows]  # type: ignore[arg-type]

    async def add(self, site: Site, event: Event, changed: Site | None = None) -> bool:
        """Add an event to a site as it was read, and what it changes of the site.

        False if another event came since, if the app that is to serve is not there to serve, or if there were
        too many today. A version that was waited for is waited for no more.
        """
        changed = changed or site
        added, *_ = await self.database.batch(
            (
                "INSERT INTO site_events (site, at, kind, user_id, app_id, serves_from, withdraws, "  # noqa: S608
                "notice_ms) SELECT name, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM sites "
                "WHERE name = ?1 AND changed_at = ?2 "
                "AND (?6 IS NULL OR EXISTS (SELECT 1 FROM apps WHERE id = ?6 AND status = 'deployed' "
                "AND missing_since IS NULL)) "
                "AND (?4 = 'deletion' OR (SELECT count(*) FROM site_events WHERE site = ?1 "
                f"AND at > ?3 - {DAY_MS}) < {EVENTS_PER_DAY}) "
                "ON CONFLICT DO NOTHING RETURNING at",
                (
                    *(site.name, site.changed_at, event.at, event.kind, event.user_id, event.app_id),
                    *(event.serves_from, event.withdraws, event.notice_ms),
                ),
            ),
            (
                "UPDATE sites SET changed_at = ?3, notice_ms = ?4, held_until = ?5, deleted_at = ?6, "
                "follows = CASE WHEN ?6 IS NULL THEN follows ELSE 0 END, "
                "wanted_at = CASE WHEN ?6 IS NULL THEN wanted_at END, try_at = 0 "
                "WHERE name = ?1 AND changed_at = ?2 "
                "AND EXISTS (SELECT 1 FROM site_events WHERE site = ?1 AND at = ?3)",
                (
                    *(site.name, site.changed_at, event.at),
                    *(changed.notice_ms, changed.held_until, changed.deleted_at),
                ),
            ),
            (
                "UPDATE site_versions SET ended_at = ?2 WHERE site = ?1 AND app_id = ?3 AND ended_at IS NULL "
                "AND EXISTS (SELECT 1 FROM site_events WHERE site = ?1 AND at = ?2 AND app_id = ?3)",
                (site.name, event.at, event.app_id),
            ),
        )
        return bool(added)

    async def count_versions(self, name: str) -> int:
        """How many apps have served a site, or are announced."""
        (row,) = await self.database.execute(
            "SELECT count(DISTINCT app_id) AS versions FROM site_events WHERE site = ?", name
        )
        return row["versions"]  # type: ignore[return-value]

    # Versions.

    async def add_version(self, name: str, app: App, user: User | None, now: int) -> bool:
        """Have an app that is there become a site's version; False while another is on its way."""
        rows = await self.database.execute(
            "INSERT INTO site_versions (site, app_id, user_id, asked_at, is_made) "  # noqa: S608
            "SELECT name, ?2, ?3, ?4, 0 FROM sites "
            f"WHERE name = ?1 AND deleted_at IS NULL AND NOT EXISTS ({UNENDED.format(site='?1')}) "
            "ON CONFLICT (site, app_id) DO UPDATE SET user_id = ?3, asked_at = ?4, ended_at = NULL "
            "RETURNING app_id",
            *(name, app.id, None if user is None else user.id, now),
        )
        return bool(rows)

    async def end_version(self, name: str, app_id: str, now: int) -> None:
        """A version on its way comes to nothing."""
        await self.database.execute(
            "UPDATE site_versions SET ended_at = ? WHERE site = ? AND app_id = ? AND ended_at IS NULL",
            *(now, name, app_id),
        )

    async def version_on_its_way(self, name: str) -> Waiting | None:
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

    async def has_version(self, name: str, app_id: str) -> bool:
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

    async def versions(self, name: str, limit: int) -> list[Version]:
        """A site's versions that are there, the latest that was asked for first."""
        rows = await self.database.execute(
            "SELECT site_versions.app_id, commit_hash, git_ref, site_versions.asked_at "
            "FROM site_versions JOIN apps ON apps.id = site_versions.app_id "
            "WHERE site = ? AND status = 'deployed' AND missing_since IS NULL "
            "ORDER BY site_versions.asked_at DESC, site_versions.app_id LIMIT ?",
            *(name, limit),
        )
        return [Version(**row) for row in rows]  # type: ignore[arg-type]

    async def retire(self, name: str, now: int) -> None:
        """Delete apps that were made for a site and are no longer kept ready, as a user would.

        Not those that serve a site, nor those with an account of their own that somebody paid into. What they
        leave is removed by the upkeep.
        """
        await self.database.execute(
            "UPDATE apps SET status = 'deleted', deleted_at = ?1, changed_at = ?1, asked_at = ?1 "  # noqa: S608
            "WHERE id IN (SELECT app_id FROM site_versions JOIN apps ON apps.id = app_id WHERE site = ?2 "
            "AND status = 'deployed' ORDER BY max(site_versions.asked_at, coalesce((SELECT max(at) "
            "FROM site_events WHERE site_events.site = ?2 AND site_events.app_id = apps.id), 0)) DESC "
            "LIMIT -1 OFFSET ?3) "
            "AND EXISTS (SELECT 1 FROM site_versions WHERE site = ?2 AND app_id = apps.id AND is_made = 1) "
            "AND NOT EXISTS (SELECT 1 FROM payments WHERE payments.app_id = apps.id "
            "AND payments.site IS NULL AND payments.status IN ('processing', 'paid', 'credited')) "
            f"AND NOT {IS_SERVING}",
            *(now, name, VERSIONS_KEPT),
        )

    # The site's object.

    async def mark_told(self, site: Site, certain_at: int) -> None:
        """Note that the object knows all that the site had when it was read, and when that is certain."""
        await self.database.execute(
            "UPDATE sites SET told_at = ?2, certain_at = max(certain_at, ?3) "
            "WHERE name = ?1 AND told_at < ?2",
            *(site.name, site.changed_at, certain_at),
        )

    async def try_later(self, name: str, next_at: int) -> None:
        """The object could not be told."""
        await self.database.execute("UPDATE sites SET try_at = ? WHERE name = ?", next_at, name)

    async def _sites(self, condition: str, *values: Value) -> list[Site]:
        return [site_of(row) for row in await self.database.execute(f"{SELECT} WHERE {condition}", *values)]


def site_of(row: Row) -> Site:
    values = {name: row[name] for name in COLUMNS}
    owner = User(row["user_id"], row["login"], row["full_name"])  # type: ignore[arg-type]
    return Site(owner=owner, follows=bool(row["follows"]), **values)  # type: ignore[arg-type]


COLUMNS = tuple(name for name in Site.__slots__ if name not in ("owner", "follows"))
