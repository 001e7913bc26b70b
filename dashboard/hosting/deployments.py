"""Deploying an app and following it: what is done in which order, so that each step can be repeated.

An app is in D1 before anything else is done for it. Then the workflow is started. When that has succeeded,
the app's account is opened, which begins the serving. A step that fails leaves the app marked failed with the
reason, to be tried again; a death between two steps leaves it as it is, until `look_after` asks GitHub what
became of it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from clients.billing import Billing
from clients.github_actions import GitHubActions
from clients.github_api import GitHubError, GitHubUnreachableError
from hosting.refusing import Refusing
from hosting.signatures import Signatures
from model.app import App, Source, User
from model.limits import HOUR_MS, LimitReachedError, Limits, until
from model.progress import RunReport, follow
from model.reasons import reasons_in
from model.site import OnItsWayError
from model.suspension import SuspendedError
from store.apps import Apps
from store.deploys import Deploys, ForSite, Use
from store.overrides import Overrides
from store.site_versions import SiteVersions
from store.suspensions import Suspensions

INTERRUPTED = "The deploy was interrupted before the workflow began."
VANISHED = "GitHub no longer knows the workflow's run."
OVERTAKEN = "Something else was begun or ended at this moment. Try again."
UNSURE = "It isn't known yet whether the last attempt began. Try again in five minutes."
# A lost race is tried again with what the other has written; each round, one of them gets on.
MOST_WRITERS = 10


class AlreadyDeployedError(Exception):
    """The user has a live app of this very source."""

    def __init__(self, app: App) -> None:
        super().__init__(app.id)
        self.app = app


@dataclass(frozen=True, slots=True)
class Deployments:
    """`namespace` is the dispatch namespace's name. Times are milliseconds since 1970."""

    apps: Apps
    deploys: Deploys
    versions: SiteVersions
    suspensions: Suspensions
    overrides: Overrides
    signatures: Signatures
    billing: Billing
    actions: GitHubActions
    refusing: Refusing
    namespace: str
    limits: Limits

    async def deploy(
        self, app_id: str, user: User, source: Source, now: int, site: ForSite | None = None
    ) -> None:
        """Begin a deploy, of a site's next version if it is for one. Any failure but these is the app's.

        Raises AlreadyDeployedError, OnItsWayError where the site has a version on its way, and
        LimitReachedError.
        """
        if not await self.deploys.begin(app_id, user, source, now, self.limits, site):
            found = await self.apps.live_app_of(user, source)
            if found is not None:
                raise AlreadyDeployedError(found)
            if site is not None and await self.versions.on_its_way(site.name) is not None:
                raise OnItsWayError  # which is no limit
            raise await self._limit(user, source, now, is_new=True)
        app = await self.apps.get(app_id)
        assert app is not None
        await self._start(app, now)

    async def retry(self, app: App, now: int) -> None:
        """Begin a failed deploy again; when it is under way already, nothing. Raises LimitReachedError."""
        has_begun = await self.deploys.begin_again(app, now, self.limits)
        found = await self.apps.get(app.id)
        assert found is not None
        if has_begun:
            await self._start(found, now)
        elif found.status == "failed":
            if found.suspension is not None:
                raise SuspendedError(found.suspension)
            if not found.run_ended:
                raise LimitReachedError(UNSURE, 300)
            raise await self._limit(app.deployer, app.source, now, is_new=False)

    async def require_lookup(self, user: User, now: int) -> None:
        """Count a look-up of a source at GitHub. Raises LimitReachedError."""
        if not await self.deploys.look_up(user, now, self.limits):
            ends = (now // HOUR_MS + 1) * HOUR_MS
            self.refusing.note("LOOKUPS_PER_HOUR", user)
            raise until(f"You looked up {self.limits.lookups_per_hour} addresses within an hour.", ends, now)

    async def _limit(self, user: User, source: Source, now: int, *, is_new: bool) -> LimitReachedError:
        """Which limit kept a deploy from being begun, of a new app or again."""
        limits = self.limits
        reason = await self.suspensions.reason_against(user.id, source.repository)
        if reason is not None:
            return SuspendedError(reason)
        if 0 in limits.on_deploys or not (await self.overrides.switches()).deploys:
            return LimitReachedError("This site allows no deploys now.")
        found = reached(await self.deploys.use(user, now, limits), limits, now, is_new)
        if found is None:
            return LimitReachedError(OVERTAKEN, 60)
        limit, error = found
        self.refusing.note(limit, user)
        return error

    async def _start(self, app: App, now: int) -> None:
        try:
            run_id = await self.actions.dispatch(inputs_of(app, self.namespace))
        except GitHubUnreachableError as error:
            # The workflow may have begun all the same: its first report will say so.
            await self._fail(app, str(error), now, run_ended=False)
        except GitHubError as error:
            await self._fail(app, str(error), now)
        else:
            if run_id is not None:
                await self.report(app.id, RunReport(run_id, 1, "queued", app_id=app.id), now)

    async def _fail(self, app: App, reason: str, now: int, run_ended: bool = True) -> None:
        failed = replace(app, status="failed", failure=reason, run_ended=run_ended)
        await self.apps.write_if_unchanged(app, failed, now)

    async def report(self, app_id: str, report: RunReport, now: int) -> App | None:
        """Let an app follow a report; return the app as it is then, None for an unknown one.

        Raises BillingUnavailableError where it can't be served yet; then it is to be repeated.
        """
        for _ in range(MOST_WRITERS):
            app = await self.apps.get(app_id)
            if app is None:
                return None
            followed = follow(app, report)
            if followed.status == "failed" and app.status != "failed":
                with contextlib.suppress(GitHubError):
                    followed = await self._explained(followed)
            if followed.status == "deployed" and app.status != "deployed":
                # Without an account nothing is served: not before the whole workflow has succeeded.
                await self.billing.open_account(app.id)
                # And its page, which is followed until then, says what isn't there.
                await self._fetch_manifest(app.id)
            if followed == app or await self.apps.write_if_unchanged(app, followed, now):
                await self._note_signature(followed, report)
                return followed
        raise RuntimeError(f"too many reports at once for the app {app_id}")

    async def explain(self, app: App, now: int) -> None:
        """Ask again why a run failed, which couldn't be told when it did. Raises GitHubError."""
        explained = await self._explained(app)
        if explained != app:
            await self.apps.write_if_unchanged(app, explained, now)

    async def _explained(self, app: App) -> App:
        """The app with what its run says in its failure."""
        assert app.failure is not None
        assert app.run_id is not None
        reasons = reasons_in(await self.actions.annotations(app.run_id, app.run_attempt))
        return replace(app, failure="\n".join((app.failure, *reasons)))

    async def _note_signature(self, app: App, report: RunReport) -> None:
        """Keep what was signed: the manifest, too, of an app that serves already."""
        digest = report.manifest_sha256 if report.is_of(app) else None
        if digest is not None:
            await self.signatures.note(app.id, digest)
        if app.status == "deployed" and digest is not None:
            await self._fetch_manifest(app.id)

    async def _fetch_manifest(self, app_id: str) -> None:
        with contextlib.suppress(GitHubError):  # the next check asks again
            await self.signatures.known(app_id)

    async def look_after(self, app: App, now: int) -> App:
        """Ask GitHub about a run that was not heard of for long. Raises GitHubError."""
        reports = await self._ask(app)
        for report in reports:
            app = await self.report(app.id, report, now) or app
        if not reports:
            await self._give_up(app, now)
        return app

    async def _ask(self, app: App) -> list[RunReport]:
        if app.run_id is not None and not app.awaits_run:
            return await self.actions.reports(app.run_id)
        found = await self.actions.find(app.id)
        return [] if found is None or found.run_id == app.run_id else [found]

    async def _give_up(self, app: App, now: int) -> None:
        """Nothing will come of a run that GitHub doesn't know."""
        given_up = replace(app, run_ended=True)
        if app.is_unfinished:
            reason = INTERRUPTED if app.awaits_run else VANISHED
            given_up = replace(given_up, status="failed", failure=reason)
        await self.apps.write_if_unchanged(app, given_up, now)


def reached(use: Use, limits: Limits, now: int, is_new: bool) -> tuple[str, LimitReachedError] | None:
    """The limit that doesn't allow a deploy, as its setting is named, and in words; None if all do by now."""
    if use.all_day_ends:
        words = "All deploys that this site allows in a day were begun."
        return "ALL_DEPLOYS_PER_DAY", until(words, use.all_day_ends, now)
    if use.day_ends:
        words = f"You began {limits.deploys_per_day} deploys within a day."
        return "DEPLOYS_PER_DAY", until(words, use.day_ends, now)
    if use.hour_ends:
        words = f"You began {limits.deploys_per_hour} deploys within an hour."
        return "DEPLOYS_PER_HOUR", until(words, use.hour_ends, now)
    if is_new and use.apps >= limits.apps:
        words = f"You have {limits.apps} apps. Delete one that nobody needs any more."
        return "APPS_PER_USER", LimitReachedError(words)
    if use.under_way >= limits.deploys_at_once:
        words = f"{limits.deploys_at_once} of your deploys are under way. Wait until one has ended."
        return "DEPLOYS_AT_ONCE", LimitReachedError(words, 60)
    return None


def inputs_of(app: App, namespace: str) -> dict[str, str]:
    """The inputs of the deploy workflow."""
    return {
        "appId": app.id,
        "repo": app.source.repository,
        "commit": app.source.commit_hash,
        "ref": app.source.git_ref,
        "directory": app.source.directory,
        "dispatchNamespace": namespace,
    }
