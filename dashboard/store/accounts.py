"""The queries on what the accounts' objects said last of requests and cost, and on the sums of it.

Times are milliseconds since 1970. Amounts go as text into D1, whose numbers are exact to 2^53 only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from model.limits import DAY_MS
from store.database import Database
from store.sums import ACCOUNTS, summed

# What is told, ?1, of an account.
REQUESTS = "CAST(value ->> 'requests' AS INTEGER)"
COST = "CAST(value ->> 'cost_nano_usd' AS INTEGER)"
# Since an account was asked last, on the day ?2. Of one that is older than these sums that isn't known.
OF_DAY = (
    "INSERT INTO days (day, requests) SELECT ?2, seen FROM ("  # noqa: S608
    f"SELECT coalesce(sum({REQUESTS} - requests), 0) AS seen FROM json_each(?1) "
    "CROSS JOIN accounts ON account = value ->> 'account' WHERE changed_at > 0) WHERE seen <> 0 "
    "ON CONFLICT (day) DO UPDATE SET requests = requests + excluded.requests"
)
NOTE = (
    f"UPDATE accounts SET requests = {REQUESTS}, cost_nano_usd = {COST}, "  # noqa: S608
    "funding_cents = value ->> 'funding_cents', changed_at = value ->> 'changed_at', "
    "look_at = value ->> 'look_at' "
    "FROM json_each(?1) WHERE account = value ->> 'account'"
)
COLUMNS = (
    "account, CAST(requests AS TEXT) AS requests, CAST(cost_nano_usd AS TEXT) AS cost_nano_usd, "
    "funding_cents, changed_at, look_at"
)
# Once money has moved, also of one that is closed.
TURN = "UPDATE accounts SET look_at = ? WHERE account = ?"
TOLD = "account IN (SELECT value ->> 'account' FROM json_each(?1))"


@dataclass(frozen=True, slots=True)
class Seen:
    """What an account has used and was paid, since when that is so, and when it is asked next, if at all.

    `funding_cents` is None until it is asked.
    """

    account: str
    requests: str
    cost_nano_usd: str
    funding_cents: int | None
    changed_at: int
    look_at: int | None


@dataclass(frozen=True, slots=True)
class Accounts:
    database: Database

    async def claim(self, now: int, until: int, limit: int) -> list[Seen]:
        """Accounts whose turn it is, which nobody else asks until a time, those first that waited longest."""
        rows = await self.database.execute(
            "UPDATE accounts SET look_at = ?2 WHERE account IN (SELECT account FROM accounts "  # noqa: S608
            f"WHERE look_at <= ?1 ORDER BY look_at LIMIT ?3) RETURNING {COLUMNS}",
            *(now, until, limit),
        )
        return [Seen(**row) for row in rows]  # type: ignore[arg-type]

    async def known(self, accounts: Sequence[str]) -> dict[str, Seen]:
        """What was seen of accounts, by their names; nothing of those that were never asked."""
        rows = await self.database.execute(
            f"SELECT {COLUMNS} FROM accounts WHERE changed_at > 0 AND funding_cents IS NOT NULL "  # noqa: S608
            "AND account IN (SELECT value FROM json_each(?))",
            json.dumps(list(accounts)),
        )
        return {str(row["account"]): Seen(**row) for row in rows}  # type: ignore[arg-type]

    async def note(self, seen: Sequence[Seen], now: int) -> None:
        told = json.dumps([asdict(one) for one in seen])
        await self.database.batch(
            (OF_DAY, (told, now // DAY_MS)), *summed(ACCOUNTS, TOLD, (told,), (NOTE, (told,)))
        )

    async def late(self, now: int) -> int:
        """For how long the turn of some account has been over."""
        rows = await self.database.execute(
            "SELECT look_at FROM accounts WHERE look_at IS NOT NULL ORDER BY look_at LIMIT 1"
        )
        return max(0, now - int(rows[0]["look_at"] or 0)) if rows else 0
