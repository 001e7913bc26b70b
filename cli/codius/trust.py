"""The roots that signatures are verified by: of Sigstore's public instance, or those of a file."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from sigstore.errors import Error as SigstoreError
from sigstore.models import ClientTrustConfig, TrustedRoot
from sigstore.verify import Verifier

from codius.errors import UncheckableError, one_line
from codius.jsontext import decoded, lines_of, parse, read_json
from codius.saved import read_content

MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot"


@dataclass(slots=True)
class Trust:
    """Of a file, of the contents of a saved check, or else Sigstore's public root. Read when it is needed."""

    path: Path | None = None
    contents: list[str] = field(default_factory=list)
    is_offline: bool = False
    _verifiers: list[Verifier] = field(default_factory=list)

    def verifiers(self) -> list[Verifier]:
        """One for each root. Raises UncheckableError."""
        if not self._verifiers:
            if not self.contents:
                self.contents = public_root(self.is_offline) if self.path is None else roots_of(self.path)
            self._verifiers = verifiers_of(self.contents)
        return self._verifiers


class UnusableError(UncheckableError):
    """A root that the library can do nothing with, as that of an instance without a transparency log."""


def verifiers_of(contents: list[str]) -> list[Verifier]:
    """Of those roots that are usable; one must be. Raises UncheckableError."""
    found, failure = [], None
    for content in contents:
        try:
            found.append(verifier_of(content))
        except UnusableError as error:
            failure = error
    if failure is not None and not found:
        raise failure
    return found


def public_root(is_offline: bool) -> list[str]:
    """Sigstore's own, as it is now or as it was last known on this machine. Raises UncheckableError."""
    try:
        return [ClientTrustConfig.production(offline=is_offline).trusted_root._inner.to_json()]
    except Exception as error:  # the library raises those of its parsers, its files and its network
        raise UncheckableError(f"there is no root of trust: {one_line(error)}") from error


def roots_of(path: Path) -> list[str]:
    """The trusted roots of a file: one, or one on each line, as GitHub's own client writes them."""
    content = read_content(path)
    if parse(content) is not None:
        return [decoded(content)]
    lines = lines_of(content)
    if len(lines) < 2:
        read_json(content, f"there is no root of trust: {path}")
    for number, line in enumerate(lines, 1):
        read_json(line, f"there is no root of trust: {path}, line {number}")
    return lines


def verifier_of(content: str) -> Verifier:
    """Raises UncheckableError and UnusableError, naming what is wrong in it."""
    root = parse(content)
    kind = root.get("mediaType") if isinstance(root, dict) else None
    if not isinstance(kind, str) or not kind.startswith(MEDIA_TYPE):
        raise UncheckableError(f"there is no root of trust: it is of the kind {kind!r}, not {MEDIA_TYPE}")
    # The library reads roots from files alone.
    handle, name = tempfile.mkstemp(prefix="codius-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        return Verifier(trusted_root=TrustedRoot.from_file(name))
    except SigstoreError as error:
        raise UnusableError(f"there is no root of trust: {one_line(error)}") from error
    except Exception as error:  # those of the library's parsers
        raise UncheckableError(f"there is no root of trust: it can't be read: {one_line(error)}") from error
    finally:
        Path(name).unlink(missing_ok=True)
