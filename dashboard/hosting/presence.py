"""Whether an app's Worker is there at all: asked of Cloudflare, as what an app says of itself proves nothing.

Dispatch asks when a request failed as if there were no Worker, which any app can imitate. So looks are
claimed in the database, and between two of them everyone is told what the last one found. That includes
Workers that the operator uploaded by hand: they have an account, but are no apps.
"""

from __future__ import annotations

from dataclasses import dataclass

from clients.cloudflare import Namespace
from model.app import APP_ID
from store.apps import Apps
from store.looks import LookBudget, Looks

# A look asks Cloudflare at most twice, who answers 1,200 questions in five minutes ("Rate limits").
BUDGET = LookBudget(period_ms=60_000, all_looks=30, user_looks=10)


@dataclass(frozen=True, slots=True)
class Presence:
    apps: Apps
    looks: Looks
    namespace: Namespace

    async def is_missing(self, app_id: str, now: int) -> bool:
        """Whether Cloudflare says that there is no such Worker. Raises CloudflareError."""
        if not APP_ID.fullmatch(app_id):
            return True
        if not await self.looks.begin(app_id, now, BUDGET):
            return await self.looks.is_missing(app_id)
        is_missing = not await self.namespace.has_script(app_id)
        await self.note(app_id, is_missing, now)
        return is_missing

    async def was_missing(self, app_id: str) -> bool:
        """What was found when it was looked for last; False if it never was."""
        return await self.looks.is_missing(app_id)

    async def note(self, app_id: str, is_missing: bool, now: int) -> None:
        """Keep what was found: an app whose Worker is missing takes no money."""
        await self.looks.note(app_id, is_missing)
        if is_missing:
            await self.apps.mark_missing(app_id, now)
        else:
            await self.apps.mark_present(app_id)
