"""What GitHub says of public repositories: their names, refs, commits and folders.

After GitHub's REST API reference: "Repositories", "Git references", "Commits", "Repository contents",
"Git trees".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from clients.github_api import GitHubApi, items, unreadable
from clients.http import Answer

SHA = re.compile(r"[0-9a-f]{40}")
RefKind = Literal["heads", "tags"]
# Of a tree as GitHub writes it. Inside of a name there is no quote without a backslash before it.
TREE_PART = re.compile(rb'"path":\s*("(?:[^"\\]|\\.)*")|"truncated":\s*(true)')
# More of an answer than one of its parts can have.
MAX_PART = 100_000


@dataclass(frozen=True, slots=True)
class Repository:
    """`full_name` is owner/name as GitHub spells it; `id` stays when the repository gets another name."""

    id: int
    full_name: str
    default_branch: str


@dataclass(slots=True)
class FoundFiles:
    """Files of certain names, by their paths. `is_partial` when GitHub didn't list all that there are.

    Read as the answer comes, without keeping it: it has up to 7 MB.
    """

    names: Collection[str]
    paths: list[str] = field(default_factory=list)
    is_partial: bool = False
    _rest: bytes = b""

    def receive(self, answer: Answer) -> Callable[[bytes], None]:
        return self._take if answer.is_success else lambda piece: None

    def _take(self, piece: bytes) -> None:
        self._rest += piece
        end = 0
        for part in TREE_PART.finditer(self._rest):
            end = part.end()
            if part[2]:
                self.is_partial = True
            elif (path := str(json.loads(part[1].decode(errors="replace")))).rpartition("/")[2] in self.names:
                self.paths.append(path)
        self._rest = self._rest[end:][-MAX_PART:]


@dataclass(frozen=True, slots=True)
class GitHubRepositories:
    """Raises GitHubError where GitHub can't be asked."""

    api: GitHubApi

    async def repository(self, full_name: str) -> Repository | None:
        """None when there is no such repository, or it isn't public."""
        answer = await self.api.get(f"/repos/{quote(full_name)}")
        if not answer.is_success:
            return None
        match answer.json():
            case {"private": True}:
                return None
            case {"id": int(number), "full_name": str(name), "default_branch": str(branch)}:
                return Repository(number, name, branch)
        raise unreadable()

    async def refs(self, full_name: str, kind: RefKind, beginning: str) -> list[str]:
        """The branches or tags whose names begin so."""
        path = f"/repos/{quote(full_name)}/git/matching-refs/{kind}/{quote(beginning)}"
        return [item["ref"].removeprefix(f"refs/{kind}/") for item in items(await self.api.get(path))]

    async def commit(self, full_name: str, ref: str, known: str | None = None) -> str | None:
        """The hash of the commit that a branch, a tag or a shortened hash means; None when nothing does.

        Where it is the one that is `known`, asking costs nothing: the hash is its own ETag ("Get a commit").
        """
        path = f"/repos/{quote(full_name)}/commits/{quote(ref, safe='')}"
        etag = None if known is None else f'"{known}"'
        answer = await self.api.get(path, accept="application/vnd.github.sha", known=etag)
        if answer.status == 304:
            return known
        if not answer.is_success:
            return None
        commit = answer.body.decode("ascii", "replace").strip()
        if not SHA.fullmatch(commit):
            raise unreadable()
        return commit

    async def has_commit(self, repository: Repository, commit: str) -> bool:
        """Whether the default branch contains the commit, or another branch ends in it.

        GitHub shows any commit of a fork under the name of the repository that was forked, so that a
        commit's address alone doesn't say whose it is.
        """
        name = quote(repository.full_name)
        branch = quote(repository.default_branch, safe="")
        # The second page leaves out the changed files, which can be large.
        answer = await self.api.get(f"/repos/{name}/compare/{commit}...{branch}?per_page=1&page=2")
        content = answer.json()
        if (
            answer.is_success
            and isinstance(content, dict)
            and content.get("status") in ("ahead", "identical")
        ):
            return True
        return bool(items(await self.api.get(f"/repos/{name}/commits/{commit}/branches-where-head")))

    async def files(self, full_name: str, directory: str, commit: str) -> list[str] | None:
        """The names of a directory's files, and links to files; None when there is no such directory."""
        path = f"/repos/{quote(full_name)}/contents/{quote(directory)}?ref={commit}"
        answer = await self.api.get(path)
        if not answer.is_success or isinstance(answer.json(), dict):
            return None
        return [item["name"] for item in items(answer) if item.get("type") in ("file", "symlink")]

    async def find_files(self, full_name: str, commit: str, names: Collection[str]) -> FoundFiles:
        """The files of these names in all directories of a commit, as far as GitHub lists them at once."""
        found = FoundFiles(names)
        path = f"/repos/{quote(full_name)}/git/trees/{commit}?recursive=1"
        answer = await self.api.get(path, receive=found.receive)
        found.is_partial |= not answer.is_success
        return found
