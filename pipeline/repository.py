"""What git has of a commit besides files: submodules, and files that Git LFS keeps elsewhere.

Both are named in the commit by their hashes. They are there when an app is built, or it is refused: an empty
folder, or a pointer in a file's place, would be served as if it were right.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.commands import output_of
from pipeline.errors import PipelineError
from pipeline.inputs import Source

SUBMODULE = "160000"  # the mode of one in git's index
# "Git LFS Specification": what a pointer begins with, and how long it can be.
POINTER, MAX_POINTER = b"version https://git-lfs.github.com/spec/v1\n", 1024
NAMED = 5
# Addresses lead to other machines only.
GIT = {
    "GIT_ALLOW_PROTOCOL": "http:https",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


def require_commit(source: Source, checkout: Path, env: Mapping[str, str]) -> None:
    """Raise PipelineError unless a checkout is at the commit."""
    failure = f"{checkout} is not a checkout of {source.repository}"
    found = output_of("git", "rev-parse", "HEAD", cwd=checkout, env=env, failure=failure)
    if found != source.commit:
        raise PipelineError(f"The checkout is at {found}, not at {source.commit}.")


def fetch_submodules(checkout: Path, env: Mapping[str, str]) -> None:
    """Fill the folders of a commit's submodules, and of theirs. Raises PipelineError, naming the empty."""
    paths = submodules_of(checkout, env)
    if not paths:
        return
    # Also those for which .gitmodules says `update = none`: git would leave their folders empty, and succeed.
    command = ("submodule", "--quiet", "update", "--checkout", "--init", "--recursive", "--depth=1")
    try:
        output_of("git", *command, cwd=checkout, env={**env, **GIT}, failure="git says")
    except PipelineError as error:
        absent = [path for path in paths if not list((checkout / path).glob("*"))] or paths
        raise PipelineError(
            f"The submodules of the commit can't be had: {listed(absent)}. They must be public, with an "
            f"address in .gitmodules. {error}"
        ) from error


def submodules_of(checkout: Path, env: Mapping[str, str]) -> list[str]:
    entries = files_of(checkout, env, "--stage")
    split = (entry.partition("\t") for entry in entries)
    return [path for details, _, path in split if details.startswith(f"{SUBMODULE} ")]


def require_files(checkout: Path, env: Mapping[str, str]) -> None:
    """Raise PipelineError for files that are still pointers after the build, which may have fetched them."""
    paths = files_of(checkout, env, "--recurse-submodules")
    pointers = [path for path in paths if is_pointer(checkout / path)]
    if pointers:
        raise PipelineError(
            f"Git LFS has the content of {listed(pointers)}: only a pointer is in the repository. Store it "
            "in git itself (git lfs migrate export), or fetch it in the script `build`."
        )


def files_of(checkout: Path, env: Mapping[str, str], *options: str) -> list[str]:
    failure = "git can't list the repository's files"
    command = ("git", "-c", "core.quotePath=false", "ls-files", "-z", *options)
    return [path for path in output_of(*command, cwd=checkout, env=env, failure=failure).split("\0") if path]


def is_pointer(path: Path) -> bool:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size >= MAX_POINTER:
            return False
        return path.read_bytes().startswith(POINTER)
    except OSError:
        return False


def listed(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED:,} more" if len(paths) > NAMED else ""
    return f"{', '.join(paths[:NAMED])}{more}"
