"""Sums over tables that grow, kept by the transactions that change them: D1 bills each row that is read.

What a change is about is taken out of the sums as it is before, and put in as it is after. So a change that
comes to nothing changes no sum, whatever it depends on. Once a day all of it is counted anew: earlier code,
after a rollback, keeps no sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.limits import DAY_MS
from store.database import Database, Statement, Value

# What is counted of a table, by name: of all rows, or of those that a condition names.
APPS = "SELECT 'apps ' || status AS name, count(*) AS value FROM apps {where} GROUP BY status"
USERS = "SELECT 'users' AS name, count(*) AS value FROM users {where}"
SITES = "SELECT 'sites' AS name, count(*) AS value FROM sites {where}"
# What the reversals of a payment take back of it.
TAKEN = "(SELECT coalesce(sum(reversals.amount_cents), 0) FROM reversals WHERE payment_id = payments.id)"
PAYMENTS = (
    "SELECT 'payments ' || status AS name, count(*) AS value FROM payments {where} GROUP BY status "  # noqa: S608
    f"UNION ALL SELECT 'paid_cents', coalesce(sum(amount_cents - {TAKEN}), 0) FROM payments {{where}}"
)
ACCOUNTS = (
    "SELECT 'requests' AS name, coalesce(sum(requests), 0) AS value FROM accounts {where} "
    "UNION ALL SELECT 'cost_nano_usd', coalesce(sum(cost_nano_usd), 0) FROM accounts {where}"
)
ADD = (
    "INSERT INTO sums (name, value) SELECT name, {sign}value FROM ({counted}) WHERE value <> 0 "
    "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)
APP_MADE = (
    f"INSERT INTO days (day, apps) SELECT created_at / {DAY_MS}, 1 FROM apps WHERE id = ?1 "  # noqa: S608
    "AND created_at = ?2 ON CONFLICT (day) DO UPDATE SET apps = apps + 1"
)
# An account that is asked from a time on, and 0 where nobody knows when it was used.
OPENED = (
    "INSERT INTO accounts (account, changed_at, look_at) SELECT {key}, {since}, {now} FROM {source} "
    "ON CONFLICT DO NOTHING"
)
APP_OPENED = OPENED.format(
    key="id", since="?2", now="?2", source="apps WHERE id = ?1 AND status = 'deployed'"
)
SITE_OPENED = OPENED.format(key="name", since="?2", now="?2", source="sites WHERE name = ?1")
# What limits refused in all, by limit: nothing else has it, so it isn't counted anew.
REFUSED = "refused "
# What is deployed, and suspended or missing all the same: little beside all that is deployed.
OUT = (
    "SELECT (SELECT count(*) FROM apps WHERE status = 'deployed' "
    "AND id IN (SELECT app_id FROM suspended_apps)) AS suspended, "
    "(SELECT count(*) FROM apps WHERE status = 'deployed' AND missing_since IS NOT NULL "
    "AND id NOT IN (SELECT app_id FROM suspended_apps)) AS missing"
)
# All of it anew, at a time, ?1.
RECOUNT = (
    f"UPDATE sums SET value = 0 WHERE name <> 'counted_at' AND name NOT LIKE '{REFUSED}%'",  # noqa: S608
    OPENED.format(key="id", since="0", now="?1", source="apps WHERE deployed_at IS NOT NULL"),
    OPENED.format(key="name", since="0", now="?1", source="sites WHERE TRUE"),
    *(
        ADD.format(sign="", counted=counted.format(where=""))
        for counted in (APPS, USERS, SITES, PAYMENTS, ACCOUNTS)
    ),
    f"INSERT INTO days (day, apps) SELECT created_at / {DAY_MS} AS made_on, count(*) FROM apps "  # noqa: S608
    "WHERE TRUE GROUP BY made_on ON CONFLICT (day) DO UPDATE SET apps = excluded.apps",
    f"UPDATE payments SET taken = {TAKEN} "  # noqa: S608
    f"WHERE id IN (SELECT payment_id FROM reversals) AND taken <> {TAKEN}",
)
# By one run, and once a day whatever comes of it: where there is too much to count, not in each run.
CLAIM = (
    "INSERT INTO sums (name, value) VALUES ('counted_at', ?1) ON CONFLICT (name) DO UPDATE "  # noqa: S608
    f"SET value = excluded.value WHERE value <= excluded.value - {DAY_MS} RETURNING name"
)


def summed(
    counted: str, condition: str, values: Sequence[Value], *changes: Statement
) -> tuple[Statement, ...]:
    """The statements of a transaction that changes rows under a condition, and the sums with them.

    The rows of `changes` come second.
    """
    part = counted.format(where=f"WHERE {condition}")
    before = ADD.format(sign="-", counted=part)
    after = ADD.format(sign="", counted=part)
    return ((before, values), *changes, (after, values))


@dataclass(frozen=True, slots=True)
class Totals:
    """How many apps there are of each state, payments of each status, refusals of each limit; what all
    accounts together have used, as far as it was seen; what was paid into them, less what was taken back.
    """

    apps: dict[str, int]
    payments: dict[str, int]
    refusals: dict[str, int]
    users: int
    sites: int
    paid_cents: int
    requests: int
    cost_nano_usd: int


@dataclass(frozen=True, slots=True)
class Days:
    """Apps that were made, and requests that were seen, on each of the last days (UTC), today last."""

    apps: list[int]
    requests: list[int]


@dataclass(frozen=True, slots=True)
class Sums:
    """Times are milliseconds since 1970."""

    database: Database

    async def totals(self) -> Totals:
        sums = await self._all()
        (row,) = await self.database.execute(OUT)
        out = {state: int(number or 0) for state, number in row.items()}
        apps = out | part_of(sums, "apps ")
        apps["deployed"] = apps.get("deployed", 0) - sum(out.values())
        names = ("users", "sites", "paid_cents", "requests", "cost_nano_usd")
        return Totals(
            {state: number for state, number in apps.items() if number > 0},
            part_of(sums, "payments "),
            part_of(sums, REFUSED),
            *(sums.get(name, 0) for name in names),
        )

    async def days(self, now: int, days: int) -> Days:
        first = now // DAY_MS - days + 1
        rows = await self.database.execute("SELECT * FROM days WHERE day >= ?", first)
        known = {row["day"]: row for row in rows}

        def of(name: str) -> list[int]:
            return [max(0, int(known.get(day, {}).get(name) or 0)) for day in range(first, first + days)]

        return Days(of("apps"), of("requests"))

    async def recount(self, now: int) -> None:
        """If that was not done for a day."""
        if await self.database.execute(CLAIM, now):
            await self.database.batch(*((sql, (now,) if "?1" in sql else ()) for sql in RECOUNT))

    async def _all(self) -> dict[str, int]:
        """As text, which holds what D1's numbers can't."""
        rows = await self.database.execute("SELECT name, CAST(value AS TEXT) AS value FROM sums")
        return {str(row["name"]): int(row["value"] or 0) for row in rows}


def part_of(sums: dict[str, int], prefix: str) -> dict[str, int]:
    """Those whose names begin so, without zeros."""
    found = {name: value for name, value in sums.items() if name.startswith(prefix) and value > 0}
    return {name.removeprefix(prefix): value for name, value in found.items()}
