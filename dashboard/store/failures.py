"""The queries on what apps failed with. Times are milliseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

from model.failure import Failure
from model.limits import DAY_MS, HOUR_MS
from store.database import Database, Row

MOST_KINDS = 50
KEPT_MS = 30 * DAY_MS
MAX_REQUESTS = 1_000  # characters: of Cloudflare's ids the last 47
# So that no crowd of new kinds drives out those that are kept, nor costs more rows than what is kept already.
NEW_PER_HOUR = 20
KEPT = "FROM failures AS kept WHERE kept.app_id = apps.id AND"
KIND = (
    f"CASE WHEN EXISTS (SELECT 1 {KEPT} kept.kind = value ->> 'kind') OR (SELECT count(*) "
    f"{KEPT} kept.first_at > value ->> 'last_at' - {HOUR_MS}) < {NEW_PER_HOUR} "
    "THEN value ->> 'kind' ELSE '' END"
)
# Of a report of dispatch's, ?1; what is deleted has none.
NOTE = (
    "INSERT INTO failures (app_id, kind, message, path, requests, times, first_at, last_at) "  # noqa: S608
    f"SELECT apps.id, {KIND}, value ->> 'message', value ->> 'path', value ->> 'requests', "
    "value ->> 'times', value ->> 'first_at', value ->> 'last_at' "
    "FROM json_each(?1) CROSS JOIN apps ON apps.id = value ->> 'app' WHERE deleted_at IS NULL "
    "ON CONFLICT (app_id, kind) DO UPDATE SET message = excluded.message, path = excluded.path, "
    f"requests = substr(excluded.requests || ' ' || requests, 1, {MAX_REQUESTS}), "
    "times = times + excluded.times, last_at = excluded.last_at"
)
# In the same transaction: no app ever has more.
CUT = (
    "DELETE FROM failures WHERE (app_id, kind) IN (SELECT app_id, kind FROM (SELECT app_id, kind, "  # noqa: S608
    "row_number() OVER (PARTITION BY app_id ORDER BY last_at DESC) AS place FROM failures "
    f"WHERE app_id IN (SELECT value ->> 'app' FROM json_each(?1))) WHERE place > {MOST_KINDS})"
)


@dataclass(frozen=True, slots=True)
class Failures:
    database: Database

    async def note(self, report: str) -> None:
        """Add what dispatch has counted: JSON, as `failures.py` there makes it."""
        await self.database.batch((NOTE, (report,)), (CUT, (report,)))

    async def of_app(self, app_id: str, now: int, request_id: str = "") -> list[Failure]:
        """What an app failed with lately, the latest first; of a request only, if one is given."""
        rows = await self.database.execute(
            "SELECT * FROM failures WHERE app_id = ?1 AND last_at > ?2 "
            "AND (?3 = '' OR instr(' ' || requests || ' ', ' ' || ?3 || ' ') > 0) ORDER BY last_at DESC",
            *(app_id, now - KEPT_MS, request_id),
        )
        return [failure_of(row) for row in rows]

    async def forget_old(self, now: int) -> None:
        """Reads all rows, of which an app has few: an index would cost a further row with each report."""
        await self.database.execute("DELETE FROM failures WHERE last_at <= ?", now - KEPT_MS)


def failure_of(row: Row) -> Failure:
    values = {**row, "requests": tuple(str(row["requests"]).split())}
    del values["app_id"]
    return Failure(**values)  # type: ignore[arg-type]
