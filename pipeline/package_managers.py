"""Which package manager installs an app's Node.js packages, and by which lock file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import pnpm
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
# The newest yarn that reads all locks of a version, and changes none, by their `__metadata.version`.
FIRST_YARN_4 = 8
YARN_LOCK = re.compile(r"^__metadata:\s+version:\s*(\d+)", re.MULTILINE)
EXACT = re.compile(r"(npm|pnpm|yarn|bun)@(\d+\.\d+\.\d+(?:-[\w.]+)?)(?:\+.*)?")
# pnpm is the version that was chosen here, whatever package.json names; the last of these since pnpm 11.
PNPM_AS_CHOSEN = (
    "--config.package-manager-strict=false",
    "--config.manage-package-manager-versions=false",
    "--config.pm-on-fail=ignore",
)


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


def place_of(project: Path, checkout: Path) -> tuple[Path, Path | None]:
    """The folder in which a project's packages are installed, its own or its workspace's, and the lock."""
    lock = find_lock(project, checkout)
    if lock is not None:
        return lock.parent, lock
    above = (parent for parent in up_to(project, checkout) if has_workspace(parent, project))
    return next(above, project), None


def has_workspace(folder: Path, project: Path) -> bool:
    if folder == project:
        return False
    try:
        listed = pnpm.packages(folder) or read_json(folder / "package.json").get("workspaces")
    except PipelineError:  # a template of one, or another project's
        return False
    return is_workspace(project.relative_to(folder).as_posix(), listed)


def covers(lock: Path, project: Path) -> bool:
    """Whether a lock above a project is that of a workspace with it."""
    path = project.relative_to(lock.parent).as_posix()
    match lock.name:
        case "package-lock.json" | "npm-shrinkwrap.json":
            packages = read_json(lock).get("packages")
            return isinstance(packages, dict) and path in packages
        case "pnpm-lock.yaml":
            return pnpm.is_importer(path, lock)
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


def manager_of(folder: Path, lock: Path | None) -> PackageManager:
    """Raises PipelineError for a package.json that can't be read."""
    kind, version = kind_of(folder, lock)
    return of_kind(kind, version, folder, lock)


def managers_of(folder: Path, lock: Path | None) -> dict[str, PackageManager]:
    """By the names that scripts call: a project's own, and the others as in a project without a lock."""
    own, version = kind_of(folder, lock)
    found = {kind: of_kind(kind, None, folder, None) for kind in ("bun", "pnpm", "yarn") if kind != own}
    if own != "npm":
        found[own] = of_kind(own, version, folder, lock)
    for name, kind, word in (("bunx", "bun", "x"), ("pnpx", "pnpm", "dlx")):
        found[name] = PackageManager((*found[kind].call, word), ())
    return found


def kind_of(folder: Path, lock: Path | None) -> tuple[str, str | None]:
    """The name, and the version if one is named, of what installs."""
    named = named_manager(folder)
    unlocked = "pnpm" if (folder / pnpm.WORKSPACE).is_file() else "npm"
    kind = LOCKS[lock.name] if lock else named[0] if named else unlocked
    return kind, named[1] if named and named[0] == kind else None


def of_kind(kind: str, version: str | None, folder: Path, lock: Path | None) -> PackageManager:
    match kind:
        case "pnpm":
            return pnpm_manager(version, folder, lock)
        case "yarn":
            return yarn(version, lock)
        case "bun":
            return PackageManager((*NPX, f"bun@{version or '1'}"), ("install", *frozen(lock)))
    return PackageManager(("npm",), ("ci",) if lock else ("install", "--no-package-lock"))


def frozen(lock: Path | None) -> Sequence[str]:
    return ("--frozen-lockfile",) if lock else ()


def pnpm_manager(version: str | None, folder: Path, lock: Path | None) -> PackageManager:
    engines = read_json(folder / "package.json").get("engines")
    named = str(engines.get("pnpm", "")) if isinstance(engines, dict) else ""
    # What is no workspace's is none's above it.
    alone = () if (folder / pnpm.WORKSPACE).is_file() else ("--ignore-workspace",)
    call = (*NPX, f"pnpm@{pnpm.version_of(version, named, lock)}", *PNPM_AS_CHOSEN)
    return PackageManager(call, ("install", *frozen(lock), *alone))


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
