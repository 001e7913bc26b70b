"""The local GitHub's repositories: real ones, bare, made from folders of this machine."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GIT_SECONDS = 60
BRANCH = "main"
SKIPPED = ("node_modules", ".git", ".venv", "__pycache__", "python_modules", ".wrangler")
# "Repository name" of GitHub; a name can't end as the addresses of git and of wikis do.
NAME = re.compile(r"(?!\.{1,2}$)(?!.*\.(?:git|wiki)$)[A-Za-z0-9._-]{1,100}", re.IGNORECASE | re.ASCII)
# Nothing of the user's own configuration, and the same author everywhere.
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Local GitHub",
    "GIT_AUTHOR_EMAIL": "github@localhost",
    "GIT_COMMITTER_NAME": "Local GitHub",
    "GIT_COMMITTER_EMAIL": "github@localhost",
    # The folder may belong to another user than the one who runs this.
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


class GitError(Exception):
    """git refused; the message is its own."""


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    date: str
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a directory; `kind` is git's: blob, tree or commit."""

    name: str
    kind: str
    mode: str
    sha: str
    size: int


@dataclass(frozen=True, slots=True)
class Repository:
    """A bare repository in `path`; `full_name` is owner/name as it is spelled."""

    full_name: str
    path: Path
    is_private: bool = False

    @property
    def id(self) -> int:
        return 100_000 + zlib.crc32(self.full_name.lower().encode()) % 900_000

    @property
    def default_branch(self) -> str:
        return self.git("symbolic-ref", "--short", "HEAD").strip()

    @property
    def is_empty(self) -> bool:
        return not self.refs("")

    def refs(self, beginning: str) -> list[tuple[str, str, str]]:
        """Name, kind and hash of the refs whose names begin so, like `heads/ma`."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objecttype) %(objectname)").splitlines()
        fitting = [line.split(" ") for line in lines if line.startswith(f"refs/{beginning}")]
        return [(name, kind, sha) for name, kind, sha in fitting]

    def commit(self, ref: str) -> Commit | None:
        """What a branch, a tag or a (shortened) hash means; `heads/…` and `tags/…` are exact."""
        for candidate in (f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}", ref):
            if candidate == ref and not is_hash(ref):
                return None
            try:
                sha = self.git(
                    "rev-parse", "--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}"
                )
            except GitError:
                continue
            return self._read(sha.strip())
        return None

    def _read(self, sha: str) -> Commit:
        text = self.git("show", "--no-patch", "--format=%T%n%P%n%cI%n%B", sha)
        tree, parents, date, *message = text.split("\n")
        return Commit(sha, tree, tuple(parents.split()), date, "\n".join(message).strip())

    def directory(self, commit: str, path: str) -> list[Entry] | None:
        """The entries of a directory; None when there is none."""
        try:
            return entries_of(self.git("ls-tree", "-l", "-z", f"{commit}:{path}"))
        except GitError:
            return None

    def tree(self, commit: str, is_recursive: bool) -> list[Entry]:
        """The entries of a commit's root, or of all its directories, named by their paths."""
        return entries_of(self.git("ls-tree", "-l", "-z", *(("-r", "-t") if is_recursive else ()), commit))

    def file(self, commit: str, path: str) -> bytes | None:
        done = self._run("cat-file", "blob", f"{commit}:{path}")
        return done.stdout if done.returncode == 0 else None

    def distance(self, base: str, head: str) -> tuple[int, int]:
        """By how many commits `head` is ahead of `base`, and behind it."""
        behind, ahead = self.git("rev-list", "--left-right", "--count", f"{base}...{head}").split()
        return int(ahead), int(behind)

    def git(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode != 0:
            raise GitError(done.stderr.decode(errors="replace").strip())
        return done.stdout.decode(errors="replace")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return run_git("--git-dir", str(self.path), *arguments)


class Repositories:
    """All repositories, in one folder that outlives a run. Names are found in any case."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, Repository] = {}
        # The folders that they are made from, and what was there then.
        self._sources: dict[str, tuple[Path, object]] = {}

    def __iter__(self) -> Iterator[Repository]:
        return iter(sorted(self._found.values(), key=lambda repository: repository.full_name))

    def find(self, full_name: str) -> Repository | None:
        """A repository with what its folder has by now, or had last."""
        repository = self._found.get(full_name.lower().removesuffix(".git"))
        if repository is not None:
            source, before = self._sources[repository.full_name]
            if state_of(source) != before:
                with contextlib.suppress(GitError, OSError):
                    self.add(repository.full_name, source, repository.is_private)
        return repository

    def add(self, full_name: str, source: Path, is_private: bool = False) -> Repository:
        """Make a repository of a folder, or bring it up to date.

        A git work tree's branches and tags are mirrored; of another folder a commit is made when its files
        have changed. Raises GitError.
        """
        state = state_of(source)
        path = self._folder / f"{full_name}.git"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            run_git("init", "--quiet", "--bare", f"--initial-branch={BRANCH}", str(path))
        repository = Repository(full_name, path, is_private)
        # As GitHub: any commit can be fetched by its hash.
        repository.git("config", "uploadpack.allowAnySHA1InWant", "true")
        repository.git("config", "uploadpack.allowFilter", "true")
        if (source / ".git").exists():
            mirror(repository, source)
        else:
            snapshot(repository, source)
        self._found[full_name.lower()] = repository
        self._sources[full_name] = (source, state)
        return repository


def entries_of(listing: str) -> list[Entry]:
    entries = []
    for line in filter(None, listing.split("\0")):
        described, name = line.split("\t", 1)
        mode, kind, sha, size = described.split()
        entries.append(Entry(name, kind, mode, sha, int(size) if size.isdigit() else 0))
    return entries


def state_of(source: Path) -> object:
    """Something that is another when the folder has other commits, or other files if it has none."""
    if (source / ".git").exists():
        commands = (("show-ref",), ("symbolic-ref", "HEAD"))
        return [run_git("-C", str(source), *command).stdout for command in commands]
    files = []
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in names:
            found = os.lstat(os.path.join(folder, name))
            files.append((folder, name, found.st_mtime_ns, found.st_size, found.st_mode))
    return sorted(files)


def mirror(repository: Repository, source: Path) -> None:
    refspecs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    repository.git("fetch", "--quiet", "--prune", "--update-head-ok", str(source), *refspecs)
    head = run_git("-C", str(source), "symbolic-ref", "--quiet", "HEAD").stdout.decode().strip()
    if head:
        repository.git("symbolic-ref", "HEAD", head)


def snapshot(repository: Repository, source: Path) -> None:
    files = repository.path.parent / f".{repository.path.name}.files"
    shutil.rmtree(files, ignore_errors=True)
    shutil.copytree(source, files, ignore=shutil.ignore_patterns(*SKIPPED), symlinks=True)
    try:
        work_tree = ("--work-tree", str(files))
        repository._run(*work_tree, "add", "--all", "--force", ".")
        tree = repository.git(*work_tree, "write-tree").strip()
        last = repository.commit(f"heads/{BRANCH}")
        if last is None or last.tree != tree:
            parent = ("-p", last.sha) if last else ()
            message = "Take the folder's files over"
            commit = repository.git("commit-tree", tree, "-m", message, *parent).strip()
            repository.git("update-ref", f"refs/heads/{BRANCH}", commit)
    finally:
        shutil.rmtree(files, ignore_errors=True)


def is_hash(text: str) -> bool:
    return 7 <= len(text) <= 40 and all(character in "0123456789abcdef" for character in text)


def run_git(*arguments: str, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", *arguments], input=stdin, capture_output=True, timeout=GIT_SECONDS, env=ENVIRONMENT | more
    )


def folders_setting(text: str) -> dict[str, Path]:
    """The folders in a setting like PATH, as repositories of alice's.

    Raises GitError naming one that is missing, or can't be called so.
    """
    folders: dict[str, Path] = {}
    for part in filter(None, text.split(os.pathsep)):
        folder = Path(part).expanduser().resolve()
        if not folder.is_dir():
            raise GitError(f"{part} is no folder")
        if not NAME.fullmatch(folder.name):
            raise GitError(f"{part} has a name that no repository has on GitHub (letters, digits, '.-_')")
        name = f"alice/{folder.name}"
        if name.lower() in (other.lower() for other in folders):
            raise GitError(f"there are two folders called {folder.name}")
        folders[name] = folder
    return folders
