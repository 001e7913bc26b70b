"""Deleting an account: what is a user's is deleted, then their name is forgotten.

In this order, so that who dies on the way can log in and go on. GitHub's numeric id stays, as apps and sites
belong to it for ever, and a suspension of it holds.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from clients.billing import BillingUnavailableError
from clients.cloudflare import CloudflareError
from hosting.removals import Removals
from hosting.sites import SiteHosting
from model.app import User
from model.site import AlreadySoError, SiteError
from store.apps import Apps
from store.sites import Sites
from store.users import Users

# The rest is finished by the upkeep.
REMOVED_AT_ONCE = 20
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Leaving:
    """Times are milliseconds since 1970."""

    users: Users
    apps: Apps
    sites: Sites
    site_hosting: SiteHosting
    removals: Removals

    async def delete(self, user: User, now: int) -> None:
        """Delete all sites and apps of a user, their sessions and their name. Raises SiteError."""
        while found := await self.sites.live_of(user, AT_ONCE):
            for site in found:
                with contextlib.suppress(AlreadySoError):  # another click was quicker
                    await self.site_hosting.delete(site.name, user, now)
        deleted: list[str] = []
        while apps := await self.apps.live_of(user, AT_ONCE):
            marked = [app.id for app in apps if await self.apps.mark_deleted(app.id, now)]
            if not marked:
                raise SiteError("A site that was made meanwhile serves one of your apps. Try again.")
            deleted += marked
        for app_id in deleted[:REMOVED_AT_ONCE]:
            await self._finish(app_id, now)
        await self.users.forget(user.id)

    async def _finish(self, app_id: str, now: int) -> None:
        app = await self.apps.get(app_id)
        assert app is not None
        try:
            await self.removals.finish(app, now)
        except (BillingUnavailableError, CloudflareError):
            return  # the upkeep tries again
