"""Folders of this machine as repositories of the local GitHub."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from local.github.repositories import GitError, Repositories, Repository, folders_setting
from tests.dashboard.with_github import git


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "my-worker"
    folder.mkdir()
    (folder / "index.js").write_text("export default {};")
    return folder


@pytest.fixture
def repositories(tmp_path: Path, source: Path) -> Repositories:
    found = Repositories(tmp_path / "repositories")
    found.add("alice/my-worker", source)
    return found


def names(repository: Repository | None) -> list[str]:
    assert repository is not None
    entries = repository.directory(f"refs/heads/{repository.default_branch}", "")
    return [entry.name for entry in entries or ()]


def commit_all(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")
    return git(folder, "rev-parse", "HEAD")


def test_a_file_that_is_added_is_in_the_repository(repositories: Repositories, source: Path) -> None:
    first = repositories.find("alice/my-worker")
    assert names(first) == ["index.js"]
    (source / "wrangler.toml").write_text('main = "index.js"')
    assert names(repositories.find("Alice/my-worker.git")) == ["index.js", "wrangler.toml"]


def test_without_a_change_no_commit_is_made(repositories: Repositories) -> None:
    found = [repositories.find("alice/my-worker") for _ in range(2)]
    assert len({repository.commit("main") for repository in found if repository}) == 1


def test_a_new_commit_or_branch_is_in_the_repository(tmp_path: Path, source: Path) -> None:
    git(source, "init", "--quiet", "--initial-branch=trunk")
    commit_all(source)
    repositories = Repositories(tmp_path / "repositories")
    repositories.add("alice/my-worker", source)
    (source / "wrangler.toml").write_text('main = "index.js"')
    assert names(repositories.find("alice/my-worker")) == ["index.js"]
    commit_all(source)
    assert names(repositories.find("alice/my-worker")) == ["index.js", "wrangler.toml"]
    git(source, "branch", "other")
    repository = repositories.find("alice/my-worker")
    assert repository is not None
    assert [name for name, _, _ in repository.refs("heads/")] == ["refs/heads/other", "refs/heads/trunk"]


def test_what_a_folder_had_last_stays_when_it_goes(repositories: Repositories, source: Path) -> None:
    shutil.rmtree(source)
    assert names(repositories.find("alice/my-worker")) == ["index.js"]


def test_folders_of_the_setting_are_alice_s(source: Path) -> None:
    assert folders_setting(f"{source}:") == {"alice/my-worker": source}


@pytest.mark.parametrize("name", ["my app", "app.git", "App.Wiki", "é", "a" * 101])
def test_a_name_that_github_would_refuse_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(GitError, match="has a name that no repository has on GitHub"):
        folders_setting(str(tmp_path / name))


def test_two_folders_of_one_name_and_a_missing_one_are_refused(tmp_path: Path, source: Path) -> None:
    (tmp_path / "other" / "My-Worker").mkdir(parents=True)
    with pytest.raises(GitError, match="there are two folders called My-Worker"):
        folders_setting(f"{source}:{tmp_path / 'other' / 'My-Worker'}")
    with pytest.raises(GitError, match="/absent is no folder"):
        folders_setting(f"{tmp_path}/absent")
