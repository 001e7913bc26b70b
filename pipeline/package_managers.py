"""Which package manager installs an app's Node.js packages, and by which lock file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

# npm fetches the other package managers, also for a project whose `devEngines` are not to have npm.
NPX = ("npx", "--yes", "--force")
LOCKS = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "yarn.lock": "yarn",
}
YARN_BERRY = "@yarnpkg/cli-dist"
# The newest major version that reads all locks of a version, and changes none: pnpm's by the beginning of its
# `lockfileVersion`, yarn's by its `__metadata.version`. The newest pnpm that there is reads what isn't here.
PNPM_BY_LOCK = {"5.": "7", "6.": "8"}
NEWEST_PNPM = "10"
FIRST_PNPM_ALIKE = 9
# pnpm refuses to be another version than `engines` has. So it is one of those, among those that read a lock.
PNPM_READING = {"7": "7.x", "8": "8.x", NEWEST_PNPM: ">=9 <11"}
RANGE = re.compile(r"[\d.xX*<>=^~|\s]+")
FIRST_YARN_4 = 8
PNPM_LOCK = re.compile(r"^lockfileVersion:\s*['\"]?([\d.]+)", re.MULTILINE)
YARN_LOCK = re.compile(r"^__metadata:\s+version:\s*(\d+)", re.MULTILINE)
EXACT = re.compile(r"(npm|pnpm|yarn|bun)@(\d+\.\d+\.\d+(?:-[\w.]+)?)(?:\+.*)?")
# The keys of `importers` are at two spaces in pnpm's locks.
PNPM_IMPORTER = re.compile(r"^  (['\"]?)([^\s'\"].*?)\1:(?:\s.*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PackageManager:
    """`call` runs it; with the arguments `install` it installs what a lock names, and nothing else."""

    call: tuple[str, ...]
    install: tuple[str, ...]


def project_of(folder: Path, checkout: Path) -> Path | None:
    """The folder of the nearest package.json, up to the repository's root."""
    return next((parent for parent in up_to(folder, checkout) if (parent / "package.json").is_file()), None)


def up_to(folder: Path, checkout: Path) -> Iterator[Path]:
    """A folder and those above it, in a checkout."""
    for parent in (folder, *folder.parents):
        yield parent
        if parent == checkout:
            return


def find_lock(project: Path, checkout: Path) -> Path | None:
    """The lock file beside a package.json, or of the workspace that it belongs to."""
    for parent in up_to(project, checkout):
        present = [parent / name for name in LOCKS if (parent / name).is_file()]
        covering = [lock for lock in present if parent == project or covers(lock, project)]
        if covering:
            named = named_manager(parent)
            return min(covering, key=lambda lock: named is None or named[0] != LOCKS[lock.name])
    return None


def covers(lock: Path, project: Path) -> bool:
    """Whether a lock above a project is that of a workspace with it."""
    path = project.relative_to(lock.parent).as_posix()
    match lock.name:
        case "package-lock.json" | "npm-shrinkwrap.json":
            packages = read_json(lock).get("packages")
            return isinstance(packages, dict) and path in packages
        case "pnpm-lock.yaml":
            _, _, importers = lock.read_text("utf-8-sig").partition("\nimporters:\n")
            importers = re.split(r"^\S", importers, maxsplit=1, flags=re.MULTILINE)[0]
            return any(found[2] == path for found in PNPM_IMPORTER.finditer(importers))
    return is_workspace(path, read_json(lock.parent / "package.json").get("workspaces"))


def is_workspace(path: str, globs: Any) -> bool:
    """Whether a package.json's `workspaces` name a path: the last one that matches decides."""
    listed = globs.get("packages") if isinstance(globs, dict) else globs
    is_named = False
    for glob in listed if isinstance(listed, list) else []:
        text = str(glob).removeprefix("!").removeprefix("./").rstrip("/")
        # `**/` may stand for no folder at all.
        parts = re.split(r"(\*\*/|\*\*|\*)", text)
        meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
        if re.fullmatch("".join(meaning.get(part, re.escape(part)) for part in parts), path):
            is_named = not str(glob).startswith("!")
    return is_named


def manager_of(lock: Path | None, project: Path) -> PackageManager:
    """Raises PipelineError for a package.json that can't be read."""
    named = named_manager(lock.parent if lock else project)
    kind = LOCKS[lock.name] if lock else named[0] if named else "npm"
    version = named[1] if named and named[0] == kind else None
    match kind:
        case "pnpm":
            return pnpm(version, lock, project)
        case "yarn":
            return yarn(version, lock)
        case "bun":
            return PackageManager((*NPX, f"bun@{version or '1'}"), ("install", *frozen(lock)))
    return PackageManager(("npm",), ("ci",) if lock else ("install", "--no-package-lock"))


def frozen(lock: Path | None) -> Sequence[str]:
    return ("--frozen-lockfile",) if lock else ()


def pnpm(version: str | None, lock: Path | None, project: Path) -> PackageManager:
    folder, by_lock = lock.parent if lock else project, pnpm_for(lock)
    if version is None or not reads(version, by_lock):
        version = of_engines(folder, by_lock) or by_lock
    # What is no workspace's is none's above it.
    alone = () if (folder / "pnpm-workspace.yaml").is_file() else ("--ignore-workspace",)
    settings = ("--config.package-manager-strict=false", "--config.manage-package-manager-versions=false")
    return PackageManager((*NPX, f"pnpm@{version}", *settings), ("install", *frozen(lock), *alone))


def pnpm_for(lock: Path | None) -> str:
    found = PNPM_LOCK.search(lock.read_text("utf-8-sig")) if lock else None
    if found is None:
        return NEWEST_PNPM
    return next((major for start, major in PNPM_BY_LOCK.items() if found[1].startswith(start)), NEWEST_PNPM)


def of_engines(folder: Path, by_lock: str) -> str | None:
    """The versions of pnpm that a package.json's `engines` have, of those that read the same locks as one."""
    engines = read_json(folder / "package.json").get("engines")
    named = str(engines.get("pnpm", "")) if isinstance(engines, dict) else ""
    if not RANGE.fullmatch(named):
        return None
    return " || ".join(f"{PNPM_READING[by_lock]} {part.strip()}" for part in named.split("||"))


def reads(version: str, by_lock: str) -> bool:
    """Whether a pnpm reads the locks of another; those of 9 and later are the same."""
    major = int(version.partition(".")[0])
    return major == int(by_lock) or min(major, int(by_lock)) >= FIRST_PNPM_ALIKE


def yarn(version: str | None, lock: Path | None) -> PackageManager:
    """Yarn 1 alone stops at the `engines` of packages."""
    found = YARN_LOCK.search(lock.read_text("utf-8-sig")) if lock else None
    is_first = found is None if lock else version is None or version.startswith("1.")
    if is_first:
        fit = version if version and version.startswith("1.") else "1"
        return PackageManager((*NPX, f"yarn@{fit}"), ("install", "--ignore-engines", *frozen(lock)))
    by_lock = "3" if found and int(found[1]) < FIRST_YARN_4 else "4"
    fit = version if version and not version.startswith("1.") else by_lock
    # Where it is told of CI, it would make no lock by itself.
    option = "--immutable" if lock else "--no-immutable"
    return PackageManager((*NPX, f"{YARN_BERRY}@{fit}"), ("install", option))


def named_manager(folder: Path) -> tuple[str, str] | None:
    """The name and the exact version of a package.json's `packageManager`."""
    named = EXACT.fullmatch(str(read_json(folder / "package.json").get("packageManager", "")))
    return (named[1], named[2]) if named else None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; an empty one without a file. Raises PipelineError."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise PipelineError(f"{path.name} can't be read: {error}") from error
    return content if isinstance(content, dict) else {}
