"""What is asked for, and what was found: each check has one line to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from codius.document import Document
from codius.errors import CheckFailedError, UncheckableError
from codius.history import Version
from codius.provenance import Signer, TrustedSigner
from codius.site import Site

Status = Literal["ok", "failed", "error", "unchecked"]


@dataclass(frozen=True, slots=True)
class Options:
    """`url` is the address of an app or a site, `dashboard` that of who tells a site's history: no paths."""

    url: str
    signer: TrustedSigner | None = None
    bundle: Path | None = None
    trusted_root: Path | None = None
    rebuild: bool = False
    history: bool = False
    dashboard: str | None = None


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
    """What was found. `on_check` is told of each check as it is done, `on_version` of versions by number."""

    options: Options
    on_check: Callable[[Check], None] = lambda check: None
    on_version: Callable[[VersionCheck, int], None] = lambda check, number: None
    checks: list[Check] = field(default_factory=list)
    versions: list[VersionCheck] = field(default_factory=list)
    document: Document | None = None
    site: Site | None = None
    signer: Signer | None = None

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

    def add_version(self, check: VersionCheck) -> None:
        self.versions.append(check)
        self.on_version(check, len(self.versions))

    def start_again(self) -> None:
        self.checks.clear()
        self.versions.clear()
        self.document = self.site = self.signer = None

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
        except RecursionError:
            self.add(name, "failed", "what was read is nested too deeply")
        else:
            self.add(name, "ok", "".join(words))

    def is_ok(self, name: str) -> bool:
        return any(check.name == name and check.status == "ok" for check in self.checks)
