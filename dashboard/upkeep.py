"""What is done now and then: deploys, removals, payments, sites and notices that were left behind."""

from __future__ import annotations

from dataclasses import dataclass

from attestation.checks import Checks
from clients.billing import BillingUnavailableError
from clients.cloudflare import CloudflareError
from clients.github_api import GitHubError, GitHubRateLimitedError
from hosting.deployments import Deployments
from hosting.following import LOOK_MS, Following
from hosting.notices import Notifying
from hosting.refusing import Refusing
from hosting.removals import Removals
from hosting.sites import SiteHosting
from hosting.usage import Counting
from model.app import App
from model.checkout import PaymentsNotConfiguredError, PaymentsUnavailableError
from model.limits import DAY_MS
from model.progress import UNEXPLAINED
from payments.fulfilment import Fulfilment
from payments.taking_back import OnFailure, TakingBack
from store.apps import Apps
from store.deploys import Deploys
from store.failures import Failures
from store.payments import Payments
from store.sums import Sums
from store.users import Users

OVERDUE_MS = 120_000
OPEN_PAYMENT_MS = 900_000  # how often is asked about a payment page that nobody has come back from
EXPIRED_PAYMENT_MS = 7 * DAY_MS  # how long is known that nobody paid; a page expires after a day
EXPLAINED_MS = 1_800_000
APPS_AT_ONCE = 20
PAYMENTS_AT_ONCE = 20
SITES_AT_ONCE = 20
CHECKS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Upkeep:
    apps: Apps
    deploys: Deploys
    failures: Failures
    users: Users
    payments: Payments
    deployments: Deployments
    removals: Removals
    fulfilment: Fulfilment
    taking_back: TakingBack
    checks: Checks
    site_hosting: SiteHosting
    following: Following
    notifying: Notifying
    counting: Counting
    sums: Sums
    refusing: Refusing

    async def run(self, now: int, on_failure: OnFailure) -> None:
        """Do what is due; what fails is tried again the next time, after all others."""
        for part in (
            self._forget,
            self._finish_payments,
            self._finish_apps,
            self._finish_sites,
            self._follow_branches,
            self._make_checks,
            self._count,
            self._tell_deployers,
        ):
            try:
                await part(now, on_failure)
            except Exception as error:  # whatever it was, it is no reason to leave the other parts undone
                on_failure(part.__name__.strip("_"), error)

    async def _forget(self, now: int, on_failure: OnFailure) -> None:
        await self.users.forget_expired_sessions(now)
        await self.deploys.forget_old(now)
        await self.failures.forget_old(now)
        await self.payments.forget_expired(now - EXPIRED_PAYMENT_MS)
        await self.payments.forget_ways_back(now - EXPIRED_PAYMENT_MS)
        await self.notifying.notices.forget_old(now)
        await self.refusing.store.forget_old(now)

    async def _tell_deployers(self, now: int, on_failure: OnFailure) -> None:
        """Last, as others' servers may be slow."""
        await self.notifying.look_at_balances(now)
        await self.notifying.send()

    async def _count(self, now: int, on_failure: OnFailure) -> None:
        """What all accounts have used, what this run refused, and once a day everything."""
        await self.sums.recount(now)
        await self.counting.look(now)
        await self.refusing.write(now)

    async def _make_checks(self, now: int, on_failure: OnFailure) -> None:
        """Make those that are waited for, and that nobody came back for."""
        for _ in range(CHECKS_AT_ONCE):
            if not await self.checks.make_next(now, on_failure):
                return

    async def _finish_payments(self, now: int, on_failure: OnFailure) -> None:
        """Credit what was paid, and take back what is to be, where that was left half done."""
        overdue, long_open = now - OVERDUE_MS, now - OPEN_PAYMENT_MS
        unfinished = await self.payments.unfinished(overdue, PAYMENTS_AT_ONCE)
        left_open = await self.payments.left_open(overdue, long_open, PAYMENTS_AT_ONCE)
        for session_id in (*unfinished, *left_open):
            await self.payments.mark_asked(session_id, now)
            try:
                await self.fulfilment.fulfil(session_id, now)
            except (PaymentsUnavailableError, PaymentsNotConfiguredError, BillingUnavailableError) as error:
                on_failure(session_id, error)
        await self.taking_back.finish(now, overdue, on_failure)

    async def _finish_apps(self, now: int, on_failure: OnFailure) -> None:
        for app in await self.apps.overdue(now - OVERDUE_MS, APPS_AT_ONCE):
            await self.apps.mark_asked(app.id, now)
            try:
                await self._look_after(app, now)
            except (GitHubError, BillingUnavailableError, CloudflareError) as error:
                on_failure(app.id, error)
                if isinstance(error, GitHubRateLimitedError):
                    return
        await self._explain_failures(now, on_failure)

    async def _finish_sites(self, now: int, on_failure: OnFailure) -> None:
        """Announce what was deployed meanwhile, and tell the objects of what was decided."""
        sites = self.site_hosting.sites
        for name in await self.site_hosting.versions.to_be_announced(SITES_AT_ONCE):
            await self.site_hosting.follow(name, now)
        for site in await sites.untold(now, SITES_AT_ONCE):
            if not await self.site_hosting.tell(site.name, now):
                on_failure(site.name, BillingUnavailableError("the site's object could not be told"))

    async def _follow_branches(self, now: int, on_failure: OnFailure) -> None:
        """Look whether branches have new commits, and deploy what could not be deployed before."""
        sites = self.following.sites
        for site in await sites.wanting(now, SITES_AT_ONCE):
            await self.following.go_on(site.name, now)
        for site in await sites.to_be_looked_at(now - LOOK_MS, SITES_AT_ONCE):
            try:
                await self.following.look(site, now)
            except GitHubError as error:
                on_failure(site.name, error)
                if isinstance(error, GitHubRateLimitedError):
                    return

    async def _explain_failures(self, now: int, on_failure: OnFailure) -> None:
        """Ask for reasons that GitHub didn't give when a run failed: for some time, as there may be none."""
        since, before = now - EXPLAINED_MS, now - OVERDUE_MS
        for app in await self.apps.unexplained(UNEXPLAINED, since, before, APPS_AT_ONCE):
            await self.apps.mark_asked(app.id, now)
            try:
                await self.deployments.explain(app, now)
            except GitHubError as error:
                on_failure(app.id, error)
                return

    async def _look_after(self, app: App, now: int) -> None:
        if not app.run_ended:
            app = await self.deployments.look_after(app, now)
            await self.following.follow_app(app, now)
        if app.deleted_at is not None:
            await self.removals.finish(app, now)
