"""Making a site: a free name, and the branch that it serves, or an app that is there."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

from clients.billing import Billing
from clients.github_repositories import GitHubRepositories
from hosting.deployments import Deployments
from hosting.repository_url import RepositoryUrl, SourceError
from hosting.sites import SiteHosting
from hosting.source import resolve
from model.app import APP_ID, App, Source, User, new_id
from model.limits import LimitReachedError
from model.site import Site, SiteError
from model.site_names import refusal_of
from model.suspension import SuspendedError
from store.apps import Apps
from store.sites import Sites

TAKEN = "Somebody has this name already."
# A form that comes again within this time was sent twice, as by a double click.
TWICE_MS = 60_000


@dataclass(frozen=True, slots=True)
class SiteMaking:
    """Times are milliseconds since 1970."""

    sites: Sites
    apps: Apps
    hosting: SiteHosting
    deployments: Deployments
    billing: Billing
    repositories: GitHubRepositories
    github_url: str
    apps_domain: str
    dashboard_url: str

    async def create(self, owner: User, name: str, typed: str, app_id: str, notice_ms: int, now: int) -> str:
        """Make a site, and begin its first version: of the address that was typed, or the app that is named.

        Raises SiteError, SourceError, GitHubError and LimitReachedError. What keeps the first version from
        being begun keeps no site from being made: its page is the place to try again.
        """
        refusal = refusal_of(name, self.apps_domain, self.dashboard_url)
        if refusal is not None:
            raise SiteError(refusal)
        if not app_id:
            RepositoryUrl.parse(typed, self.github_url)
        await self.deployments.require_lookup(owner, now)
        app = await self._own_app(owner, app_id) if app_id else None
        source, repository_id = await self._source_of(app, typed)
        reason = await self.deployments.suspensions.reason_against(owner.id, source.repository)
        if reason is not None:
            raise SuspendedError(reason)
        # A Worker that an operator uploaded by hand has an account of its own.
        found = await self.sites.get(name)
        if found is not None and is_made_by(found, owner, source, now - TWICE_MS):
            return name
        if found is not None or await self.billing.account(name) is not None:
            raise SiteError(TAKEN)
        branch = await self._branch_of(source, is_app=app is not None)
        site = new_site(name, owner, source, branch, notice_ms, now, repository_id)
        if not await self.sites.create(site, self.deployments.limits.sites):
            if await self.sites.get(name) is not None:
                raise SiteError(TAKEN)
            self.deployments.refusing.note("SITES_PER_USER", owner)
            raise LimitReachedError(
                f"You have had {self.deployments.limits.sites} sites. That is all there can be."
            )
        with contextlib.suppress(SiteError, LimitReachedError):
            await self._begin(site, source, app, now)
        return name

    async def _begin(self, site: Site, source: Source, app: App | None, now: int) -> None:
        if app is None:
            await self.hosting.deploy_source(site, new_id(secrets.choice), source, site.owner, now)
        else:
            await self.hosting.take(site, app, site.owner, now)

    async def _own_app(self, owner: User, app_id: str) -> App:
        app = await self.apps.get(app_id) if APP_ID.fullmatch(app_id) else None
        if app is None or not app.is_deployed_by(owner) or app.deleted_at is not None:
            raise SiteError("You have no such app.")
        return app

    async def _source_of(self, app: App | None, typed: str) -> tuple[Source, int | None]:
        """With GitHub's id of the repository, where GitHub was asked."""
        if app is not None:
            return app.source, None
        found = await resolve(typed, self.github_url, self.repositories)
        return found.source, found.repository_id

    async def _branch_of(self, source: Source, is_app: bool) -> str:
        """The branch that is deployed from; of an app of a tag it is the repository's default one."""
        name = source.repository
        if source.git_ref != source.commit_hash and await self.repositories.commit(
            name, f"heads/{source.git_ref}"
        ):
            return source.git_ref
        if not is_app:
            raise SourceError("A site serves the newest commit of a branch. Paste the address of a branch.")
        repository = await self.repositories.repository(name)
        if repository is None:
            raise SourceError(f"There is no public repository “{name}” any more.")
        return repository.default_branch


def is_made_by(site: Site, owner: User, source: Source, since: int) -> bool:
    """Whether a user has made a live site of a source since a time."""
    is_of_source = (site.repository, site.directory) == (source.repository, source.directory)
    return site.deleted_at is None and site.is_owned_by(owner) and is_of_source and site.created_at > since


def new_site(
    name: str,
    owner: User,
    source: Source,
    branch: str,
    notice_ms: int,
    now: int,
    repository_id: int | None = None,
) -> Site:
    return Site(
        name=name,
        owner=owner,
        repository=source.repository,
        directory=source.directory,
        branch=branch,
        notice_ms=notice_ms,
        held_until=0,
        created_at=now,
        deleted_at=None,
        changed_at=now,
        told_at=now,
        certain_at=0,
        follows=False,
        looked_at=0,
        head=None,
        hook_number=0,
        wanted_at=None,
        repository_id=repository_id,
    )
