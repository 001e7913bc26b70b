"""What an operator can suspend, and how it is named: an app, a site, a user, a repository or its owner.

Users are known by GitHub's id, which stays when a login changes hands; repositories and owners by their names
in lower case, as GitHub's differ by more than that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from model.app import APP_ID, User
from model.limits import LimitReachedError
from model.site_names import is_site_name
from model.text import seen

Kind = Literal["app", "site", "user", "repository", "owner"]
KINDS: tuple[Kind, ...] = ("app", "site", "user", "repository", "owner")
MAX_REASON = 500
LOGIN = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38})")  # with `_` for the managed users of an enterprise
REPOSITORY = re.compile(r"[a-z0-9][a-z0-9_-]{0,38}/[a-z0-9._-]{1,100}")
USER_ID = re.compile(r"[1-9][0-9]{0,14}")  # as far as JavaScript's numbers are exact


class ActError(Exception):
    """What an operator asks for can't be done; the message says why."""


class SuspendedError(LimitReachedError):
    """A deploy is refused because of a suspension; the message has the operator's reason."""

    status = 403

    def __init__(self, reason: str) -> None:
        super().__init__(f"The operator has suspended this: {reason}")


@dataclass(frozen=True, slots=True)
class Target:
    """What is suspended. `name` is an app's id, a site's name, a user's id, `owner/name` or `owner`."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Suspension:
    """`login` is a user's, where it is known. Since `at`, the act's time in milliseconds since 1970."""

    kind: Kind
    name: str
    reason: str
    at: int
    login: str | None

    @property
    def label(self) -> str:
        return self.name if self.login is None else f"{self.login} ({self.name})"


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator did, when and why; `operator_id` is None for who used the command line."""

    at: int
    act: Literal["suspend", "restore", "set"]
    kind: str
    name: str
    reason: str
    operator_id: int | None
    operator: str


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts: a login and its id, or whoever can use the operator's account at Cloudflare."""

    name: str
    id: int | None = None

    @classmethod
    def of(cls, user: User) -> Operator:
        return cls(user.login, user.id)


def target_of(kind: str, text: str) -> Target:
    """What a form or a command names. A user is named by their id here. Raises ActError."""
    name = text.strip().lower()
    known = next((one for one in KINDS if one == kind), None)
    if known is None:
        raise ActError(f"“{kind[:40]}” can't be suspended: only {', '.join(KINDS)}.")
    if not is_named(known, name):
        raise ActError(f"“{text[:100]}” is no {known}'s name.")
    return Target(known, name)


def is_named(kind: Kind, name: str) -> bool:
    match kind:
        case "app":
            return APP_ID.fullmatch(name) is not None
        case "site":
            return is_site_name(name)
        case "user":
            return USER_ID.fullmatch(name) is not None
        case "repository":
            return REPOSITORY.fullmatch(name) is not None
        case "owner":
            return LOGIN.fullmatch(name) is not None


def reason_of(text: str) -> str:
    """A reason, on one line. Raises ActError."""
    reason = " ".join(seen(text).split())
    if not reason:
        raise ActError("Say why: the deployer and the visitors read it.")
    if len(reason) > MAX_REASON:
        raise ActError(f"The reason has {len(reason)} characters; it can have {MAX_REASON}.")
    return reason


def refundable(paid: Sequence[int], unused_cents: int) -> list[int]:
    """How much of each payment, the latest first, would give back what is left of a balance."""
    amounts = []
    for cents in paid:
        amounts.append(max(0, min(cents, unused_cents)))
        unused_cents -= amounts[-1]
    return amounts
