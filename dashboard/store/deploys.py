"""The queries that begin deploys, within the limits. Times are milliseconds since 1970.

Each limit is decided in the statement that begins: SQLite runs one after the other, however many requests
come at once. A run counts while it has not ended, also of a deleted app; and in its hour and day whatever
became of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.app import App, Source, User
from model.limits import DAY_MS, HOUR_MS, Limits
from store.database import Database, Statement, Value
from store.sums import APP_MADE, APPS, summed
from store.suspensions import AGAINST, APP_SUSPENDED, SITE_SUSPENDED

UNENDED = "SELECT count(*) FROM apps WHERE user_id = ?1 AND run_ended = 0"
OF_USER = "FROM deploys WHERE user_id = ?1 AND began_at >"
OF_ALL = "FROM deploys WHERE began_at >"
# Of a new app of the repository ?9, and of one that is there, ?7.
SUSPENSION_OF_NEW = f"SELECT 1 FROM {AGAINST.format(user='?1', repository='?9')}"  # noqa: S608
SUSPENSION_OF_APP = APP_SUSPENDED.format(app="?7")
MAY_BEGIN = (
    "NOT EXISTS (SELECT 1 FROM overrides WHERE setting = 'deploys' AND value = 'off') AND "  # noqa: S608
    f"({UNENDED}) < ?3 AND (SELECT count(*) {OF_USER} ?2 - {HOUR_MS}) < ?4 "
    f"AND (SELECT count(*) {OF_USER} ?2 - {DAY_MS}) < ?5 AND (SELECT count(*) {OF_ALL} ?2 - {DAY_MS}) < ?6"
)
MAY_BEGIN_AGAIN = f"status = 'failed' AND run_ended = 1 AND {MAY_BEGIN} AND NOT EXISTS ({SUSPENSION_OF_APP})"
# An app after the statement that began its deploy, also where another did at the same time.
HAS_BEGUN = "status = 'pending' AND changed_at = ?2"
# A site, ?13, is live and has no version on its way.
HAS_ROOM = (
    "(EXISTS (SELECT 1 FROM sites WHERE name = ?13 AND deleted_at IS NULL) AND NOT EXISTS "  # noqa: S608
    "(SELECT 1 FROM site_versions WHERE site = ?13 AND ended_at IS NULL) "
    f"AND NOT EXISTS ({SITE_SUSPENDED.format(site='?13')}))"
)
# An app whose script is still to be removed counts, too.
APPS_OF_USER = "SELECT count(*) FROM apps WHERE user_id = ?1 AND removed_at IS NULL"
# In the transaction of what began it: nothing, if nothing was begun.
NOTE = (
    "INSERT INTO deploys (app_id, user_id, began_at) SELECT id, user_id, run_began_at FROM apps "  # noqa: S608
    f"WHERE id = ?1 AND {HAS_BEGUN} ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class ForSite:
    """Which site a deploy is for, and who asked for it; None where its branch was followed."""

    name: str
    asker: User | None


@dataclass(frozen=True, slots=True)
class Use:
    """What a user has of what is limited: apps, and runs that have not ended.

    `hour_ends` and the others are when a full limit has room again.
    """

    apps: int
    under_way: int
    hour_ends: int | None
    day_ends: int | None
    all_day_ends: int | None


@dataclass(frozen=True, slots=True)
class Deploys:
    database: Database

    async def begin(
        self,
        app_id: str,
        user: User,
        source: Source,
        now: int,
        limits: Limits,
        site: ForSite | None = None,
    ) -> bool:
        """Add a pending app, as a site's next version if it is for one.

        False if the user has a live one of this source, a limit is reached, or the site has another on its
        way.
        """
        name = None if site is None else site.name
        asker = None if site is None or site.asker is None else site.asker.id
        made: Statement = (
            "INSERT INTO apps (id, user_id, repository, git_ref, commit_hash, directory, created_at, "
            "changed_at, asked_at, run_began_at) SELECT ?8, ?1, ?9, ?10, ?11, ?12, ?2, ?2, ?2, ?2 "
            f"WHERE {MAY_BEGIN} AND ({APPS_OF_USER}) < ?7 AND (?13 IS NULL OR {HAS_ROOM}) "
            f"AND NOT EXISTS ({SUSPENSION_OF_NEW}) "
            "ON CONFLICT DO NOTHING RETURNING id",
            (
                *values_of(user, now, limits),
                limits.apps,
                app_id,
                source.repository,
                source.git_ref,
                source.commit_hash,
                source.directory,
                name,
            ),
        )
        _, begun, *_ = await self.database.batch(
            *summed(APPS, "id = ?1", (app_id,), made),
            (APP_MADE, (app_id, now)),
            (NOTE, (app_id, now)),
            (
                "INSERT INTO site_versions (site, app_id, user_id, asked_at, is_made) "
                "SELECT ?2, id, ?3, ?4, 1 FROM apps WHERE id = ?1 AND ?2 IS NOT NULL ON CONFLICT DO NOTHING",
                (app_id, name, asker, now),
            ),
        )
        return bool(begun)

    async def begin_again(self, app: App, now: int, limits: Limits) -> bool:
        """Make a failed app pending, whose run has ended; False if another has, or a limit is reached."""
        values = (*values_of(app.deployer, now, limits), app.id)
        again: Statement = (
            "UPDATE apps SET status = 'pending', failure = NULL, run_ended = 0, changed_at = ?2, "  # noqa: S608
            "asked_at = ?2, run_began_at = max(run_began_at + 1, ?2) "
            f"WHERE id = ?7 AND {MAY_BEGIN_AGAIN} RETURNING id",
            values,
        )
        # One that is refused writes nothing: it is in no sum's change, neither before nor after.
        changing = f"id = ?7 AND (({MAY_BEGIN_AGAIN}) OR ({HAS_BEGUN}))"
        _, begun, *_ = await self.database.batch(
            *summed(APPS, changing, values, again), (NOTE, (app.id, now))
        )
        return bool(begun)

    async def use(self, user: User, now: int, limits: Limits) -> Use:
        """To say what didn't allow a deploy."""

        def ends(period: int, having: str, limit: str) -> str:
            """The oldest run that keeps a period full leaves it then."""
            newest = f"SELECT began_at + {period} {having} ?2 - {period} ORDER BY began_at DESC"
            return f"({newest} LIMIT 1 OFFSET {limit} - 1)"

        (row,) = await self.database.execute(
            f"SELECT ({APPS_OF_USER}) AS apps, ({UNENDED}) AS under_way, "
            f"{ends(HOUR_MS, OF_USER, '?4')} AS hour_ends, "
            f"{ends(DAY_MS, OF_USER, '?5')} AS day_ends, {ends(DAY_MS, OF_ALL, '?6')} AS all_day_ends",
            *values_of(user, now, limits),
        )
        return Use(**{name: row[name] for name in Use.__slots__})  # type: ignore[arg-type]

    async def look_up(self, user: User, now: int, limits: Limits) -> bool:
        """Count a look-up at GitHub; False if the user has had all of this hour's."""
        rows = await self.database.execute(
            "INSERT INTO lookups (user_id, hour, made) SELECT ?1, ?2, 1 WHERE ?3 > 0 "
            "ON CONFLICT (user_id) DO UPDATE SET hour = ?2, "
            "made = CASE WHEN hour = ?2 THEN made + 1 ELSE 1 END "
            "WHERE hour <> ?2 OR made < ?3 RETURNING user_id",
            *(user.id, now // HOUR_MS, limits.lookups_per_hour),
        )
        return bool(rows)

    async def forget_old(self, now: int) -> None:
        """Deploys that no limit counts any more."""
        await self.database.execute("DELETE FROM deploys WHERE began_at <= ?", now - DAY_MS)


def values_of(user: User, now: int, limits: Limits) -> tuple[Value, ...]:
    """?1 to ?6."""
    of_user = (limits.deploys_at_once, limits.deploys_per_hour, limits.deploys_per_day)
    return (user.id, now, *of_user, limits.all_deploys_per_day)
