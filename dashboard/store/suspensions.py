"""The queries on what an operator has suspended or set, and the log of their acts.

Each act is one transaction: what holds from now on, a row in the log, and a note of every account whose
object has to be told (`telling.py` of the billing Worker). Its `at` is later than that of every act before,
so it orders them and is the version of what the objects are told. The command line sends the same statements.

Times are milliseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.suspension import Act, Kind, Operator, Suspension, Target
from store.causes import telling_of_act
from store.database import Database, Statement

LAST = "coalesce((SELECT max(at) FROM acts), 0)"
# That an app, or a site, is suspended by whatever it is of.
APP_SUSPENDED = "SELECT 1 FROM suspended_apps WHERE suspended_apps.app_id = {app}"
SITE_SUSPENDED = "SELECT 1 FROM suspended_sites WHERE suspended_sites.site = {site}"
# What is suspended of a user's id and a repository. A number is bound as one with a fraction.
AGAINST = (
    "suspensions WHERE (kind = 'user' AND name = CAST(CAST({user} AS INTEGER) AS TEXT)) "
    "OR (kind = 'repository' AND name = lower({repository})) "
    "OR (kind = 'owner' AND name = lower(substr({repository}, 1, instr({repository}, '/') - 1)))"
)
# Where what a target names is, but for repositories and their owners, who can be suspended beforehand.
PLACES: dict[Kind, str] = {"app": "apps WHERE id", "site": "sites WHERE name", "user": "users WHERE id"}
LEFT = "SELECT count(*) AS accounts FROM untold_suspensions"
# Of a target, ?1 and ?2: the accounts of apps and sites, and of the sites that such an app serves.
UNTOLD = (
    "INSERT INTO untold_suspensions (account, version) SELECT account, (SELECT max(at) FROM acts) FROM ("
    "SELECT app_id AS account FROM suspended_apps WHERE kind = ?1 AND name = ?2 "
    "UNION SELECT site FROM suspended_sites WHERE kind = ?1 AND name = ?2 "
    "UNION SELECT site FROM site_events WHERE app_id IN "
    "(SELECT suspended_apps.app_id FROM suspended_apps WHERE kind = ?1 AND name = ?2)) WHERE TRUE "
    "ON CONFLICT (account) DO UPDATE SET version = excluded.version, try_at = 0"
)
# Of a payment: something of it was not taken back.
IS_KEPT = (
    "status = 'credited' AND payments.amount_cents > (SELECT coalesce(sum(reversals.amount_cents), 0) "
    "FROM reversals WHERE payment_id = payments.id)"
)
# What came while a target, ?1 and ?2, was suspended, for what was deleted since: it never could be used.
NEVER_USABLE = (
    "UPDATE payments SET refund_reason = 'deleted' WHERE status = 'credited' AND refund_reason IS NULL "
    "AND id IN (SELECT paid.id FROM suspended_apps AS of JOIN apps ON apps.id = of.app_id "
    "JOIN payments AS paid ON paid.app_id = of.app_id AND paid.site IS NULL AND paid.paid_at >= of.at "
    "WHERE of.kind = ?1 AND of.name = ?2 AND deleted_at IS NOT NULL)",
    "UPDATE payments SET refund_reason = 'deleted' WHERE status = 'credited' AND refund_reason IS NULL "
    "AND id IN (SELECT paid.id FROM suspended_sites AS of JOIN sites ON sites.name = of.site "
    "JOIN payments AS paid ON paid.site = of.site AND paid.paid_at >= of.at "
    "WHERE of.kind = ?1 AND of.name = ?2 AND deleted_at IS NOT NULL)",
)
SELECT = (
    "SELECT suspensions.*, login FROM suspensions "
    "LEFT JOIN users ON kind = 'user' AND users.id = CAST(suspensions.name AS INTEGER)"
)
# What a target, ?1, stands for.
OWNER = "lower(substr(repository, 1, instr(repository, '/') - 1))"
OF_USER, OF_REPOSITORY, OF_OWNER = "user_id = CAST(?1 AS INTEGER)", "lower(repository) = ?1", f"{OWNER} = ?1"
APPS: dict[Kind, str] = {
    "app": "id = ?1",
    "site": "id IN (SELECT app_id FROM site_versions WHERE site = ?1)",
    "user": OF_USER,
    "repository": OF_REPOSITORY,
    "owner": OF_OWNER,
}
SITES: dict[Kind, str] = {
    "app": "name IN (SELECT site FROM site_versions WHERE app_id = ?1)",
    "site": "name = ?1",
    "user": OF_USER,
    "repository": OF_REPOSITORY,
    "owner": OF_OWNER,
}


@dataclass(frozen=True, slots=True)
class Covered:
    """How many live apps and sites a target stands for; of an app, the sites that it is a version of."""

    apps: int
    sites: int


@dataclass(frozen=True, slots=True)
class Suspensions:
    database: Database

    # Acts.

    async def suspend(self, target: Target, reason: str, operator: Operator, now: int) -> bool:
        """False if it is suspended already."""
        begun, *_ = await self.database.batch(*suspending(target, reason, operator, now))
        return bool(begun)

    async def restore(self, target: Target, reason: str, operator: Operator, now: int) -> bool:
        """False if it isn't suspended."""
        ended, *_ = await self.database.batch(*restoring(target, reason, operator, now))
        return bool(ended)

    # What holds.

    async def get(self, target: Target) -> Suspension | None:
        rows = await self.database.execute(
            f"{SELECT} WHERE kind = ? AND suspensions.name = ?", target.kind, target.name
        )
        return Suspension(**rows[0]) if rows else None  # type: ignore[arg-type]

    async def latest(self, before: int, limit: int) -> list[Suspension]:
        """Those in force that were begun before a time, the latest first."""
        rows = await self.database.execute(f"{SELECT} WHERE at < ? ORDER BY at DESC LIMIT ?", before, limit)
        return [Suspension(**row) for row in rows]  # type: ignore[arg-type]

    async def reason_of_app(self, app_id: str) -> str | None:
        rows = await self.database.execute(
            "SELECT reason FROM suspended_apps WHERE app_id = ? LIMIT 1", app_id
        )
        return str(rows[0]["reason"]) if rows else None

    async def reason_against(self, user_id: int, repository: str) -> str | None:
        """Why a user may not deploy a repository, if so."""
        rows = await self.database.execute(
            f"SELECT reason FROM {AGAINST.format(user='?1', repository='?2')} ORDER BY at LIMIT 1",  # noqa: S608
            *(user_id, repository),
        )
        return str(rows[0]["reason"]) if rows else None

    async def covered(self, target: Target) -> Covered:
        (row,) = await self.database.execute(
            f"SELECT (SELECT count(*) FROM apps WHERE {APPS[target.kind]} AND deleted_at IS NULL) AS apps, "  # noqa: S608
            f"(SELECT count(*) FROM sites WHERE {SITES[target.kind]} AND deleted_at IS NULL) AS sites",
            target.name,
        )
        return Covered(int(row["apps"] or 0), int(row["sites"] or 0))

    async def exists(self, target: Target) -> bool:
        """Whether there is such an app, site or user; a repository can be suspended before it is deployed."""
        if target.kind not in PLACES:
            return True
        value = int(target.name) if target.kind == "user" else target.name
        return bool(await self.database.execute(f"SELECT 1 FROM {PLACES[target.kind]} = ?", value))  # noqa: S608

    async def untold(self) -> int:
        """How many accounts have not been told yet."""
        (row,) = await self.database.execute(LEFT)
        return int(row["accounts"] or 0)

    async def paid_accounts(self, after: str, limit: int) -> list[tuple[str, str | None]]:
        """Suspended accounts with payments not given back: the name, and again if it is a site's."""
        rows = await self.database.execute(
            "SELECT app_id AS account, NULL AS site FROM suspended_apps "  # noqa: S608
            "WHERE app_id > ?1 AND EXISTS (SELECT 1 "
            "FROM payments WHERE payments.app_id = suspended_apps.app_id AND payments.site IS NULL "
            f"AND {IS_KEPT}) "
            "UNION SELECT site, site FROM suspended_sites WHERE site > ?1 AND EXISTS (SELECT 1 FROM payments "
            f"WHERE payments.site = suspended_sites.site AND {IS_KEPT}) ORDER BY account LIMIT ?2",
            *(after, limit),
        )
        return [(str(row["account"]), None if row["site"] is None else str(row["site"])) for row in rows]

    async def acts(self, before: int, limit: int) -> list[Act]:
        """What operators did before a time, the latest first."""
        rows = await self.database.execute(
            "SELECT * FROM acts WHERE at < ? ORDER BY at DESC LIMIT ?", before, limit
        )
        return [Act(**row) for row in rows]  # type: ignore[arg-type]


def suspending(target: Target, reason: str, operator: Operator, now: int) -> tuple[Statement, ...]:
    """The first one returns a row if it changes anything."""
    named = (target.kind, target.name)
    return (
        (
            "INSERT INTO suspensions (kind, name, reason, at) "
            f"SELECT ?1, ?2, ?3, max(?4, {LAST} + 1) WHERE TRUE ON CONFLICT DO NOTHING RETURNING at",
            (*named, reason, now),
        ),
        (telling_of_act("suspended", "act.at", "act.reason", f"act.at > {LAST}"), named),
        (
            "INSERT INTO acts (at, act, kind, name, reason, operator_id, operator) "  # noqa: S608
            f"SELECT at, 'suspend', kind, name, reason, ?3, ?4 FROM suspensions "
            f"WHERE kind = ?1 AND name = ?2 AND at > {LAST}",
            (*named, operator.id, operator.name),
        ),
        (UNTOLD, named),
    )


def restoring(target: Target, reason: str, operator: Operator, now: int) -> tuple[Statement, ...]:
    """The first one returns a row if it changes anything."""
    named = (target.kind, target.name)
    return (
        (
            "INSERT INTO acts (at, act, kind, name, reason, operator_id, operator) "  # noqa: S608
            f"SELECT max(?6, {LAST} + 1), 'restore', kind, name, ?3, ?4, ?5 FROM suspensions "
            "WHERE kind = ?1 AND name = ?2 RETURNING at",
            (*named, reason, operator.id, operator.name, now),
        ),
        (telling_of_act("restored", LAST, "?3", "TRUE"), (*named, reason)),
        (UNTOLD, named),
        *((sql, named) for sql in NEVER_USABLE),
        ("DELETE FROM suspensions WHERE kind = ?1 AND name = ?2", named),
    )
