"""Sites: what is done in which order, so that each step can be repeated.

A new version is an app like any other, tied to its site in the statement that begins its deploy. When it is
deployed it is announced, by an event in D1; then the site's object is told all that is in force, under the
`at` of the newest event. Whoever dies on the way leaves what the upkeep finds: a version that was deployed
and not announced, or a site whose object doesn't know its newest event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from clients.billing import Billing, BillingUnavailableError
from clients.github_repositories import GitHubRepositories
from hosting.deployments import MOST_WRITERS, AlreadyDeployedError, Deployments
from hosting.repository_url import SourceError
from hosting.source import resolve
from model.app import App, Source, User
from model.site import (
    AlreadySoError,
    Event,
    OnItsWayError,
    Site,
    SiteError,
    Standing,
    announcement,
    change_of_notice,
    deletion,
    going_back,
    moment_of,
    schedule_of,
    standing_of,
    withdrawal,
)
from model.site_names import is_site_name
from model.suspension import SuspendedError
from store.apps import Apps
from store.deploys import ForSite
from store.site_versions import SiteVersions
from store.sites import Sites

ANOTHER_REPOSITORY = (
    "“{name}” is another repository now than the one that this site was made of: "
    "somebody has taken its name. Make a site of the one that you mean."
)
NOT_THERE = "This version can't serve: its Worker isn't there any more."
TOO_MANY = "This site had too many changes within a day. Try again tomorrow."
# How long an object is left alone that could not be told.
PAUSE_MS = 120_000

# What becomes of a site as it is, at a time: an event, and the site with what it changes.
Decide = Callable[[Site, Standing, int], tuple[Event, Site]]


@dataclass(frozen=True, slots=True)
class SiteHosting:
    """Times are milliseconds since 1970. Raises SiteError where the rules of sites don't allow it.

    What was decided holds when it is in D1; that the object can't be told it now is no failure. `clock` is
    the time now.
    """

    sites: Sites
    versions: SiteVersions
    apps: Apps
    deployments: Deployments
    billing: Billing
    repositories: GitHubRepositories
    github_url: str
    clock: Callable[[], int]

    async def standing(self, name: str, now: int) -> Standing:
        return standing_of(await self.sites.switches(name), now)

    async def serving_app(self, site: Site, now: int) -> App | None:
        """The app that a live site serves now."""
        return await self.app_of(site, await self.standing(site.name, now))

    async def app_of(self, site: Site, standing: Standing) -> App | None:
        """The same, where it is known how the site stands. With a site its app is suspended there."""
        if site.deleted_at is not None or standing.current is None:
            return None
        app = await self.apps.get(standing.current.app_id)
        return app and replace(app, suspension=app.suspension or site.suspension)

    async def worker_of(self, name: str, now: int) -> str:
        """The Worker that answers under a name: of a site its current version, of an app itself."""
        current = (await self.standing(name, now)).current if is_site_name(name) else None
        return name if current is None else current.app_id

    # New versions.

    async def deploy_newest(self, site: Site, app_id: str, asker: User | None, now: int) -> str:
        """Have the branch's newest commit become the next version; return the id of its app.

        That is `app_id` unless the owner has an app of this source already. Raises SourceError, GitHubError
        and LimitReachedError, too.
        """
        if site.suspension is not None:
            raise SuspendedError(site.suspension)
        if await self.versions.on_its_way(site.name) is not None:
            raise OnItsWayError
        await self.deployments.require_lookup(site.owner, now)
        found = await resolve(address_of(site, self.github_url), self.github_url, self.repositories)
        if not await self.sites.is_of_repository(site.name, found.repository_id, found.source.repository):
            raise SourceError(ANOTHER_REPOSITORY.format(name=site.repository))
        return await self.deploy_source(site, app_id, found.source, asker, now)

    async def deploy_source(
        self, site: Site, app_id: str, source: Source, asker: User | None, now: int
    ) -> str:
        """The same of what is known to be the newest."""
        try:
            await self.deployments.deploy(app_id, site.owner, source, now, ForSite(site.name, asker))
        except AlreadyDeployedError as error:
            await self.take(site, error.app, asker, now)
            return error.app.id
        return app_id

    async def take(self, site: Site, app: App, asker: User | None, now: int) -> None:
        """Have an app of the owner's that is there, or on its way, become the next version."""
        if site.suspension is not None:
            raise SuspendedError(site.suspension)
        last = (await self.standing(site.name, now)).last
        if last is not None and last.app_id == app.id:
            raise SiteError("The newest version serves already, or is about to.")
        if not await self.versions.add(site.name, app, asker, now):
            raise OnItsWayError
        if app.status == "failed":
            await self.deployments.retry(app, now)
        await self.follow(site.name, now)

    async def follow(self, name: str, now: int) -> None:
        """Announce the version that a site waits for when it is deployed, or wait no more if it failed."""
        waiting = await self.versions.on_its_way(name)
        app = None if waiting is None else await self.apps.get(waiting.app_id)
        if waiting is None or app is None:
            return
        if app.deleted_at is not None or (app.status == "failed" and app.run_ended):
            await self.versions.end(name, app.id, now)
        elif app.status == "deployed":
            asker = waiting.asker
            try:
                await self._change(
                    name,
                    now,
                    lambda site, standing, at: (
                        announcement(site, standing, app.id, "version", asker, at),
                        site,
                    ),
                )
            except SiteError:  # it serves already, or can't be announced: it stays ready to be switched to
                await self.versions.end(name, app.id, now)

    # Changes.

    async def switch(self, name: str, app_id: str, user: User, now: int) -> None:
        """Have a version that is there serve, after the notice."""
        if not await self.versions.has(name, app_id):
            raise SiteError("This site has no such version.")
        await self._change(
            name,
            now,
            lambda site, standing, at: (announcement(site, standing, app_id, "switch", user, at), site),
        )

    async def go_back(self, name: str, user: User, now: int, app_id: str = "") -> None:
        await self._change(
            name, now, lambda site, standing, at: (going_back(site, standing, user, at, app_id), site)
        )

    async def withdraw(self, name: str, announced_at: int, user: User, now: int) -> None:
        def decide(site: Site, standing: Standing, at: int) -> tuple[Event, Site]:
            return withdrawal(site, standing, announced_at, user, at), site

        try:
            await self._change(name, now, decide)
        except SiteError as error:
            if await self.sites.was_withdrawn(name, announced_at):
                raise AlreadySoError(str(error)) from error
            raise

    async def change_notice(self, name: str, notice_ms: int, user: User, now: int) -> None:
        await self._change(name, now, lambda site, _, at: change_of_notice(site, notice_ms, user, at))

    async def delete(self, name: str, user: User, now: int) -> None:
        """Its account is closed; its history and its apps stay."""
        await self._change(name, now, lambda site, _, at: deletion(site, user, at))

    async def _change(self, name: str, now: int, decide: Decide) -> None:
        """Decide, and write it unless another was quicker: then decide again."""
        for _ in range(MOST_WRITERS):
            # Others may have been waited for since it was asked: a notice begins when it can be read.
            now = max(now, self.clock())
            site = await self.sites.get(name)
            assert site is not None
            # As it is when the event counts: the one before may be of this very moment, or of a clock ahead.
            event, changed = decide(site, await self.standing(name, moment_of(site, now)), now)
            if await self.sites.add(site, event, changed):
                previous = (await self.standing(name, now)).previous
                await self.versions.retire(name, now, None if previous is None else previous.app_id)
                await self.tell(name, now)
                return
            found = await self.sites.get(name)
            if found is not None and found.changed_at == site.changed_at:
                app = event.app_id and await self.apps.get(event.app_id)
                if app and app.suspension is not None:
                    raise SiteError(f"The operator has suspended this version: {app.suspension}")
                raise SiteError(NOT_THERE if app and not app.is_served else TOO_MANY)
        raise RuntimeError(f"too many changes at once of the site {name}")

    # The object.

    async def tell(self, name: str, now: int) -> bool:
        """Tell a site's object what is in force; False if it can't be told now: the upkeep does it then."""
        site = await self.sites.get(name)
        if site is None or site.is_told:
            return True
        try:
            certain_at = await self._tell(site, now)
        except BillingUnavailableError:
            await self.sites.try_later(name, now + PAUSE_MS)
            return False
        except Exception:  # whatever it was, others have their turn before it has the next
            await self.sites.try_later(name, now + PAUSE_MS)
            raise
        await self.sites.mark_told(site, certain_at)
        return True

    async def _tell(self, site: Site, now: int) -> int:
        """Return when it is certain that what was told is what serves, 0 where it was before."""
        if site.deleted_at is not None:
            await self.billing.close_account(site.name)
            return now
        # Read after the site: what is told may be newer than the version that it is told under, never older.
        standing = await self.standing(site.name, now)
        switches = schedule_of(standing)
        if not switches:
            return now
        planned = [(switch.serves_from, switch.app_id) for switch in switches]
        milliseconds = await self.billing.set_schedule(site.name, site.changed_at, planned)
        # Leases named another Worker only if what serves was decided since the object was told.
        is_new = standing.current is not None and standing.current.at > site.told_at
        return max(now, self.clock()) + milliseconds if is_new and standing.previous else 0


def address_of(site: Site, github_url: str) -> str:
    """Where the newest code of a site is, as GitHub addresses it."""
    return (
        f"{github_url}/{quote(site.repository)}/tree/{quote(f'{site.branch}/{site.directory}'.rstrip('/'))}"
    )
