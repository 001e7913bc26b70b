"""An app: one repository, commit and directory under one id, for ever; and a user who deploys apps."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["pending", "queued", "building", "attesting", "deploying", "deployed", "failed", "deleted"]
# What people see, wherever they see it: the status, or why a deployed app isn't served: the operator has
# suspended it, or its Worker is gone.
State = Literal[Status, "suspended", "missing"]

APP_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# Without vowels, so that no id is a word, nor a name that an operator wants for something else.
ID_LETTERS = "bcdfghjkmnpqrstvwxz"
ID_CHARACTERS = ID_LETTERS + "23456789"
ID_LENGTH = 12

# In the order in which a deploy goes through them.
UNFINISHED: tuple[Status, ...] = ("pending", "queued", "building", "attesting", "deploying")
STATES: tuple[State, ...] = (*UNFINISHED, "deployed", "suspended", "missing", "failed", "deleted")
SHORT_COMMIT = 7
BUILD_FAILED = "The build failed."


@dataclass(frozen=True, slots=True)
class User:
    """A GitHub account that has logged in; `id` is GitHub's, which stays when the login changes."""

    id: int
    login: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """What an app is built from: `repository` is owner/name as GitHub spells it, `directory` '' at its root.

    `git_ref` is how the commit was named at the time: a branch, a tag, or the commit itself.
    """

    repository: str
    git_ref: str
    commit_hash: str
    directory: str


@dataclass(frozen=True, slots=True)
class App:
    """A row of `apps` with its deployer. Times are milliseconds since 1970.

    `suspension` is the operator's reason, if it, its site, its deployer or its repository is suspended.
    """

    id: str
    source: Source
    deployer: User
    status: Status
    failure: str | None
    run_id: int | None
    run_attempt: int
    run_ended: bool
    created_at: int
    changed_at: int
    deployed_at: int | None
    deleted_at: int | None
    removed_at: int | None
    missing_since: int | None
    run_began_at: int
    suspension: str | None = None

    @property
    def state(self) -> State:
        if self.status != "deployed":
            return self.status
        if self.suspension is not None:
            return "suspended"
        return "deployed" if self.missing_since is None else "missing"

    @property
    def name(self) -> str:
        """What people call it: where its code is."""
        return place_of(self.source.repository, self.source.directory)

    @property
    def took_ms(self) -> int | None:
        """How long its deploy took, from the beginning of its last run; None where that isn't known."""
        if self.deployed_at is None or not 0 < self.run_began_at <= self.deployed_at:
            return None
        return self.deployed_at - self.run_began_at

    @property
    def is_served(self) -> bool:
        """Deployed, not suspended, and still there as far as is known: only then it is linked to and takes
        money.
        """
        return self.state == "deployed"

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED

    @property
    def awaits_run(self) -> bool:
        """A run was asked for, and GitHub hasn't named it yet: what is known of an earlier run is over."""
        return not self.run_ended and self.status in ("pending", "failed")

    @property
    def is_public(self) -> bool:
        """Only its deployer sees an app before it is deployed."""
        return self.deployed_at is not None

    def is_visible_to(self, viewer: User | None) -> bool:
        return self.is_public or self.is_deployed_by(viewer)

    def is_deployed_by(self, viewer: User | None) -> bool:
        return viewer is not None and viewer.id == self.deployer.id

    @property
    def reason(self) -> str:
        """Why its deploy failed: the step, and what the run says of it first."""
        return " ".join((self.failure or "").split("\n")[:2])

    @property
    def reason_excerpt(self) -> str:
        """What else the run says: lines around the error."""
        return "\n".join((self.failure or "").split("\n")[2:])

    @property
    def needs_another_commit(self) -> bool:
        """Whether the deploy failed by what is in the commit, as far as its run says."""
        return (self.failure or "").startswith(f"{BUILD_FAILED}\n")

    @property
    def newest(self) -> str | None:
        """The branch, or tag, whose newest commit may do better; None of what was named by its commit."""
        return None if self.source.git_ref == self.source.commit_hash else self.source.git_ref

    @property
    def short_ref(self) -> str:
        source = self.source
        return source.commit_hash[:SHORT_COMMIT] if source.git_ref == source.commit_hash else source.git_ref


def place_of(repository: str, directory: str) -> str:
    """A repository, and a directory in it."""
    return f"{repository}/{directory}".rstrip("/")


def new_id(choose: Callable[[str], str]) -> str:
    """A name for an app, its Worker and its host: a letter, then letters and digits (59 bits).

    `choose` picks one character at random.
    """
    return choose(ID_LETTERS) + "".join(choose(ID_CHARACTERS) for _ in range(ID_LENGTH - 1))
