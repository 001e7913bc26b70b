"""Whether a commit is the repository's own, asked of a real git server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.inputs import Source
from pipeline.origin import check
from tests.pipeline.support import commit_all, git, git_server


class Repository:
    """alice/apps: two branches, an annotated tag, and a fork's commits under a pull request's ref alone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commits = folder, 0
        folder.mkdir(parents=True)
        self.one = commit_all(folder)
        self.two, self.three = self.commit(), self.commit()
        git(folder, "checkout", "--quiet", "-b", "feature/side", self.one)
        self.tagged = self.commit()
        git(folder, "tag", "--annotate", "v1", "--message", "v1")
        self.side, self.side_last = self.commit(), self.commit()
        git(folder, "checkout", "--quiet", "--detach", self.two)
        self.earlier_of_fork, self.fork = self.commit(), self.commit()
        git(folder, "update-ref", "refs/pull/1/head", self.fork)
        git(folder, "checkout", "--quiet", "main")

    def commit(self) -> str:
        # Without files of its own a commit is told from its siblings of the same second by its message alone.
        self.commits += 1
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", f"Commit {self.commits}")
        return git(self.folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("git") / "alice" / "apps")


@pytest.fixture(scope="module")
def server(repository: Repository) -> Iterator[str]:
    with git_server(repository.folder.parent.parent) as address:
        yield address


def ask(server: str, commit: str, ref: str, name: str = "alice/apps") -> None:
    check(Source("abc", name, commit, ref, ""), {"GITHUB_SERVER_URL": server})


@pytest.mark.parametrize(
    ("commit", "ref"),
    [
        ("three", "main"),
        ("one", "main"),
        ("one", ""),
        ("two", ""),
        ("side_last", ""),
        ("side", "feature/side"),
        ("tagged", "v1"),
        ("tagged", ""),
        ("one", "v1"),
        # The ref is gone by now.
        ("two", "gone"),
    ],
)
def test_a_commit_of_a_branch_or_tag_is_the_repository_s(
    repository: Repository, server: str, commit: str, ref: str
) -> None:
    ask(server, getattr(repository, commit), ref)


@pytest.mark.parametrize(
    ("commit", "ref"),
    [
        ("fork", "main"),
        ("fork", ""),
        ("fork", "pull/1/head"),
        ("fork", "refs/pull/1/head"),
        ("fork", "../pull/1/head"),
        ("fork", "--upload-pack=true"),
        ("earlier_of_fork", "main"),
        ("side", "main"),
        ("side", ""),
    ],
)
def test_a_commit_of_a_fork_is_refused(repository: Repository, server: str, commit: str, ref: str) -> None:
    with pytest.raises(PipelineError, match="is on no branch or tag of alice/apps"):
        ask(server, getattr(repository, commit), ref)


def test_a_commit_that_is_nowhere_is_refused(server: str) -> None:
    with pytest.raises(PipelineError, match="is on no branch or tag"):
        ask(server, "0" * 40, "main")


def test_a_repository_that_can_not_be_read_is_named(server: str) -> None:
    with pytest.raises(PipelineError, match=r"of alice/none can't be read \(git ls-remote\)"):
        ask(server, "0" * 40, "main", name="alice/none")
