"""The queries on what limits have refused. Times are milliseconds since 1970."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from model.limits import DAY_MS
from model.refusals import OTHERS, Refusal
from store.database import Database
from store.sums import REFUSED

KEPT_DAYS = 7
# Of a day: so no crowd of users fills the table. Who comes later is counted together.
MOST_A_DAY = 100
TODAY = "FROM refusals AS kept WHERE kept.day = ?2"
ASKER = (
    f"CASE WHEN (SELECT count(*) {TODAY}) < {MOST_A_DAY} OR EXISTS (SELECT 1 {TODAY} "
    "AND kept.limited = value ->> 'limit' AND kept.asker = value ->> 'asker') "
    f"THEN value ->> 'asker' ELSE '{OTHERS}' END"
)
NOTE = (
    "INSERT INTO refusals (day, limited, asker, times, last_at) SELECT ?2, value ->> 'limit' AS of_limit, "  # noqa: S608
    f"{ASKER} AS of_asker, sum(value ->> 'times'), ?3 FROM json_each(?1) GROUP BY of_limit, of_asker "
    "ON CONFLICT (day, limited, asker) DO UPDATE SET times = times + excluded.times, "
    "last_at = excluded.last_at"
)
# Since they are counted.
ADD = (
    f"INSERT INTO sums (name, value) SELECT '{REFUSED}' || (value ->> 'limit') AS name, "  # noqa: S608
    "sum(value ->> 'times') FROM json_each(?1) GROUP BY name "
    "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)


@dataclass(frozen=True, slots=True)
class Refused:
    """How often a limit refused somebody lately; `login` is that of a user who is known."""

    limited: str
    asker: str
    login: str | None
    times: int
    last_at: int


@dataclass(frozen=True, slots=True)
class Refusals:
    database: Database

    async def note(self, refusals: Sequence[Refusal], now: int) -> None:
        told = json.dumps([asdict(one) for one in refusals])
        await self.database.batch((NOTE, (told, now // DAY_MS, now)), (ADD, (told,)))

    async def lately(self, now: int, limit: int) -> list[Refused]:
        """Of the last days, the latest first."""
        rows = await self.database.execute(
            "SELECT limited, asker, login, sum(times) AS times, max(last_at) AS last_at FROM refusals "
            "LEFT JOIN users ON users.id = CAST(asker AS INTEGER) WHERE day > ? "
            "GROUP BY limited, asker ORDER BY max(last_at) DESC, limited, asker LIMIT ?",
            *(now // DAY_MS - KEPT_DAYS, limit),
        )
        return [Refused(**row) for row in rows]  # type: ignore[arg-type]

    async def forget_old(self, now: int) -> None:
        await self.database.execute("DELETE FROM refusals WHERE day <= ?", now // DAY_MS - KEPT_DAYS)
