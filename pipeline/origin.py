"""In the job `build`, before anything of the app's runs: whether its commit is the repository's own.

    python -m pipeline.origin

reads the inputs as the job does, and GITHUB_SERVER_URL. GitHub gives out a fork's commits under the parent's
name, too: what is signed as a repository's must be on one of its own branches or tags.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline.commands import environment, output_of
from pipeline.errors import PipelineError, run_job
from pipeline.inputs import Source, required

KINDS = ("refs/heads/", "refs/tags/")
# Of an annotated tag: the commit that it names.
PEELED = "^{}"


class Remote:
    """A repository at its address; `temporary` is an empty folder. Raises PipelineError."""

    def __init__(self, url: str, name: str, temporary: Path) -> None:
        self._url, self._name = url, name
        self._folder, home = temporary / "commits.git", temporary / "home"
        home.mkdir()
        git = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        self._env = environment(home) | git
        self._git("init", "--quiet", "--bare", self._folder, cwd=temporary)

    def refs(self) -> dict[str, str]:
        """The commits of its branches and tags, and of HEAD, by name."""
        lines = self._git("ls-remote", self._url, cwd=self._folder).splitlines()
        found = {name: commit for commit, _, name in (line.partition("\t") for line in lines)}
        own = {name: commit for name, commit in found.items() if name == "HEAD" or name.startswith(KINDS)}
        peeled = {name: commit for name, commit in own.items() if name.endswith(PEELED)}
        return own | {name.removesuffix(PEELED): commit for name, commit in peeled.items()}

    def has(self, ref: str, commit: str) -> bool:
        """Whether a branch or tag leads to a commit. Only commits are fetched, no files."""
        only_commits = ("--quiet", "--no-tags", "--filter=tree:0")
        self._git("fetch", *only_commits, self._url, f"+{ref}:refs/asked", cwd=self._folder)
        return commit in self._git("rev-list", "refs/asked", cwd=self._folder).split()

    def _git(self, *arguments: str | Path, cwd: Path) -> str:
        failure = f"The branches and tags of {self._name} can't be read (git {arguments[0]})."
        return output_of("git", *arguments, cwd=cwd, env=self._env, failure=failure)


def require_own(source: Source, remote: Remote) -> None:
    """Raise PipelineError unless the commit is the last of a branch or tag, or on REF or the default one."""
    refs = remote.refs()
    if source.commit in refs.values():
        return
    named = [kind + source.ref for kind in KINDS if kind + source.ref in refs]
    for ref in [*named, "HEAD"]:
        if ref in refs and remote.has(ref, source.commit):
            return
    raise PipelineError(
        f"{source.commit} is on no branch or tag of {source.repository} that was named, nor on its default "
        "branch. It may be a fork's, or the branch was rewritten."
    )


def check(source: Source, env: Mapping[str, str]) -> None:
    url = f"{required(env, 'GITHUB_SERVER_URL')}/{source.repository}"
    with tempfile.TemporaryDirectory() as temporary:
        require_own(source, Remote(url, source.repository, Path(temporary)))


def main() -> None:
    source = Source.read(os.environ)
    check(source, os.environ)
    print(f"{source.commit} is a commit of {source.repository}.")


if __name__ == "__main__":
    run_job(main)
