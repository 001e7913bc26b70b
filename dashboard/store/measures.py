"""What an operator's monitoring measures, in a few statements. Times are milliseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

from model.limits import DAY_MS
from store.apps import IS_UNFINISHED as UNFINISHED_APPS
from store.database import Database, Row
from store.payments import IS_UNFINISHED as UNFINISHED_PAYMENTS


@dataclass(frozen=True, slots=True)
class Measures:
    database: Database

    async def deploys(self, now: int) -> list[Row]:
        """Of runs that were begun within a day: how each ended, how many, and how long they took in all."""
        return await self.database.execute(
            "SELECT CASE WHEN began_at < run_began_at THEN 'failed' WHEN deployed_at IS NOT NULL "
            "AND status IN ('deployed', 'deleted') THEN 'deployed' WHEN status = 'failed' THEN 'failed' "
            "WHEN status = 'deleted' THEN 'deleted' ELSE 'under_way' END AS outcome, count(*) AS deploys, "
            "coalesce(sum(CASE WHEN began_at = run_began_at "
            "THEN max(0, coalesce(deployed_at, changed_at) - began_at) END), 0) "
            "AS milliseconds "
            "FROM deploys JOIN apps ON apps.id = app_id WHERE began_at > ? GROUP BY outcome",
            now - DAY_MS,
        )

    async def backlog(self, now: int) -> Row:
        """What is to be done, and how old the oldest of it is, in milliseconds."""

        def waiting(name: str, since: str, source: str) -> str:
            return (
                f"(SELECT count(*) FROM {source}) AS {name}, "  # noqa: S608
                f"(SELECT max(0, ?1 - min({since})) FROM {source}) AS {name}_age"
            )

        parts = (
            waiting("apps", "changed_at", f"apps WHERE {UNFINISHED_APPS}"),
            waiting("payments", "created_at", f"payments WHERE {UNFINISHED_PAYMENTS} AND status <> 'open'"),
            waiting("reversals", "created_at", "reversals WHERE booked_version < version"),
            waiting("sites", "changed_at", "sites WHERE told_at < changed_at"),
            waiting("suspensions", "version", "untold_suspensions"),
            waiting("checks", "wanted_at", "checks WHERE wanted_at IS NOT NULL"),
        )
        (row,) = await self.database.execute(f"SELECT {', '.join(parts)}", now)
        return row

    async def alarms(self) -> Row:
        """What an operator has to look at."""
        (row,) = await self.database.execute(
            "SELECT (SELECT count(*) FROM checks WHERE differs_since IS NOT NULL) AS differences, "
            "(SELECT count(*) FROM payments WHERE failed_at IS NOT NULL) AS unbooked_payments, "
            "(SELECT count(*) FROM reversals WHERE failed_at IS NOT NULL) AS unbooked_reversals, "
            "(SELECT count(*) FROM suspensions) AS suspensions"
        )
        return row
