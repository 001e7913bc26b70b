"""Following a branch: its newest commit becomes a site's next version, when GitHub tells of it or is asked.

That there is a new commit is noted first. It is deployed as soon as no other version is on its way: of all
that came meanwhile only the newest. A death in between leaves the note, which the upkeep finds; a deploy that
is begun twice is one, as a user has one app of a source.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from clients.github_api import GitHubError
from clients.github_repositories import GitHubRepositories
from hosting.repository_url import SourceError
from hosting.sites import SiteHosting
from model.app import App, new_id
from model.limits import LimitReachedError
from model.site import OnItsWayError, Site, SiteError
from store.site_versions import SiteVersions
from store.sites import Sites

# How often a branch is looked at, by a question that costs nothing where it has not changed.
LOOK_MS = 300_000
# How long a site is left alone whose newest commit can't be deployed now.
PAUSE_MS = 600_000


@dataclass(frozen=True, slots=True)
class Following:
    """Times are milliseconds since 1970."""

    sites: Sites
    versions: SiteVersions
    hosting: SiteHosting
    repositories: GitHubRepositories

    async def follow_app(self, app: App, now: int) -> None:
        """Go on with the sites that an app is on its way to, when its deploy has ended."""
        if app.is_unfinished:
            return
        for name in await self.versions.waiting_for(app.id):
            await self.hosting.follow(name, now)
            await self.go_on(name, now)

    async def hear(self, name: str, now: int) -> None:
        """A site's branch has a new commit."""
        await self.sites.want(name, now)
        await self.go_on(name, now)

    async def look(self, site: Site, now: int) -> None:
        """Ask whether a site's branch has a new commit. Raises GitHubError."""
        await self.sites.mark_looked_at(
            site.name, now, site.head
        )  # so that one that fails has its turn again
        head = await self.repositories.commit(site.repository, f"heads/{site.branch}", known=site.head)
        if head is None or head == site.head:
            return
        await self.sites.want(site.name, now)
        await self.sites.mark_looked_at(site.name, now, head)
        await self.go_on(site.name, now)

    async def go_on(self, name: str, now: int) -> None:
        """Deploy the newest commit of a site that wants it, unless a version is on its way."""
        site = await self.sites.get(name)
        if site is None or site.wanted_at is None or site.deleted_at is not None:
            return
        try:
            await self.hosting.deploy_newest(site, new_id(secrets.choice), None, now)
        except OnItsWayError:
            return
        except LimitReachedError as error:
            await self.sites.want_later(site, now + 1_000 * (error.seconds or PAUSE_MS // 1_000))
        except GitHubError:
            await self.sites.want_later(site, now + PAUSE_MS)
        except (SiteError, SourceError):  # it serves already, or holds no Worker any more
            await self.sites.want_no_more(site)
        except Exception:  # whatever it was, others have their turn before it has the next
            await self.sites.want_later(site, now + PAUSE_MS)
            raise
        else:
            await self.sites.want_no_more(site)
