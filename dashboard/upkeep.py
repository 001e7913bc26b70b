"""What is done now and then: deploys, removals, payments, sites and notices that were left behind."""

from __future__ import annotations

from dataclasses import dataclass

from attestation.checks import Checks
from clients.billing import BillingUnavailableError
from clients.github_api import GitHubRateLimitedError, GitHubUnreachableError
from hosting.deployments import Deployments
from hosting.following import LOOK_MS, Following
from hosting.notices import Notifying
from hosting.refusing import Refusing
from hosting.removals import Removals
from hosting.sites import SiteHosting
from hosting.usage import Counting
from model.app import App
from model.batch import OnFailure, each
from model.limits import DAY_MS
from model.progress import UNEXPLAINED
from model.site import Site
from payments.fulfilment import Fulfilment
from payments.taking_back import TakingBack
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
        """Do what is due; what fails is told, tried again later, and no reason to leave others undone."""
        parts = (
            self._forget,
            self._finish_payments,
            self._take_back,
            self._finish_apps,
            self._finish_sites,
            self._follow_branches,
            self._make_checks,
            self._recount,
            self._count,
            self._note_refusals,
            self._look_at_balances,
            self._tell_deployers,
        )
        await each(
            parts, lambda part: part.__name__.strip("_"), lambda part: part(now, on_failure), on_failure
        )

    async def _forget(self, now: int, on_failure: OnFailure) -> None:
        week_ago = now - EXPIRED_PAYMENT_MS
        steps = (
            (self.users.forget_expired_sessions, now),
            (self.deploys.forget_old, now),
            (self.failures.forget_old, now),
            (self.payments.forget_expired, week_ago),
            (self.payments.forget_ways_back, week_ago),
            (self.notifying.notices.forget_old, now),
            (self.refusing.store.forget_old, now),
        )
        await each(steps, lambda step: step[0].__qualname__, lambda step: step[0](step[1]), on_failure)

    async def _look_at_balances(self, now: int, on_failure: OnFailure) -> None:
        await self.notifying.look_at_balances(now, on_failure)

    async def _tell_deployers(self, now: int, on_failure: OnFailure) -> None:
        """Last, as others' servers may be slow."""
        await self.notifying.send(on_failure)

    async def _recount(self, now: int, on_failure: OnFailure) -> None:
        """Once a day everything."""
        await self.sums.recount(now)

    async def _count(self, now: int, on_failure: OnFailure) -> None:
        """What all accounts have used."""
        await self.counting.look(now, on_failure)

    async def _note_refusals(self, now: int, on_failure: OnFailure) -> None:
        """What this run refused."""
        await self.refusing.write(now)

    async def _make_checks(self, now: int, on_failure: OnFailure) -> None:
        """Make those that are waited for, and that nobody came back for."""
        for _ in range(CHECKS_AT_ONCE):
            if not await self.checks.make_next(now, on_failure):
                return

    async def _finish_payments(self, now: int, on_failure: OnFailure) -> None:
        """Credit what was paid, where that was left half done."""
        overdue, long_open = now - OVERDUE_MS, now - OPEN_PAYMENT_MS
        unfinished = await self.payments.unfinished(overdue, PAYMENTS_AT_ONCE)
        left_open = await self.payments.left_open(overdue, long_open, PAYMENTS_AT_ONCE)

        async def finish(session_id: str) -> None:
            await self.payments.mark_asked(session_id, now)
            await self.fulfilment.fulfil(session_id, now)

        await each((*unfinished, *left_open), str, finish, on_failure)

    async def _take_back(self, now: int, on_failure: OnFailure) -> None:
        """Take back what is to be, where that was left half done."""
        await self.taking_back.finish(now, now - OVERDUE_MS, on_failure)

    async def _finish_apps(self, now: int, on_failure: OnFailure) -> None:
        async def finish(app: App) -> None:
            await self.apps.mark_asked(app.id, now)
            await self._look_after(app, now)

        overdue = await self.apps.overdue(now - OVERDUE_MS, APPS_AT_ONCE)
        if await each(overdue, name_of_app, finish, on_failure, over=GitHubRateLimitedError):
            await self._explain_failures(now, on_failure)

    async def _finish_sites(self, now: int, on_failure: OnFailure) -> None:
        """Announce what was deployed meanwhile, and tell the objects of what was decided."""

        async def tell(site: Site) -> None:
            if not await self.site_hosting.tell(site.name, now):
                raise BillingUnavailableError("the site's object could not be told")

        announced = await self.site_hosting.versions.to_be_announced(SITES_AT_ONCE)
        await each(announced, str, lambda name: self.site_hosting.follow(name, now), on_failure)
        untold = await self.site_hosting.sites.untold(now, SITES_AT_ONCE)
        await each(untold, name_of_site, tell, on_failure)

    async def _follow_branches(self, now: int, on_failure: OnFailure) -> None:
        """Look whether branches have new commits, and deploy what could not be deployed before."""
        sites, following = self.following.sites, self.following
        wanting = await sites.wanting(now, SITES_AT_ONCE)
        await each(wanting, name_of_site, lambda site: following.go_on(site.name, now), on_failure)
        followed = await sites.to_be_looked_at(now - LOOK_MS, SITES_AT_ONCE)
        await each(
            followed,
            name_of_site,
            lambda site: following.look(site, now),
            on_failure,
            over=GitHubRateLimitedError,
        )

    async def _explain_failures(self, now: int, on_failure: OnFailure) -> None:
        """Ask for reasons that GitHub didn't give when a run failed: for some time, as there may be none."""

        async def explain(app: App) -> None:
            await self.apps.mark_asked(app.id, now)
            await self.deployments.explain(app, now)

        since, before = now - EXPLAINED_MS, now - OVERDUE_MS
        unexplained = await self.apps.unexplained(UNEXPLAINED, since, before, APPS_AT_ONCE)
        over = (GitHubRateLimitedError, GitHubUnreachableError)
        await each(unexplained, name_of_app, explain, on_failure, over)

    async def _look_after(self, app: App, now: int) -> None:
        if not app.run_ended:
            app = await self.deployments.look_after(app, now)
            await self.following.follow_app(app, now)
        if app.deleted_at is not None:
            await self.removals.finish(app, now)


def name_of_app(app: App) -> str:
    return app.id


def name_of_site(site: Site) -> str:
    return site.name
