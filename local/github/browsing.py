"""The local GitHub's pages of a repository: its files, its commits and what differs, plain."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.github.pages import page
from local.github.repositories import Commit, GitError, Repositories, Repository

LONGEST = 200_000  # characters of a file or a difference that are shown
REPOSITORY = "/{owner}/{name}"


class Browsing:
    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    def routes(self) -> list[Route]:
        return [
            Route(REPOSITORY + "/tree/{path:path}", self.tree),
            Route(REPOSITORY + "/blob/{path:path}", self.file),
            Route(REPOSITORY + "/commit/{commit}", self.commit),
            Route(REPOSITORY + "/compare/{base}...{head}", self.compare),
            Route(REPOSITORY + "/settings/hooks/new", self.new_webhook),
            Route(REPOSITORY, self.tree),
        ]

    async def tree(self, request: Request) -> Response:
        repository = self._find(request)
        ref, commit, directory = located(repository, request)
        entries = repository.directory(commit.sha, directory)
        if entries is None:
            raise HTTPException(404)
        values: dict[str, Any] = {"repository": repository, "ref": ref, "commit": commit}
        return page("repository.html", directory=directory, entries=entries, **values)

    async def file(self, request: Request) -> Response:
        repository = self._find(request)
        _, commit, path = located(repository, request)
        content = repository.file(commit.sha, path)
        if content is None:
            raise HTTPException(404)
        text = content.decode(errors="replace")
        return shown(repository, path, f"At commit {commit.sha}", text)

    async def commit(self, request: Request) -> Response:
        repository = self._find(request)
        commit = found(repository, request.path_params["commit"])
        difference = repository.git("show", "--format=", "--stat", "--patch", commit.sha)
        return shown(repository, f"Commit {commit.sha}", commit.message, difference)

    async def compare(self, request: Request) -> Response:
        repository = self._find(request)
        base, head = (found(repository, request.path_params[name]) for name in ("base", "head"))
        try:
            difference = repository.git("diff", "--stat", "--patch", f"{base.sha}...{head.sha}")
        except GitError:  # they have no commit in common
            raise HTTPException(404) from None
        ahead, behind = repository.distance(base.sha, head.sha)
        words = f"From {base.sha} to {head.sha}: {ahead} ahead, {behind} behind."
        return shown(repository, "What changes", words, difference)

    async def new_webhook(self, request: Request) -> Response:
        repository = self._find(request)
        message = (
            "This stand-in tells only the dashboard of runs. Of pushes it tells nobody: "
            "a site that follows its branch looks every few minutes."
        )
        return page("message.html", title=f"Webhooks of {repository.full_name}", message=message)

    def _find(self, request: Request) -> Repository:
        repository = self._repositories.find("{owner}/{name}".format(**request.path_params))
        if repository is None or repository.is_private or repository.is_empty:
            raise HTTPException(404)
        return repository


def located(repository: Repository, request: Request) -> tuple[str, Commit, str]:
    """The ref that a path begins with, the longest that fits; its commit; and the rest of the path."""
    path = request.path_params.get("path", repository.default_branch)
    refs = [ref.split("/", 2)[2] for ref, _, _ in repository.refs("")]
    fitting = [ref for ref in refs if f"{path}/".startswith(f"{ref}/")]
    ref = max(fitting, key=len, default=path.partition("/")[0])
    return ref, found(repository, ref), path.removeprefix(ref).strip("/")


def found(repository: Repository, ref: str) -> Commit:
    commit = repository.commit(ref)
    if commit is None:
        raise HTTPException(404)
    return commit


def shown(repository: Repository, title: str, words: str, text: str) -> Response:
    cut = f"{text[:LONGEST]}\n…" if len(text) > LONGEST else text
    return page("text.html", repository=repository, title=title, words=words, text=cut)
