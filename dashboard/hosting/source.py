"""From the address of a repository, as people paste it, to one commit and directory of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from clients.github_repositories import GitHubRepositories, RefKind, Repository
from model.app import Source

CONFIG_NAMES = ("wrangler.toml", "wrangler.json", "wrangler.jsonc")
MAX_URL_LENGTH = 2_000
OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
NAME = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,100}")
HASH = re.compile(r"[0-9a-f]{7,40}")
# Not in any ref (git-check-ref-format), and in no directory that this serves.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")


class SourceError(ValueError):
    """The address can't be deployed; the message says why, for who typed it."""


@dataclass(frozen=True, slots=True)
class RepositoryUrl:
    """`path` is what follows /tree/: a ref, which may contain slashes, and then a directory."""

    repository: str
    path: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, github_url: str) -> RepositoryUrl:
        """Read `<github_url>/<owner>/<repo>` with or without `/tree/<ref>/<directory>`; raise SourceError."""
        form = f"{github_url}/<owner>/<repository>"
        text = text.strip()
        if not text:
            raise SourceError(f"Enter the address of a repository: {form}")
        if len(text) > MAX_URL_LENGTH or UNPRINTABLE.search(text):
            raise SourceError(f"This is not the address of a repository. It should be {form}")
        segments = path_of(text, github_url)
        if segments is None or len(segments) < 2:
            raise SourceError(f"This is not the address of a GitHub repository. It should be {form}")
        owner, name, *rest = segments
        name = name.removesuffix(".git")
        if not OWNER.fullmatch(owner) or not NAME.fullmatch(name):
            raise SourceError(f"“{owner}/{name}” can't be the name of a GitHub repository.")
        if rest and rest[0] != "tree":
            raise SourceError(
                f"This is a page of a repository. A directory's is {form}/tree/<ref>/<directory>"
            )
        if any(part in (".", "..") or UNPRINTABLE.search(part) for part in rest):
            raise SourceError("The directory must be the path of one in the repository.")
        return cls(f"{owner}/{name}", tuple(rest[1:]))


def path_of(text: str, github_url: str) -> list[str] | None:
    """The decoded segments of an address at GitHub's host; None for any other."""
    expected = urlsplit(github_url)
    try:
        url = urlsplit(text if "://" in text else f"{expected.scheme}://{text}")
        host, port = (url.hostname or "").removeprefix("www."), url.port
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or url.username is not None:
        return None
    if (host, port) != (expected.hostname, expected.port):
        return None
    return [segment for segment in unquote(url.path).split("/") if segment]


async def resolve(text: str, github_url: str, github: GitHubRepositories) -> Source:
    """Find what an address means now. Raises SourceError, and GitHubError where GitHub can't be asked."""
    url = RepositoryUrl.parse(text, github_url)
    repository = await github.repository(url.repository)
    if repository is None:
        raise SourceError(
            f"There is no public repository “{url.repository}”. A private one can't be deployed: "
            "everyone must be able to read what runs."
        )
    source = await (named(repository, url.path, github) if url.path else newest(repository, github))
    await require_worker(source, github)
    return source


async def newest(repository: Repository, github: GitHubRepositories) -> Source:
    """The default branch's last commit."""
    commit = await github.commit(repository.full_name, f"heads/{repository.default_branch}")
    if commit is None:
        raise SourceError(f"The repository “{repository.full_name}” is empty.")
    return Source(repository.full_name, repository.default_branch, commit, "")


async def named(repository: Repository, path: tuple[str, ...], github: GitHubRepositories) -> Source:
    """The commit and directory of a path like `feature/login/api`, where `feature/login` may be a branch."""
    kinds: tuple[RefKind, ...] = ("heads", "tags")
    for kind in kinds:
        ref = longest_ref(path, await github.refs(repository.full_name, kind, path[0]))
        commit = await github.commit(repository.full_name, f"{kind}/{ref}") if ref else None
        if ref and commit:
            directory = "/".join(path[ref.count("/") + 1 :])
            return Source(repository.full_name, ref, commit, directory)
    commit = await github.commit(repository.full_name, path[0]) if HASH.fullmatch(path[0]) else None
    if commit is None or not commit.startswith(path[0]):
        raise SourceError(f"“{repository.full_name}” has no branch, tag or commit “{path[0]}”.")
    if not await github.has_commit(repository, commit):
        raise SourceError(
            f"Commit {path[0]} is not on the default branch of “{repository.full_name}”, nor the last of "
            "another branch. It may be a fork's. Deploy it by the name of a branch or tag."
        )
    return Source(repository.full_name, commit, commit, "/".join(path[1:]))


def longest_ref(path: tuple[str, ...], refs: list[str]) -> str | None:
    """Which ref a path begins with. A branch `a` and a tag `a/b` can both be there."""
    whole = "/".join(path) + "/"
    return max((ref for ref in refs if whole.startswith(f"{ref}/")), key=len, default=None)


async def require_worker(source: Source, github: GitHubRepositories) -> None:
    """A Worker is a directory with a config of wrangler's."""
    files = await github.files(source.repository, source.directory, source.commit_hash)
    if files is None:
        raise SourceError(f"There is no directory “{source.directory}” in {source.git_ref}.")
    if not any(name in CONFIG_NAMES for name in files):
        place = f"The directory “{source.directory}”" if source.directory else "The repository's root"
        raise SourceError(
            f"{place} has no wrangler.toml, wrangler.json or wrangler.jsonc: it holds no Worker."
        )
