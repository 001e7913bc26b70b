"""What is asked for, and what was found: each check has one line to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from codius.certificate import TrustedSigner
from codius.document import Document
from codius.errors import CheckFailedError, UncheckableError
from codius.history import Version
from codius.signatures import Signed
from codius.site import Site
from codius.trust import Trust
from codius.web import Web

Status = Literal["ok", "failed", "error", "unchecked"]


@dataclass(frozen=True, slots=True)
class Required:
    """The source that the visitor requires, as far as it is given: owner/name, a commit, a branch or tag."""

    source: str | None = None
    commit: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """`url` is the address of an app or a site, `dashboard` that of who tells a site's history: no paths.

    `bundle` is a file with attestations, in the place of GitHub's; `cloudflare_api` the address of an API
    that is asked in the place of Cloudflare's own.
    """

    url: str
    signer: TrustedSigner | None = None
    is_any_signer_trusted: bool = False
    required: Required = Required()
    bundle: Path | None = None
    rebuild: bool = False
    history: bool = False
    dashboard: str | None = None
    is_cloudflare_required: bool = False
    cloudflare_api: str | None = None
    platform: bool = False
    release: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    status: Status
    detail: str = ""


@dataclass(frozen=True, slots=True)
class VersionCheck:
    """What became of one version of a site's history."""

    version: Version
    status: Status
    detail: str


@dataclass(slots=True)
class Report:
    """What was found. `on_check` is told of each check as it is done, `on_version` of versions by number.

    `web` is asked, `trust` are the roots of signatures. `as_of` is when what a file has
    was asked, None for now.
    """

    options: Options
    web: Web
    trust: Trust
    as_of: datetime | None = None
    on_check: Callable[[Check], None] = lambda check: None
    on_version: Callable[[VersionCheck, int], None] = lambda check, number: None
    checks: list[Check] = field(default_factory=list)
    versions: list[VersionCheck] = field(default_factory=list)
    document: Document | None = None
    site: Site | None = None
    signed: Signed | None = None

    @property
    def now(self) -> datetime:
        return self.as_of or datetime.now(UTC)

    @property
    def rank(self) -> tuple[bool, bool, int, list[str]]:
        """Of two reports of the same checks the greater one is told: it passed, may have, or came further."""
        passed = sum(check.status == "ok" for check in self.checks)
        words = [check.detail for check in self.checks]
        return self.is_verified, not self.has_failed, passed, words

    def part(self, **changed: Any) -> Report:
        """An empty report for a part of the checks, with other options where they are given."""
        return Report(replace(self.options, **changed), self.web, self.trust, self.as_of)

    @property
    def is_verified(self) -> bool:
        return all(check.status == "ok" for check in self.checks)

    @property
    def has_failed(self) -> bool:
        return any(check.status == "failed" for check in self.checks)

    def add(self, name: str, status: Status, detail: str = "") -> None:
        check = Check(name, status, detail)
        self.checks.append(check)
        self.on_check(check)

    def add_unchecked(self, *names: str) -> None:
        """Tell of those that were not reached."""
        done = {check.name for check in self.checks}
        for name in names:
            if name not in done:
                self.add(name, "unchecked")

    def add_version(self, check: VersionCheck) -> None:
        self.versions.append(check)
        self.on_version(check, len(self.versions))

    def start_again(self) -> None:
        self.checks.clear()
        self.versions.clear()
        self.document = self.site = self.signed = None

    @contextmanager
    def check(self, name: str) -> Iterator[list[str]]:
        """Do one check; its last word is what the body appends. A failure ends the check, not the program."""
        words: list[str] = []
        try:
            yield words
        except CheckFailedError as error:
            self.add(name, "failed", str(error))
        except UncheckableError as error:
            self.add(name, "error", str(error))
        else:
            self.add(name, "ok", "".join(words))

    def is_ok(self, name: str) -> bool:
        return any(check.name == name and check.status == "ok" for check in self.checks)
