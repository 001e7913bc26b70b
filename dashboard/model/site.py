"""A site: a name that a user owns, which serves one of its apps at a time, and says beforehand what comes.

All that becomes of a site is an event, and `at` of each is later than that of the one before: it orders the
history, and is the version of what the site's object is told. The rules are here and nowhere else; the
database takes an event only as long as no other has come since the site was read (`store/sites.py`).

What serves at a time is a function of the history alone: the version that was last to begin by then, of those
that were not withdrawn; of two that begin together, the one that was decided later.

Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

from model.app import User
from model.limits import DAY_MS, HOUR_MS

Kind = Literal["creation", "version", "switch", "return", "withdrawal", "notice", "deletion"]

# How long a new version is announced before it serves, by the word in a form.
NOTICES = {"none": 0, "hour": HOUR_MS, "day": DAY_MS, "week": 7 * DAY_MS}
# What is about to serve can't be withdrawn: its object might hear of it too late.
WITHDRAW_MS = 240_000
# More can't be announced at a time. An object is told all of them.
MOST_ANNOUNCED = 10
# So many versions are kept ready to be served.
VERSIONS_KEPT = 10


class SiteError(Exception):
    """The rules of sites don't allow it; the message says why, for who asked."""


class AlreadySoError(SiteError):
    """What was asked for is so already: who asks twice, as by a double click, has got it."""


class OnItsWayError(SiteError):
    """A version of the site is being made: another can't be begun before that has ended."""

    def __init__(self) -> None:
        super().__init__("A version of this site is on its way already.")


@dataclass(frozen=True, slots=True)
class Site:
    """A row of `sites` with its owner.

    `notice_ms` was chosen; until `held_until` a longer one holds that was chosen before. `told_at` is the
    last event that the site's object knows; from `certain_at` on no lease is left from before that. Since
    `wanted_at` its branch's newest commit is to be deployed; `head` was it when it was last looked at.
    `repository_id` is GitHub's, unknown until GitHub was asked.
    `suspension` is the operator's reason, if it, its owner or its repository is suspended.
    """

    name: str
    owner: User
    repository: str
    directory: str
    branch: str
    notice_ms: int
    held_until: int
    created_at: int
    deleted_at: int | None
    changed_at: int
    told_at: int
    certain_at: int
    follows: bool
    looked_at: int
    head: str | None
    hook_number: int
    wanted_at: int | None
    repository_id: int | None
    suspension: str | None = None

    def is_owned_by(self, viewer: User | None) -> bool:
        return viewer is not None and viewer.id == self.owner.id

    @property
    def is_told(self) -> bool:
        """Whether its object knows all that was decided."""
        return self.told_at >= self.changed_at

    @property
    def notice(self) -> str:
        return notice_word(self.notice_ms)


@dataclass(frozen=True, slots=True)
class Switch:
    """That an app serves from a time on, decided `at` a time before; and what was built and signed of it."""

    app_id: str
    serves_from: int
    at: int
    commit_hash: str = ""
    manifest_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `site_events`, with the login of whose doing it was; None where the branch was followed.

    `commit_hash` and `manifest_sha256`, what was built from it and signed, are the app's.
    """

    at: int
    kind: Kind
    user_id: int | None = None
    login: str | None = None
    app_id: str | None = None
    serves_from: int | None = None
    withdraws: int | None = None
    notice_ms: int | None = None
    commit_hash: str | None = None
    manifest_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What serves at a time, what did before it, and what is announced, in the order of serving."""

    current: Switch | None
    previous: Switch | None
    announced: tuple[Switch, ...]

    @property
    def next(self) -> Switch | None:
        return self.announced[0] if self.announced else None

    @property
    def last(self) -> Switch | None:
        """What serves in the end, if nothing else is decided."""
        return self.announced[-1] if self.announced else self.current


def notice_word(notice_ms: int) -> str:
    """How a form names a notice."""
    return next(word for word, notice in NOTICES.items() if notice == notice_ms)


def standing_of(switches: Sequence[Switch], now: int) -> Standing:
    """`switches` are those that were not withdrawn."""
    ordered = sorted(switches, key=lambda switch: (switch.serves_from, switch.at))
    begun = [switch for switch in ordered if switch.serves_from <= now]
    current = begun[-1] if begun else None
    # Of those that were to begin together only the last one ever serves.
    served = [
        switch
        for switch, later in zip_longest(begun, begun[1:])
        if later is None or later.serves_from > switch.serves_from or later.at >= switch.serves_from
    ]
    others = [switch for switch in served if current is not None and switch.app_id != current.app_id]
    return Standing(current, others[-1] if others else None, tuple(ordered[len(begun) :]))


def schedule_of(standing: Standing) -> list[Switch]:
    """What the site's object is told: what is announced, and what serves until then.

    With what served before, as the object's clock may be behind the one that this was read by.
    """
    known = (standing.previous, standing.current, *standing.announced)
    return [switch for switch in known if switch is not None]


def moment_of(site: Site, now: int) -> int:
    """The `at` of an event that comes next: clocks differ, and can be set back."""
    return max(now, site.changed_at + 1)


def earliest(site: Site, at: int) -> int:
    """When a version that is announced `at` a time serves. It never falls as time goes on."""
    return max(at + site.notice_ms, site.held_until)


def announcement(
    site: Site, standing: Standing, app_id: str, kind: Kind, user: User | None, now: int
) -> Event:
    """A new version, or another that is there, serves after the notice. Raises SiteError.

    Where nothing serves yet there is nobody to tell: it serves at once.
    """
    require_live(site)
    if standing.last is not None and standing.last.app_id == app_id:
        raise AlreadySoError("This version serves already, or is about to.")
    if len(standing.announced) >= MOST_ANNOUNCED:
        raise SiteError(f"{MOST_ANNOUNCED} versions are announced already. Withdraw one first.")
    at = moment_of(site, now)
    serves_from = at if standing.last is None else earliest(site, at)
    return event(at, kind, user, app_id=app_id, serves_from=serves_from)


def going_back(site: Site, standing: Standing, user: User, now: int, app_id: str = "") -> Event:
    """To the version that served before, at once: everybody knows it. Raises SiteError.

    `app_id` is the one that is meant, if that is said: who asks twice doesn't go forth again.
    """
    require_live(site)
    if app_id and standing.current is not None and standing.current.app_id == app_id:
        raise AlreadySoError("This version serves already.")
    if standing.previous is None:
        raise SiteError("No other version served before this one.")
    if app_id and standing.previous.app_id != app_id:
        raise SiteError("Another version served before this one by now. Look at the site's page again.")
    at = moment_of(site, now)
    return event(at, "return", user, app_id=standing.previous.app_id, serves_from=at)


def withdrawal(site: Site, standing: Standing, announced_at: int, user: User, now: int) -> Event:
    """Of a version that is announced. Raises SiteError."""
    require_live(site)
    at = moment_of(site, now)
    found = next((switch for switch in standing.announced if switch.at == announced_at), None)
    if found is None:
        raise SiteError("This version isn't announced any more.")
    if found.serves_from < at + WITHDRAW_MS:
        raise SiteError("This version is about to serve. Go back to the one before as soon as it does.")
    return event(at, "withdrawal", user, withdraws=found.at)


def change_of_notice(site: Site, notice_ms: int, user: User, now: int) -> tuple[Event, Site]:
    """A longer notice holds at once, a shorter one when the old one has passed. Raises SiteError.

    What is announced already serves when it was announced for.
    """
    require_live(site)
    if notice_ms == site.notice_ms:
        raise AlreadySoError("This is the notice already.")
    at = moment_of(site, now)
    changed = replace(site, notice_ms=notice_ms, held_until=max(site.held_until, at + site.notice_ms))
    if notice_ms > site.notice_ms:
        changed = replace(changed, held_until=site.held_until)
    return event(at, "notice", user, notice_ms=notice_ms), changed


def deletion(site: Site, user: User, now: int) -> tuple[Event, Site]:
    """Raises SiteError."""
    if site.deleted_at is not None:
        raise AlreadySoError("This site was deleted.")
    at = moment_of(site, now)
    return event(at, "deletion", user), replace(site, deleted_at=at)


def event(at: int, kind: Kind, user: User | None, **values: int | str | None) -> Event:
    of_user = (None, None) if user is None else (user.id, user.login)
    return Event(at, kind, *of_user, **values)  # type: ignore[arg-type]


def require_live(site: Site) -> None:
    if site.deleted_at is not None:
        raise SiteError("This site was deleted.")
