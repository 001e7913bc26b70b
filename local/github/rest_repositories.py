"""The REST API's endpoints on repositories that the product asks.

After GitHub's REST API reference: "Repositories", "Git references", "Commits", "Repository contents",
"Git trees".
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from local.github.accounts import account_of
from local.github.payloads import Payloads
from local.github.repositories import Commit, Repositories, Repository
from local.github.rest import Rest, RestError

SHA_MEDIA_TYPE = "application/vnd.github.sha"
EMPTY = "Git Repository is empty."


class RepositoryEndpoints:
    def __init__(self, rest: Rest, repositories: Repositories, payloads: Payloads) -> None:
        self._rest, self._repositories, self._payloads = rest, repositories, payloads
        # Old names of repositories, in lower case, with their new ones.
        self.renamed: dict[str, str] = {}
        self.most_tree_entries = 100_000

    def routes(self) -> list[Route]:
        route, repository = self._rest.route, "/repos/{owner}/{name}"
        return [
            route("/user", self.user),
            route("/users/{login}", self.account),
            route("/users/{login}/orgs", self.organisations),
            route(repository, self.repository),
            route("/repositories/{id:int}", self.repository_by_id),
            route(repository + "/git/matching-refs/{ref:path}", self.matching_refs),
            route(repository + "/git/trees/{ref:path}", self.tree),
            route(repository + "/commits/{sha}/branches-where-head", self.branches_where_head),
            route(repository + "/commits/{ref:path}", self.commit),
            route(repository + "/compare/{base}...{head:path}", self.compare),
            route(repository + "/contents/{path:path}", self.contents),
            route(repository + "/contents", self.contents),
        ]

    async def user(self, request: Request) -> Response:
        if request.state.account is None:
            raise RestError(401, "Requires authentication")
        return JSONResponse(self._payloads.public_user(request.state.account))

    async def account(self, request: Request) -> Response:
        account = account_of(request.path_params["login"])
        if account is None:
            raise RestError(404, "Not Found")
        return JSONResponse(self._payloads.public_user(account))

    async def organisations(self, request: Request) -> Response:
        """Nobody here is a public member of any."""
        await self.account(request)
        return JSONResponse([])

    def find(self, request: Request) -> Repository:
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        repository = self._repositories.find(name)
        if repository is None or (repository.is_private and request.state.grant != "operator"):
            raise RestError(404, "Not Found")
        return repository

    async def repository(self, request: Request) -> Response:
        name = f"{request.path_params['owner']}/{request.path_params['name']}".lower()
        target = self._repositories.find(self.renamed.get(name, ""))
        if target is not None:
            return RedirectResponse(f"{self._payloads.api}/repositories/{target.id}", 301)
        return JSONResponse(self._payloads.repository(self.find(request)))

    async def repository_by_id(self, request: Request) -> Response:
        found = (item for item in self._repositories if item.id == request.path_params["id"])
        repository = next(found, None)
        if repository is None or repository.is_private:
            raise RestError(404, "Not Found")
        return JSONResponse(self._payloads.repository(repository))

    async def matching_refs(self, request: Request) -> Response:
        repository = self.find(request)
        if repository.is_empty:
            raise RestError(409, EMPTY)
        found = repository.refs(request.path_params["ref"])
        return JSONResponse([self._payloads.ref(repository, *ref) for ref in found])

    async def commit(self, request: Request) -> Response:
        repository, ref = self.find(request), request.path_params["ref"]
        if repository.is_empty:
            raise RestError(409, EMPTY)
        commit = repository.commit(ref)
        if commit is None:
            raise RestError(422, f"No commit found for SHA: {ref}")
        if SHA_MEDIA_TYPE in request.headers.get("accept", ""):
            etag = {"etag": f'"{commit.sha}"'}
            if request.headers.get("if-none-match") == etag["etag"]:
                return Response(status_code=304, headers=etag)
            return PlainTextResponse(commit.sha, headers=etag)
        return JSONResponse(self._payloads.commit(repository, commit))

    async def tree(self, request: Request) -> Response:
        repository = self.find(request)
        if repository.is_empty:
            raise RestError(409, EMPTY)
        commit = repository.commit(request.path_params["ref"])
        if commit is None:
            raise RestError(404, "Not Found")
        # Whatever its value.
        entries = repository.tree(commit.sha, is_recursive="recursive" in request.query_params)
        return JSONResponse(self._payloads.tree(repository, commit, entries, self.most_tree_entries))

    async def branches_where_head(self, request: Request) -> Response:
        repository = self.find(request)
        commit = self._commit(repository, request.path_params["sha"])
        branches = [
            {
                "name": ref.removeprefix("refs/heads/"),
                "commit": {
                    "sha": sha,
                    "url": f"{self._payloads.api}/repos/{repository.full_name}/commits/{sha}",
                },
                "protected": False,
            }
            for ref, _, sha in repository.refs("heads/")
            if sha == commit.sha
        ]
        return JSONResponse(branches)

    async def compare(self, request: Request) -> Response:
        repository = self.find(request)
        base = self._commit(repository, request.path_params["base"])
        head = self._commit(repository, request.path_params["head"])
        return JSONResponse(self._payloads.comparison(repository, base, head))

    async def contents(self, request: Request) -> Response:
        repository, path = self.find(request), request.path_params.get("path", "").strip("/")
        if repository.is_empty:
            raise RestError(404, "This repository is empty.")
        ref = request.query_params.get("ref", repository.default_branch)
        commit = repository.commit(ref)
        if commit is None:
            raise RestError(404, f"No commit found for the ref {ref}")
        entries = repository.directory(commit.sha, path)
        if entries is not None:
            listed = (self._payloads.entry(repository, commit.sha, path, entry) for entry in entries)
            return JSONResponse(list(listed))
        return JSONResponse(self._file(repository, commit.sha, path))

    def _file(self, repository: Repository, commit: str, path: str) -> dict[str, object]:
        directory, _, name = path.rpartition("/")
        entries = repository.directory(commit, directory) or []
        entry = next((entry for entry in entries if entry.name == name), None)
        content = repository.file(commit, path)
        if entry is None or content is None:
            raise RestError(404, "Not Found")
        return self._payloads.file(repository, commit, path, entry, content)

    def _commit(self, repository: Repository, ref: str) -> Commit:
        commit = repository.commit(ref)
        if commit is None:
            raise RestError(404 if len(ref) != 40 else 422, f"No commit found for SHA: {ref}")
        return commit
