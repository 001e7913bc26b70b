"""The queries on looks, which ask Cloudflare whether a Worker is there. Times are milliseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass

from store.database import Database


@dataclass(frozen=True, slots=True)
class LookBudget:
    """How many looks may begin within any `period_ms`: one at a Worker, `all_looks` in all, of which at most
    `user_looks` are at apps that the same user deployed.
    """

    period_ms: int
    all_looks: int
    user_looks: int


@dataclass(frozen=True, slots=True)
class Looks:
    database: Database

    async def begin(self, app_id: str, now: int, budget: LookBudget) -> bool:
        """Claim a look; False where the budget has none left."""
        rows = await self.database.execute(
            "INSERT INTO looks (app_id, began_at) SELECT ?1, ?2 "
            "WHERE (SELECT count(*) FROM looks WHERE began_at > ?2 - ?3) < ?4 "
            "AND (SELECT count(*) FROM looks JOIN apps ON apps.id = app_id WHERE began_at > ?2 - ?3 "
            "AND user_id = (SELECT user_id FROM apps WHERE id = ?1)) < ?5 "
            "ON CONFLICT (app_id) DO UPDATE SET began_at = excluded.began_at "
            "WHERE looks.began_at <= excluded.began_at - ?3 RETURNING app_id",
            *(app_id, now, budget.period_ms, budget.all_looks, budget.user_looks),
        )
        return bool(rows)

    async def note(self, app_id: str, is_missing: bool) -> None:
        """Keep what a look has found."""
        await self.database.execute(
            "UPDATE looks SET is_missing = ? WHERE app_id = ?", int(is_missing), app_id
        )

    async def is_missing(self, app_id: str) -> bool:
        """What the last look found; False without any."""
        rows = await self.database.execute("SELECT is_missing FROM looks WHERE app_id = ?", app_id)
        return bool(rows and rows[0]["is_missing"])
