"""What is done now and then, whoever asks for pages or not: deploys and removals that were left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clients.billing import BillingUnavailableError
from clients.cloudflare import CloudflareError
from clients.github_api import GitHubError, GitHubRateLimitedError
from hosting.app import App
from hosting.deployments import Deployments
from hosting.removals import Removals
from store.apps import Apps
from store.users import Users

OVERDUE_MS = 120_000
APPS_AT_ONCE = 20
# Told what could not be done, and for which app.
OnFailure = Callable[[App, Exception], None]


@dataclass(frozen=True, slots=True)
class Upkeep:
    apps: Apps
    users: Users
    deployments: Deployments
    removals: Removals

    async def run(self, now: int, on_failure: OnFailure) -> None:
        """Do what is due; what fails is tried again the next time, after all others."""
        await self.users.forget_expired_sessions(now)
        for app in await self.apps.overdue(now - OVERDUE_MS, APPS_AT_ONCE):
            await self.apps.mark_asked(app.id, now)
            try:
                await self._look_after(app, now)
            except (GitHubError, BillingUnavailableError, CloudflareError) as error:
                on_failure(app, error)
                if isinstance(error, GitHubRateLimitedError):
                    return

    async def _look_after(self, app: App, now: int) -> None:
        if not app.run_ended:
            app = await self.deployments.look_after(app, now)
        if app.deleted_at is not None:
            await self.removals.finish(app, now)
