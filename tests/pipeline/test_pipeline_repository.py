"""Submodules and files of Git LFS are there, or the commit is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.repository import fetch_submodules, require_files
from tests.pipeline.support import Build, commit_all, git, git_server, write

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("4d" * 32)
CONFIG = '{"compatibility_date": "2026-11-01", "assets": {"directory": "./public"}}'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server with the repository alice/pages, which has a submodule of its own, alice/icons.

    Whoever clones it needn't have the icons, according to its .gitmodules.
    """
    for name, files in (("icons", {"a.svg": "<svg/>"}), ("pages", {"index.html": "<h1>"})):
        write(tmp_path / "alice" / name, files)
    icons, pages = tmp_path / "alice" / "icons", tmp_path / "alice" / "pages"
    add_submodule(pages, "icons", "../icons\n\tupdate = none", commit_all(icons))
    with git_server(tmp_path) as address:
        yield address


def add_submodule(folder: Path, path: str, url: str | None, commit: str) -> str:
    """Commit a submodule as `git submodule add` does, without fetching it; return the new commit."""
    if url is not None:
        write(folder, {".gitmodules": f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'})
    commit_all(folder)
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    git(folder, "commit", "--quiet", "--amend", "--message", "All")
    (folder / path).mkdir(exist_ok=True)
    return git(folder, "rev-parse", "HEAD")


def test_submodules_and_theirs_are_fetched(server: str, tmp_path: Path, env: dict[str, str]) -> None:
    app = tmp_path / "app"
    write(app, {"wrangler.json": CONFIG})
    pages = git(tmp_path / "alice" / "pages", "rev-parse", "HEAD")
    add_submodule(app, "public", f"{server}/alice/pages", pages)
    fetch_submodules(app, env)
    assert (app / "public" / "index.html").read_text() == "<h1>"
    assert (app / "public" / "icons" / "a.svg").read_text() == "<svg/>"


@pytest.mark.parametrize("address", ["{server}/alice/missing", "file://{folder}/alice/icons", None])
def test_submodules_that_can_not_be_had_are_named(
    server: str, tmp_path: Path, env: dict[str, str], address: str | None
) -> None:
    app = tmp_path / "app"
    write(app, {"wrangler.json": CONFIG})
    url = address and address.format(server=server, folder=tmp_path)
    add_submodule(app, "public", url, git(tmp_path / "alice" / "icons", "rev-parse", "HEAD"))
    with pytest.raises(PipelineError, match=r"^The submodules of the commit can't be had: public\. "):
        fetch_submodules(app, env)


def test_a_file_of_git_lfs_is_named_and_not_served_as_its_pointer(build: Build) -> None:
    write(build.checkout, {"wrangler.json": CONFIG, "public/logo.png": POINTER, "public/index.html": "<h1>"})
    assert build.fail().startswith("Git LFS has the content of public/logo.png: only a pointer is in the ")


def test_a_file_that_the_build_fetched_is_no_pointer_any_more(tmp_path: Path, env: dict[str, str]) -> None:
    write(tmp_path, {"logo.png": POINTER, "spec.md": POINTER + "x" * 1_000, "ä.txt": "version 1"})
    commit_all(tmp_path)
    with pytest.raises(PipelineError, match=r"the content of logo\.png:"):
        require_files(tmp_path, env)
    (tmp_path / "logo.png").write_text("the file itself")
    require_files(tmp_path, env)
