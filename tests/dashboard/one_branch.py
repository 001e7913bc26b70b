"""A GitHub with one repository, whose branch has a new commit whenever the test says so."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from local.github.accounts import Tokens
from local.github.payloads import Payloads
from local.github.repositories import Commit, Entry
from local.github.rest import Rest
from local.github.rest_repositories import RepositoryEndpoints
from tests.dashboard.dashboard_site import GITHUB, SECRETS, VARIABLES


class Branch:
    """`alice/hello` as the local GitHub's endpoints read a repository, with a new commit for each push.

    It is found under each of its `names`, as GitHub leads on from those before.
    """

    full_name, id, is_private, is_empty, default_branch = "alice/hello", 1, False, False, "main"
    names: tuple[str, ...] = ("alice/hello",)
    pushes = 0
    runs = 0

    @property
    def head(self) -> str:
        return f"{self.pushes:020x}" + "f" * 20

    def find(self, full_name: str) -> Branch | None:
        return self if full_name in self.names else None

    def refs(self, beginning: str) -> list[tuple[str, str, str]]:
        return [("refs/heads/main", "commit", self.head)]

    def commit(self, ref: str) -> Commit | None:
        return Commit(self.head, "0" * 40, (), "2026-01-01T00:00:00Z", "")

    def directory(self, commit: str, path: str) -> list[Entry] | None:
        return [Entry("wrangler.toml", "blob", "100644", "0" * 40, 1)]


def github(branch: Branch) -> Starlette:
    """It starts every workflow, and tells of none."""
    tokens = Tokens(VARIABLES["GITHUB_CLIENT_ID"], SECRETS["GITHUB_CLIENT_SECRET"], SECRETS["GITHUB_TOKEN"])
    api = f"{GITHUB}/api/v3"
    rest = Rest(tokens)
    rest.rate_limit.limits["operator"] = 1_000_000
    endpoints = RepositoryEndpoints(rest, branch, Payloads(GITHUB, api))  # type: ignore[arg-type]

    async def start(request: Request) -> Response:
        branch.runs += 1
        return JSONResponse({"workflow_run_id": branch.runs})

    workflow = "/repos/{owner}/{name}/actions/workflows/{file}/dispatches"
    routes = [Route(workflow, start, methods=["POST"]), *endpoints.routes()]
    return Starlette(routes=[Mount("/api/v3", routes=routes)])
