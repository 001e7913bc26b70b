"""A site's history as its dashboard tells it, read strictly: docs/sites.md, "History".

Whoever answers at the site's address names the address of its history. So it must be a history's address,
as safe to read as the site's, where no app answers, and it may not lead elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from codius.addresses import web_address
from codius.document import APP_ID, COMMIT, SHA256, Json, mapping, text
from codius.errors import CheckFailedError, SwitchedError, UncheckableError
from codius.site import TIME, Site, count_of, said
from codius.web import Web

# Each has a thousand events.
MAX_PAGES = 20
MAX_VERSIONS = 1_000
OLDER = re.compile(r"\?before=[0-9]{1,16}")
OF = "the history"


@dataclass(frozen=True, slots=True)
class Version:
    """An app that a site has served, or is to serve; `serves_from` is None if it was withdrawn.

    `serves_from` is of the last time that it came to serve.
    """

    app_id: str
    commit: str
    manifest_sha256: str | None
    serves_from: str | None


@dataclass(frozen=True, slots=True)
class History:
    """`versions` are those that came last first; the source is the site's: a version may have another."""

    serving: str
    since: str
    source_url: str
    directory: str
    versions: tuple[Version, ...]


def history_url(site: Site, site_url: str, dashboard: str | None) -> str:
    """Where a site's history may be read. Raises CheckFailedError for anywhere else."""
    own, address = urlsplit(site_url), web_address(site.history_url)
    origin = None if address is None else f"{address.scheme}://{address.netloc.lower()}"
    if address is None or site.history_url != f"{origin}/sites/{site.name}/history.json":
        raise CheckFailedError("the document gives no address of this site's history")
    if address.scheme != own.scheme:
        raise CheckFailedError(f"the document gives an address of {address.scheme}:// for the history")
    domain = (own.hostname or "").partition(".")[2]
    if (address.hostname or "").endswith(f".{domain}"):
        raise CheckFailedError(
            f"the document gives the address of an app for the history: {address.hostname}"
        )
    if dashboard is not None and origin != dashboard:
        raise CheckFailedError(f"the document names {origin} for the history, not {dashboard}")
    return site.history_url


def fetch_history(web: Web, site: Site, url: str) -> History:
    """Raises CheckFailedError, UncheckableError, and SwitchedError where its parts are of two times."""
    pages = fetch_pages(web, site, url)
    newest = next(pages)
    serving, source = newest.get("serving"), mapping(newest.get("source"), "the history's source")
    if serving is None:
        raise SwitchedError("the history says that nothing serves any more")
    serving = mapping(serving, "the history's serving")
    versions = versions_of(event for page in chain([newest], pages) for event in page["history"])
    history = History(
        serving=text(serving, "appId", APP_ID, OF),
        since=text(serving, "servesFrom", TIME, OF),
        source_url=text(source, "repository", of=OF),
        directory=text(source, "directory", of=OF),
        versions=versions,
    )
    counted = count_of(newest, OF)
    if counted > len(versions):
        raise SwitchedError(f"the history tells of {counted:,} versions and has {len(versions):,} yet")
    if len(versions) < site.versions:
        raise CheckFailedError(f"the site says {site.versions:,} versions, its history has {len(versions):,}")
    if history.serving not in {version.app_id for version in versions}:
        raise CheckFailedError(f"{history.serving}, which serves, is not in the history")
    return history


def fetch_pages(web: Web, site: Site, url: str) -> Iterator[Json]:
    """The history in parts, the newest first. Its events go back to the site's creation without a turn."""
    following: Any = url
    last, kind = "", ""
    for _ in range(MAX_PAGES):
        status, content = web.json(following, redirects=0)
        if status != 200:
            raise UncheckableError(f"{following} answers with status {status}")
        page = mapping(content, OF)
        if page.get("name") != site.name:
            raise CheckFailedError("the history is that of another site")
        events = page.get("history")
        if not isinstance(events, list):
            raise CheckFailedError("the history has no list of events")
        for event in events:
            at = text(mapping(event, "an event of the history"), "at", TIME, OF)
            if last and at >= last:
                raise CheckFailedError(f"the history's events are not in the order of time at {said(at)}")
            last, kind = at, text(event, "kind", of=OF)
        yield page
        following = page.get("older")
        if following is None:
            break
        if not (
            isinstance(following, str)
            and following.startswith(url)
            and OLDER.fullmatch(following.removeprefix(url))
        ):
            raise CheckFailedError("the history goes on at an address that isn't its own")
    else:
        raise UncheckableError(f"the history has more than {MAX_PAGES:,} parts")
    if kind != "creation":
        raise CheckFailedError("the history doesn't begin with the site's creation")


def versions_of(events: Iterator[Json]) -> tuple[Version, ...]:
    """Of events that are newest first, so that what withdraws comes before what it withdraws."""
    found: dict[str, Version] = {}
    withdrawn = set()
    for event in events:
        if "withdraws" in event:
            withdrawn.add(text(event, "withdraws", TIME, OF))
        if "appId" not in event:
            continue
        version = version_of(event, is_withdrawn=event["at"] in withdrawn)
        known = found.get(version.app_id)
        if known is None or known.serves_from is None:
            found[version.app_id] = version
        if known is not None and told_of(known) != told_of(version):
            raise CheckFailedError(f"the history tells two things of {version.app_id}")
        if len(found) > MAX_VERSIONS:
            raise UncheckableError(f"the history has more than {MAX_VERSIONS:,} versions")
    return tuple(found.values())


def version_of(event: Mapping[str, Any], is_withdrawn: bool) -> Version:
    serves_from = text(event, "servesFrom", TIME, OF)
    return Version(
        app_id=text(event, "appId", APP_ID, OF),
        commit=text(event, "commit", COMMIT, OF),
        manifest_sha256=text(event, "manifestSha256", SHA256, OF) if "manifestSha256" in event else None,
        serves_from=None if is_withdrawn else serves_from,
    )


def told_of(version: Version) -> tuple[str, str | None]:
    return version.commit, version.manifest_sha256
