"""What GitHub says of public repositories: their names, refs, commits and folders.

After GitHub's REST API reference: "Repositories", "Git references", "Commits", "Repository contents".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from clients.github_api import GitHubApi, unreadable
from clients.http import Answer

SHA = re.compile(r"[0-9a-f]{40}")
RefKind = Literal["heads", "tags"]


@dataclass(frozen=True, slots=True)
class Repository:
    """`full_name` is owner/name as GitHub spells it."""

    full_name: str
    default_branch: str


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
            case {"full_name": str(name), "default_branch": str(branch)}:
                return Repository(name, branch)
        raise unreadable()

    async def refs(self, full_name: str, kind: RefKind, beginning: str) -> list[str]:
        """The branches or tags whose names begin so."""
        path = f"/repos/{quote(full_name)}/git/matching-refs/{kind}/{quote(beginning)}"
        return [item["ref"].removeprefix(f"refs/{kind}/") for item in items(await self.api.get(path))]

    async def commit(self, full_name: str, ref: str) -> str | None:
        """The hash of the commit that a branch, a tag or a shortened hash means; None when nothing does."""
        path = f"/repos/{quote(full_name)}/commits/{quote(ref, safe='')}"
        answer = await self.api.get(path, accept="application/vnd.github.sha")
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
        """The names of a directory's files; None when there is no such directory."""
        path = f"/repos/{quote(full_name)}/contents/{quote(directory)}?ref={commit}"
        answer = await self.api.get(path)
        if not answer.is_success or isinstance(answer.json(), dict):
            return None
        return [item["name"] for item in items(answer) if item.get("type") == "file"]


def items(answer: Answer) -> list[dict[str, Any]]:
    """A list of objects; nothing where GitHub found nothing."""
    if not answer.is_success:
        return []
    content = answer.json()
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise unreadable()
    return content
