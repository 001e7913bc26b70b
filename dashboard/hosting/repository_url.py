"""Addresses of repositories, their directories, files, commits and releases, as people paste them.

After GitHub's own addresses, git's ("git clone", "GIT URLS") and npm's `owner/repository`. What is read is
the repository that the address names, or nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

MAX_URL_LENGTH = 2_000
MAX_SHOWN = 100
OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
NAME = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,100}")
HASH = re.compile(r"[0-9a-f]{7,40}")
# Not in any ref (git-check-ref-format), and in no directory that this serves.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")
# As git writes it: git@host:owner/repository
SCP = re.compile(r"([\w.-]+@[^@:/]+):/*(.+)")
SSH = ("ssh", "git+ssh")
PORTS = {"http": 80, "https": 443, "git+http": 80, "git+https": 443, "git": 9418}
PULL_REQUEST = "For a pull request, paste the address of its branch, in the repository that the branch is in."

Kind = Literal["heads", "tags", "commit"]


class SourceError(ValueError):
    """The address can't be deployed; the message says why, for who typed it."""


@dataclass(frozen=True, slots=True)
class RepositoryUrl:
    """`path` is a ref or a commit, which may contain slashes, and then a directory, or a file if `is_file`;
    empty for the default branch. `kind` is what the address says of the ref, None when it says nothing.
    """

    repository: str
    path: tuple[str, ...] = ()
    kind: Kind | None = None
    is_file: bool = False

    @classmethod
    def parse(cls, text: str, github_url: str) -> RepositoryUrl:
        """Read an address; raise SourceError. Of other hosts than GitHub's at `github_url` there is none."""
        form = f"{github_url}/<owner>/<repository>"
        text = text.strip()
        if not text:
            raise SourceError(f"Enter the address of a repository: {form}")
        if len(text) > MAX_URL_LENGTH or UNPRINTABLE.search(text):
            raise SourceError(f"This is not the address of a repository. It should be {form}")
        segments = segments_of(text, github_url)
        if len(segments) < 2:
            raise SourceError(f"This is not the address of a GitHub repository. It should be {form}")
        owner, name, *page = segments
        name = name.removesuffix(".git")
        if not OWNER.fullmatch(owner) or not NAME.fullmatch(name):
            raise SourceError(f"“{shown(f'{owner}/{name}')}” can't be the name of a GitHub repository.")
        if any(part in (".", "..") or UNPRINTABLE.search(part) for part in page):
            raise SourceError("The directory must be the path of one in the repository.")
        return cls.of_page(f"{owner}/{name}", page, f"{github_url}/{owner}/{name}")

    @classmethod
    def of_page(cls, repository: str, page: list[str], url: str) -> RepositoryUrl:
        """A page of the repository at `url`, by the segments that follow the repository's name."""
        match page:
            case [] | ["tree"]:
                return cls(repository)
            case ["tree" | "blob" | "blame" | "raw" as view, "refs", "heads" | "tags" as kind, _, *_]:
                return cls(repository, tuple(page[3:]), kind, view != "tree")
            case ["tree" | "blob" | "blame" | "raw" as view, _, *_]:
                return cls(repository, tuple(page[1:]), None, view != "tree")
            case ["commit", commit] if HASH.fullmatch(commit):
                return cls(repository, (commit,), "commit")
            case ["releases", "tag", _, *_]:
                return cls(repository, tuple(page[2:]), "tags")
            case ["pull", *_]:
                raise SourceError(f"{PULL_REQUEST} It begins with {url}/tree/")
        raise SourceError(
            f"“{shown('/'.join(page))}” is a page of a repository. Paste the repository's address, {url}, "
            f"or that of a directory in it, {url}/tree/<ref>/<directory>"
        )


def segments_of(text: str, github_url: str) -> list[str]:
    """The decoded segments of an address's path. Raises SourceError when it isn't one at GitHub's host."""
    expected = urlsplit(github_url)
    try:
        url = urlsplit(with_scheme(text, expected))
        host, is_expected = url.hostname, is_at(url, expected)
    except ValueError:
        return []
    if not host or url.scheme not in (*SSH, *PORTS):
        return []
    if url.password is not None or (url.username is not None and url.scheme not in SSH):
        raise SourceError("Paste the address without a user name and a password.")
    if not is_expected:
        place = shown(url.netloc.rpartition("@")[2])
        raise SourceError(
            f"This address is at {place}; apps are deployed from the GitHub at {github_url} here. "
            f"It should be {github_url}/<owner>/<repository>"
        )
    if url.fragment and url.scheme not in ("http", "https"):
        raise SourceError(
            f"What follows “#” is not read. A branch, a tag or a commit is named so: "
            f"{github_url}/<owner>/<repository>/tree/<ref>"
        )
    return [segment for segment in unquote(url.path).split("/") if segment]


def with_scheme(text: str, expected: SplitResult) -> str:
    """An address in full, of one that was shortened."""
    if "://" in text:
        return text
    if scp := SCP.fullmatch(text):
        return f"ssh://{scp[1]}/{scp[2]}"
    beginning = text.partition("/")[0].lower()
    # No owner has a dot or a colon in the name.
    if "." in beginning or ":" in beginning or beginning == expected.hostname:
        return f"{expected.scheme}://{text}"
    # The fragment of such a one is npm's, and names a branch; or an issue.
    return f"git+{expected.scheme}://{expected.netloc}/{text}"


def is_at(url: SplitResult, expected: SplitResult) -> bool:
    """Whether an address is at GitHub's host. GitHub takes ssh at any port, at `ssh.` too."""
    if url.scheme in SSH:
        return (url.hostname or "").removeprefix("ssh.") == expected.hostname
    ports = [
        None if address.port == PORTS.get(address.scheme) else address.port for address in (url, expected)
    ]
    return (url.hostname or "").removeprefix("www.") == expected.hostname and ports[0] == ports[1]


def shown(text: str) -> str:
    """As much of what was typed as a message may repeat."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
