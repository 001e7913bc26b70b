"""What a workflow's `uses:` steps do on this machine, in place of the actions of the same names.

Each takes the inputs that this repository's workflows give, with the meaning that the action's own README
gives them, and refuses others.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.github.attestations import Attestations
from local.sigstore.authority import SigningError

OWN_SETUP = ".github/actions/setup"
# actions/upload-artifact refuses these in file names, since some file systems can't hold them.
UNFIT_NAME = re.compile(r'["*:<>?|\\\r\n]')
GIT_ENVIRONMENT = ("GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0")
MAX_SUBJECTS = 1024
PRIVATE_FILES = (".dev.vars*", ".env*")


class ActionError(Exception):
    """The action fails; the message says why, for the log."""


@dataclass(frozen=True, slots=True)
class ActionCall:
    """One use of an action: its `with:`, evaluated, and what it works on. It adds to `path`."""

    parameters: Mapping[str, str]
    github: Mapping[str, str]
    work: Path
    artifacts: Path
    repository: Path
    attestations: Attestations | None
    permissions: Mapping[str, str]
    execute: Callable[..., Awaitable[None]]
    log: Callable[[str], None]
    path: list[Path] = field(default_factory=list)

    def take(self, *known: str) -> list[str]:
        """The values of the inputs `known`, "" where not given. Raises ActionError for any other input."""
        for name in self.parameters:
            if name not in known:
                raise ActionError(f"The input {name!r} isn't known here.")
        return [self.parameters.get(name, "") for name in known]

    def folder(self, name: str) -> Path:
        """A folder of the workspace."""
        return inside(self.work, name or ".")


Action = Callable[[ActionCall], Awaitable[None]]


def find_action(uses: str) -> Action:
    """Return what stands for an action. Raises ActionError naming one that isn't known here."""
    name = uses.partition("@")[0]
    if name.startswith("./") and name.endswith("/" + OWN_SETUP):
        name = OWN_SETUP
    if name not in ACTIONS:
        raise ActionError(f"Unable to resolve action {uses!r}: it isn't known here.")
    return ACTIONS[name]


async def checkout(call: ActionCall) -> None:
    """actions/checkout: the operator's own files, or another repository's commit by git."""
    repository, ref, path, sparse, credentials = call.take(
        "repository", "ref", "path", "sparse-checkout", "persist-credentials"
    )
    if credentials != "false":
        raise ActionError("persist-credentials must be false.")
    if repository:
        await fetch_commit(call, repository, ref, call.folder(path))
    else:
        copy_own_files(call.repository, call.folder(path), sparse.split())


async def fetch_commit(call: ActionCall, repository: str, commit: str, folder: Path) -> None:
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise ActionError(f"The ref {commit!r} must be a full commit hash.")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise ActionError(f"{repository!r} is not the name of a repository.")
    folder.mkdir(parents=True, exist_ok=True)
    # `env` sets what git must not take from the machine.
    git = ("env", *GIT_ENVIRONMENT, "git", "-C", folder)
    url = f"{call.github['server_url']}/{repository}"
    await call.execute(*git, "init", "--quiet", "--initial-branch=main", ".")
    # From which the addresses of submodules may start.
    await call.execute(*git, "remote", "add", "origin", url)
    await call.execute(*git, "fetch", "--quiet", "--no-tags", "--depth=1", url, commit)
    await call.execute(*git, "-c", "advice.detachedHead=false", "checkout", "--quiet", "FETCH_HEAD")
    call.log(f"Checked out {repository} at {commit}")


def copy_own_files(repository: Path, folder: Path, folders: list[str]) -> None:
    """Copy the named folders, and the files beside them, as a sparse checkout has them ("cone mode")."""
    if not folders:
        raise ActionError("sparse-checkout must name the folders of this repository that are needed.")
    folder.mkdir(parents=True, exist_ok=True)
    for path in repository.iterdir():
        if path.is_file() and not any(path.match(pattern) for pattern in PRIVATE_FILES):
            shutil.copy(path, folder)
    for name in folders:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(inside(repository, name), inside(folder, name), ignore=ignored)


async def set_up(call: ActionCall) -> None:
    """This repository's own action: the tools are the local ones, already installed."""
    folder, node = call.take("folder", "node")
    if node != "false":
        (call.folder(folder) / "node_modules").symlink_to(call.repository / "node_modules")
    call.path.append(call.repository / ".venv" / "bin")


async def upload_artifact(call: ActionCall) -> None:
    name, path, hidden, missing = call.take("name", "path", "include-hidden-files", "if-no-files-found")
    source, target = call.folder(path), inside(call.artifacts, name)
    files = [file for file in source.rglob("*") if file.is_file()]
    if hidden != "true":
        files = [file for file in files if not is_hidden(file.relative_to(source))]
    if not files and missing == "error":
        raise ActionError(f"No files were found with the provided path: {path}")
    if target.exists():
        raise ActionError(f"Failed to create the artifact: one with the name {name} is there already.")
    for file in files:
        relative = file.relative_to(source)
        if UNFIT_NAME.search(str(relative)):
            raise ActionError(f"The path for one of the files in artifact is not valid: {relative}")
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / relative)
    call.log(f"Artifact {name}: {len(files)} files")


async def download_artifact(call: ActionCall) -> None:
    name, path = call.take("name", "path")
    source = inside(call.artifacts, name)
    if not source.is_dir():
        raise ActionError(f"Unable to download the artifact {name}: there is none of this name.")
    shutil.copytree(source, call.folder(path), dirs_exist_ok=True)


async def attest(call: ActionCall) -> None:
    """actions/attest: sign a statement about the files that a checksums file names."""
    checksums, predicate_type, predicate = call.take("subject-checksums", "predicate-type", "predicate-path")
    for permission in ("id-token", "attestations"):
        if call.permissions.get(permission) != "write":
            raise ActionError(f"The job needs the permission {permission}: write.")
    assert call.attestations is not None
    subjects = dict(map(subject_of, call.folder(checksums).read_text().splitlines()))
    if not 0 < len(subjects) <= MAX_SUBJECTS:
        raise ActionError(f"There must be 1 to {MAX_SUBJECTS} subjects, not {len(subjects)}.")
    try:
        content = json.loads(call.folder(predicate).read_text())
        number = await call.attestations.attest(subjects, predicate_type, content, call.github)
    except (ValueError, SigningError) as error:
        raise ActionError(f"Failed to create the attestation: {error}") from error
    call.log(f"Attestation {number} of {len(subjects)} subjects")


def subject_of(line: str) -> tuple[str, str]:
    """The name and the digest of a line as `sha256sum` writes it."""
    match = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
    if match is None:
        raise ActionError(f"This is not a line of checksums: {line}")
    return match[2], match[1]


def is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def inside(folder: Path, name: str) -> Path:
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(folder):
        raise ActionError(f"{name!r} is outside of the workspace.")
    return path


ACTIONS: Mapping[str, Action] = {
    "actions/attest": attest,
    "actions/checkout": checkout,
    "actions/download-artifact": download_artifact,
    "actions/upload-artifact": upload_artifact,
    OWN_SETUP: set_up,
}
