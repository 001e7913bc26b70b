"""Which pnpm reads a project's lock, and which folders belong to a workspace."""

from __future__ import annotations

import re
from pathlib import Path

# The newest major version that reads all locks of a version, and changes none: by the beginning of the
# `lockfileVersion`. A lock of two documents ("Lockfile" of pnpm's documentation: the first is about pnpm
# itself) is that of 11 or later.
BY_LOCK = {"5.": "7", "6.": "8"}
OF_ONE_DOCUMENT, OF_TWO_DOCUMENTS = "10", "12"
FIRST_ALIKE = 9
# pnpm refuses to be another version than `engines` has. So it is one of those, among those that read a lock.
READING = {"7": "7.x", "8": "8.x", OF_ONE_DOCUMENT: ">=9 <11", OF_TWO_DOCUMENTS: ">=11 <13"}
RANGE = re.compile(r"[\d.xX*<>=^~|\s]+")
NEW = re.compile(r"[\s>=^~]*1[1-9]\b")

WORKSPACE = "pnpm-workspace.yaml"
PACKAGES = re.compile(r"^packages:.*\n((?:[ \t]*(?:[#-].*)?\n)+)", re.MULTILINE)
ITEM = re.compile(r"^[ \t]*-[ \t]*(['\"]?)([^'\"#\s]+)\1", re.MULTILINE)

DOCUMENTS = re.compile(r"^---\s*$", re.MULTILINE)
VERSION = re.compile(r"^lockfileVersion:\s*['\"]?([\d.]+)", re.MULTILINE)
# The keys of `importers` are at two spaces, those of their dependencies at six.
IMPORTER = re.compile(r"^  (['\"]?)([^\s'\"].*?)\1:(?:\s.*)?$", re.MULTILINE)
OWN = re.compile(r"^ {6}pnpm:\n(?: {8}.*\n)*? {8}version: (\d+\.\d+\.\d+[\w.-]*)\s*$", re.MULTILINE)


def documents(lock: Path) -> list[str]:
    """The documents of a lock; the last is about the project's packages."""
    return [part for part in DOCUMENTS.split(lock.read_text("utf-8-sig")) if part.strip()] or [""]


def packages(folder: Path) -> list[str]:
    """What a workspace's file says of which folders belong to it."""
    file = folder / WORKSPACE
    listed = PACKAGES.search(f"{file.read_text('utf-8-sig')}\n") if file.is_file() else None
    return [found[2] for found in ITEM.finditer(listed[1])] if listed else []


def is_importer(path: str, lock: Path) -> bool:
    """Whether a lock is for a folder, too."""
    _, _, importers = f"\n{documents(lock)[-1]}".partition("\nimporters:\n")
    importers = re.split(r"^\S", importers, maxsplit=1, flags=re.MULTILINE)[0]
    return any(found[2] == path for found in IMPORTER.finditer(importers))


def version_of(named: str | None, engines: str, lock: Path | None) -> str:
    """What of pnpm installs by a lock: the version that package.json names, if it reads the lock."""
    found = documents(lock) if lock else [""]
    by_lock = reading(found)
    named = named or own_version(found)
    if named is not None and reads(named, by_lock):
        return named
    return of_engines(engines, by_lock) or by_lock


def reading(found: list[str]) -> str:
    """The major version that reads a lock."""
    if len(found) > 1:
        return OF_TWO_DOCUMENTS
    version = VERSION.search(found[0])
    majors = (major for start, major in BY_LOCK.items() if version and version[1].startswith(start))
    return next(majors, OF_ONE_DOCUMENT)


def own_version(found: list[str]) -> str | None:
    """The version of pnpm that a lock of two documents names."""
    own = OWN.search(found[0]) if len(found) > 1 else None
    return own[1] if own else None


def reads(version: str, by_lock: str) -> bool:
    """Whether a pnpm reads the locks of another; those of 9 and later are the same in one document."""
    major = int(version.partition(".")[0])
    if by_lock == OF_TWO_DOCUMENTS:
        return major > int(OF_ONE_DOCUMENT)
    return major == int(by_lock) or min(major, int(by_lock)) >= FIRST_ALIKE


def of_engines(named: str, by_lock: str) -> str | None:
    """The versions that a package.json's `engines` have, of those that read the same locks as one."""
    if not RANGE.fullmatch(named):
        return None
    is_new = by_lock == OF_ONE_DOCUMENT and all(NEW.match(part) for part in named.split("||"))
    versions = READING[OF_TWO_DOCUMENTS if is_new else by_lock]
    return " || ".join(f"{versions} {part.strip()}" for part in named.split("||"))
