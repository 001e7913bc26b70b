"""A site's history for programs: `/sites/<name>/history.json`, and the part `site` of what it publishes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from model.site import Event, Site, Standing, Switch
from web.settings import Settings

Document = dict[str, Any]


def history_document(
    site: Site, standing: Standing, events: Sequence[Event], settings: Settings, now: int
) -> Document:
    """`events` are the newest first, as they are in the document."""
    is_live = site.deleted_at is None
    return {
        "name": site.name,
        "url": settings.app_url(site.name),
        "owner": site.owner.login,
        "source": {
            "repository": f"{settings.github_url}/{site.repository}",
            "branch": site.branch,
            "directory": site.directory,
        },
        "createdAt": time_of(site.created_at),
        "deletedAt": time_of(site.deleted_at),
        "notice": notice_document(site, now),
        "serving": switch_document(standing.current, settings) if is_live else None,
        "announced": [switch_document(switch, settings) for switch in standing.announced if is_live],
        "history": [event_document(event, settings) for event in events],
    }


def site_part(site: Site, standing: Standing, versions: int, settings: Settings, now: int) -> Document:
    """What `/.well-known/codius` of a site says beside what it says of the app that serves."""
    return {
        "name": site.name,
        "url": settings.app_url(site.name),
        "since": standing.current and time_of(standing.current.serves_from),
        "next": switch_document(standing.next, settings),
        "notice": notice_document(site, now),
        "versions": versions,
        "history": f"{settings.dashboard_url}/sites/{site.name}/history.json",
    }


def notice_document(site: Site, now: int) -> Document:
    """How long a version is announced before it serves; `heldUntil` where a longer notice still holds."""
    is_held = site.held_until > now + site.notice_ms
    return {
        "seconds": site.notice_ms // 1000,
        "heldUntil": time_of(site.held_until) if is_held else None,
    }


def switch_document(switch: Switch | None, settings: Settings) -> Document | None:
    if switch is None:
        return None
    return {
        "appId": switch.app_id,
        "url": settings.app_url(switch.app_id),
        "commit": switch.commit_hash,
        "manifestSha256": switch.manifest_sha256,
        "announcedAt": time_of(switch.at),
        "servesFrom": time_of(switch.serves_from),
    }


def event_document(event: Event, settings: Settings) -> Document:
    """One of each kind has what its kind has."""
    values: Document = {
        "appId": event.app_id,
        "url": event.app_id and settings.app_url(event.app_id),
        "commit": event.commit_hash,
        "manifestSha256": event.manifest_sha256,
        "servesFrom": time_of(event.serves_from),
        "withdraws": time_of(event.withdraws),
        "noticeSeconds": None if event.notice_ms is None else event.notice_ms // 1000,
    }
    told = {name: value for name, value in values.items() if value is not None}
    return {"at": time_of(event.at), "kind": event.kind, "by": event.login} | told


def time_of(milliseconds: int | None) -> str | None:
    """As ISO 8601 has it, to the millisecond: events are told apart by it."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
