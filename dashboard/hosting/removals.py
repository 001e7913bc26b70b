"""Deleting an app: marked first, then taken apart in steps that can all be repeated.

The account is closed first, which ends the serving. The script goes next. While a workflow of the app
still runs it could upload the script again: it is cancelled, and the removal is finished when it has ended.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from clients.billing import Billing
from clients.cloudflare import Namespace
from clients.github_actions import GitHubActions
from clients.github_api import GitHubError
from model.app import App
from model.site import SiteError
from store.apps import Apps
from store.attestations import Attestations

SERVES = (
    "A site serves this app, did until some minutes ago, or is about to. Have it serve another one first."
)


@dataclass(frozen=True, slots=True)
class Removals:
    apps: Apps
    attestations: Attestations
    billing: Billing
    actions: GitHubActions
    namespace: Namespace

    async def delete(self, app: App, now: int) -> None:
        """Delete an app. What fails after it was marked is raised, and done later by `finish`.

        One that is deleted already asks nobody: it may be asked for as often as somebody likes. Raises
        SiteError for one that a site serves or is about to.
        """
        has_deleted = await self.apps.mark_deleted(app.id, now)
        deleted = await self.apps.get(app.id)
        assert deleted is not None
        if deleted.deleted_at is None:
            raise SiteError(SERVES)
        if not has_deleted:
            return
        await self.finish(deleted, now)

    async def finish(self, app: App, now: int) -> None:
        """Remove what a deleted app has left. Raises BillingUnavailableError and CloudflareError."""
        assert app.deleted_at is not None, "only a deleted app is removed"
        await self.billing.close_account(app.id)
        await self.namespace.delete_script(app.id)
        if app.run_ended:
            await self.attestations.forget(app.id)
            await self.apps.mark_removed(app.id, now)
        elif app.run_id is not None:
            with contextlib.suppress(GitHubError):  # the run then ends by itself
                await self.actions.cancel(app.run_id)
