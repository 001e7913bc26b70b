"""The queries on sites and their events. Times are milliseconds since 1970.

An event is decided by the rules (`model/site.py`) from the site as it was read, and written only if no other
came since: so there is one order of events, and every rule holds when it is written.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.app import User
from model.limits import DAY_MS
from model.site import Event, Site, Switch
from store.database import Database, Row, Statement, Value
from store.sums import SITE_OPENED, SITES, summed
from store.suspensions import APP_SUSPENDED, SITE_SUSPENDED

SELECT = (
    "SELECT sites.*, login, users.name AS full_name, (SELECT reason FROM suspended_sites "
    "WHERE suspended_sites.site = sites.name LIMIT 1) AS suspension "
    "FROM sites JOIN users ON users.id = user_id"
)


def is_in_force(events: str) -> str:
    """That an event, of a table or an alias of it, has something serve, and was not withdrawn."""
    return (
        f"{events}.serves_from IS NOT NULL AND NOT EXISTS (SELECT 1 FROM site_events AS withdrawal "  # noqa: S608
        f"WHERE withdrawal.site = {events}.site AND withdrawal.withdraws = {events}.at)"
    )


# How long after a switch leases, and an object that is told late, may still name the Worker before.
LEASES_OVER_MS = 240_000


def is_serving(before_ms: int = 0) -> str:
    """That an app, `apps.id`, serves a live site at ?1, so long before, or is to serve it later.

    There is nothing in force that has begun by then and comes after it.
    """
    return (
        "EXISTS (SELECT 1 FROM site_events AS planned JOIN sites ON sites.name = planned.site "  # noqa: S608
        f"WHERE planned.app_id = apps.id AND sites.deleted_at IS NULL AND {is_in_force('planned')} "
        "AND NOT EXISTS (SELECT 1 FROM site_events AS later WHERE later.site = planned.site "
        f"AND later.serves_from <= ?1 - {before_ms} "
        "AND (later.serves_from, later.at) > (planned.serves_from, planned.at) "
        f"AND {is_in_force('later')}))"
    )


IS_SERVING = is_serving()
MAY_BE_NAMED = is_serving(LEASES_OVER_MS)
# At most this many events a day, a number that nobody reaches by hand.
EVENTS_PER_DAY = 200
# Of what is in force: what is announced, and enough of what has begun to tell what served before.
SWITCHES_READ = 40
UNENDED = "SELECT 1 FROM site_versions WHERE site = {site} AND ended_at IS NULL"


@dataclass(frozen=True, slots=True)
class Sites:
    database: Database

    async def create(self, site: Site, limit: int) -> bool:
        """Add a site, once; False if the name has an owner, or its owner has so many names already.

        Names of deleted sites count: a name has one owner for ever.
        """
        named: Statement = (
            "INSERT INTO sites (name, user_id, repository, directory, branch, notice_ms, created_at, "
            "changed_at, told_at, repository_id) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?7, ?9 "
            "WHERE (SELECT count(*) FROM sites WHERE user_id = ?2) < ?8 "
            "ON CONFLICT DO NOTHING RETURNING name",
            (
                *(site.name, site.owner.id, site.repository, site.directory, site.branch),
                *(site.notice_ms, site.created_at, limit, site.repository_id),
            ),
        )
        _, created, *_ = await self.database.batch(
            *summed(SITES, "name = ?1 AND created_at = ?2", (site.name, site.created_at), named),
            (SITE_OPENED, (site.name, site.created_at)),
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

    async def live_of(self, user: User, limit: int) -> list[Site]:
        """A user's sites that are not deleted."""
        return await self._sites(
            "user_id = ? AND deleted_at IS NULL ORDER BY sites.created_at LIMIT ?", user.id, limit
        )

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

    async def was_withdrawn(self, name: str, at: int) -> bool:
        """Whether an event of a site was withdrawn."""
        sql = "SELECT 1 FROM site_events WHERE site = ? AND withdraws = ?"
        return bool(await self.database.execute(sql, name, at))

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
                f"AND missing_since IS NULL AND NOT EXISTS ({APP_SUSPENDED.format(app='apps.id')}))) "
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

    async def has_switches(self, name: str) -> bool:
        """Whether an app has ever served a site, or is announced."""
        rows = await self.database.execute(
            "SELECT 1 FROM site_events WHERE site = ? AND serves_from IS NOT NULL LIMIT 1", name
        )
        return bool(rows)

    # Following a branch.

    async def want(self, name: str, now: int) -> None:
        """Note that a site's branch has a new commit, which is to be asked for after that."""
        await self.database.execute(
            "UPDATE sites SET wanted_at = max(coalesce(wanted_at + 1, 0), ?2), wanted_try_at = 0 "
            "WHERE name = ?1 AND deleted_at IS NULL",
            *(name, now),
        )

    async def wanting(self, now: int, limit: int) -> list[Site]:
        """Sites with a commit to deploy and no version on its way, those that have waited longest first."""
        return await self._sites(
            "wanted_at IS NOT NULL AND wanted_try_at <= ? "
            f"AND NOT EXISTS ({UNENDED.format(site='sites.name')}) ORDER BY wanted_try_at LIMIT ?",
            *(now, limit),
        )

    async def want_later(self, site: Site, next_at: int) -> None:
        """It can't be deployed now."""
        await self.database.execute(
            "UPDATE sites SET wanted_try_at = ? WHERE name = ? AND wanted_at IS NOT NULL", next_at, site.name
        )

    async def want_no_more(self, site: Site) -> None:
        """What was wanted when the site was read is on its way, or can't be; what was wanted since stays."""
        await self.database.execute(
            "UPDATE sites SET wanted_at = NULL WHERE name = ? AND wanted_at IS ?", site.name, site.wanted_at
        )

    async def make_hook(self, site: Site) -> Site | None:
        """Give a live site's webhook the next secret's number."""
        await self.database.execute(
            "UPDATE sites SET hook_number = hook_number + 1 WHERE name = ? AND deleted_at IS NULL", site.name
        )
        found = await self.get(site.name)
        return None if found is None or found.deleted_at is not None else found

    async def is_of_repository(self, name: str, repository_id: int, full_name: str) -> bool:
        """Keep what GitHub says of a site's repository, which may have another name by now.

        False where the site was made of another repository, whose name this one has taken.
        """
        rows = await self.database.execute(
            "UPDATE sites SET repository_id = ?2, repository = ?3 "
            "WHERE name = ?1 AND coalesce(repository_id, ?2) = ?2 RETURNING name",
            *(name, repository_id, full_name),
        )
        return bool(rows)

    async def set_follows(self, name: str, follows: bool) -> None:
        await self.database.execute(
            "UPDATE sites SET follows = ?2 WHERE name = ?1 AND deleted_at IS NULL", name, int(follows)
        )

    async def to_be_looked_at(self, before: int, limit: int) -> list[Site]:
        """Sites that follow their branch, those that nobody has looked at for longest first."""
        return await self._sites(
            "follows = 1 AND deleted_at IS NULL AND looked_at < ? "
            f"AND NOT EXISTS ({SITE_SUSPENDED.format(site='sites.name')}) ORDER BY looked_at LIMIT ?",
            *(before, limit),
        )

    async def mark_looked_at(self, name: str, now: int, head: str | None) -> None:
        await self.database.execute(
            "UPDATE sites SET looked_at = ?, head = ? WHERE name = ?", now, head, name
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
