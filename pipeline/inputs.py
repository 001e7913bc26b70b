"""The inputs of the deploy workflow, read from the environment and checked.

The dashboard has checked them before; whoever may dispatch the workflow can give it others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import PipelineError

# A DNS label (RFC 1035) in lower case, as the app is served at <id>.<apps domain>.
APP_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/(?!\.\.?$)[A-Za-z0-9._-]{1,100}")
COMMIT = re.compile(r"[0-9a-f]{40}")
# "Create a dispatch namespace": lower-case letters, digits and hyphens.
NAMESPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")
ACCOUNT = re.compile(r"[A-Za-z0-9]{1,64}")
# "Custom limits" of Workers for Platforms.
CPU_MS = re.compile(r"[1-9][0-9]{0,3}|[12][0-9]{4}|30000")
DEFAULT_CPU_MS = "50"  # dispatch's own is in wrangler.toml
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")
MAX_TEXT = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """What is built: a directory ("" is the root) of a commit. `ref` is how the commit was asked for."""

    app_id: str
    repository: str
    commit: str
    ref: str
    directory: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Source:
        """Raises PipelineError naming the input that is missing or wrong."""
        return cls(
            app_id=matching(env, "APP_ID", APP_ID, "an app's id"),
            repository=matching(env, "REPOSITORY", REPOSITORY, "owner/name of a repository"),
            commit=matching(env, "COMMIT", COMMIT, "a full commit hash"),
            ref=printable(env, "REF"),
            directory=relative_directory(env, "DIRECTORY"),
        )

    def folder(self, checkout: Path) -> Path:
        """The directory in a checkout. Its name is what is signed: no part of it may be a link to another."""
        root = checkout.resolve()
        folder = root / self.directory
        if folder.resolve() != folder:
            raise PipelineError(
                f"{self.directory} is a link, or in one: name the directory that it leads to."
            )
        if not folder.is_dir():
            raise PipelineError(f"There is no directory {self.directory} in {self.repository}.")
        return folder


@dataclass(frozen=True, slots=True)
class Target:
    """Where a Worker is deployed to, and the milliseconds of processor time that it has for a request."""

    app_id: str
    namespace: str
    cpu_ms: int

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Target:
        """Raises PipelineError naming the input that is missing or wrong."""
        cpu_ms = env.get("APP_CPU_MS") or DEFAULT_CPU_MS
        return cls(
            app_id=matching(env, "APP_ID", APP_ID, "an app's id"),
            namespace=matching(env, "DISPATCH_NAMESPACE", NAMESPACE, "the name of a dispatch namespace"),
            cpu_ms=int(matching({"APP_CPU_MS": cpu_ms}, "APP_CPU_MS", CPU_MS, "1 to 30000 milliseconds")),
        )


def required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise PipelineError(f"{name} is missing.")
    return value


def matching(env: Mapping[str, str], name: str, form: re.Pattern[str], meaning: str) -> str:
    value = required(env, name)
    if not form.fullmatch(value):
        raise PipelineError(f"{name} is {shown(value)}, which is not {meaning}.")
    return value


def printable(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if UNPRINTABLE.search(value) or len(value) > MAX_TEXT:
        raise PipelineError(f"{name} is {shown(value)}, which is not text of one line.")
    return value


def relative_directory(env: Mapping[str, str], name: str) -> str:
    value = printable(env, name).rstrip("/")
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or ".git" in path.parts:
        raise PipelineError(f"{name} is {shown(value)}, which is not a directory in a repository.")
    return "" if value in ("", ".") else str(path)


def shown(value: str) -> str:
    return repr(value if len(value) <= 100 else f"{value[:100]}…")
