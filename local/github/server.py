"""A stand-in for GitHub: repositories, logging in, the REST API, Actions and webhooks, on this machine.

It speaks GitHub's wire formats, as GitHub Enterprise Server does: pages and git at the root, the API under
`/api/v3`. Tests check it against GitHub's own description.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from local.github import pages, rest
from local.github.accounts import ACCOUNTS, OPERATOR, Tokens, account_of
from local.github.actions import Actions, Place
from local.github.attestations import Attestations
from local.github.browsing import REPOSITORY, Browsing
from local.github.git_http import GitHttp
from local.github.local_actions import copy_own_files
from local.github.oauth import OAuth
from local.github.payloads import Payloads
from local.github.repositories import Repositories
from local.github.rest import Rest
from local.github.rest_actions import ActionsEndpoints
from local.github.rest_attestations import AttestationsEndpoints
from local.github.rest_repositories import RepositoryEndpoints
from local.github.runs import RunPayloads, RunStore
from local.github.webhooks import Webhook
from local.sigstore.authority import Authority

OWN_FOLDERS = (".github", "cli", "locks", "pipeline")


@dataclass(frozen=True, slots=True)
class GitHubSettings:
    """`origin` is the address of all of it. `repository` (owner/name) is the operator's, from `checkout`.

    Webhooks go to `hook_url` under the host name `hook_host`. `workflow_secrets` and `workflow_variables`
    are what the operator has set for the workflows. `authority` signs for their jobs.
    """

    origin: str
    dashboard: str
    callback_url: str
    hook_url: str
    hook_host: str
    repository: str
    checkout: Path
    authority: Authority
    client_id: str
    client_secret: str = field(repr=False)
    token: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    workflow_secrets: Mapping[str, str] = field(repr=False)
    workflow_variables: Mapping[str, str]


class GitHub:
    """Use `application()` while it is started. `folders` become repositories of these names.

    Raises GitError when a folder can't become a repository.
    """

    def __init__(self, settings: GitHubSettings, state: Path, folders: Mapping[str, Path]) -> None:
        api = f"{settings.origin}/api/v3"
        self._settings = settings
        self.repositories = Repositories(state / "repositories")
        for name, folder in folders.items():
            self.repositories.add(name, folder)
        own = self.repositories.add(settings.repository, own_files(settings.checkout, state / "operator"))
        head = own.commit(f"heads/{own.default_branch}")
        assert head is not None, "a snapshot has a commit"
        tokens = Tokens(settings.client_id, settings.client_secret, settings.token)
        payloads = Payloads(settings.origin, api)
        self.attestations = Attestations(state / "attestations", settings.authority)
        place = Place(
            repository=settings.checkout,
            workspaces=state / "workspaces",
            server_url=settings.origin,
            api_url=api,
            full_name=settings.repository,
            attestations=self.attestations,
            secrets=settings.workflow_secrets,
            variables=settings.workflow_variables,
        )
        self.webhook = Webhook(settings.hook_url, settings.hook_host, settings.webhook_secret, own.id)
        run_payloads = RunPayloads(payloads, own, head)
        self.actions = Actions(place, RunStore(state / "runs"), run_payloads, self.webhook)
        self.rest = Rest(tokens)
        self.endpoints = RepositoryEndpoints(self.rest, self.repositories, payloads)
        self._actions_endpoints = ActionsEndpoints(self.rest, self.actions, payloads, settings.repository)
        self._attestations_endpoints = AttestationsEndpoints(
            self.rest, self.attestations, own, settings.origin
        )
        self._oauth = OAuth(tokens, settings.callback_url, f"{settings.origin}/")
        self._browsing = Browsing(self.repositories)
        self._git = GitHttp(self.repositories, tokens)

    async def start(self) -> None:
        self._delivering = asyncio.create_task(self.webhook.run())

    async def stop(self) -> None:
        await self.actions.stop()
        self._delivering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._delivering

    def application(self) -> Starlette:
        api = Starlette(
            routes=[
                *self._actions_endpoints.routes(),
                *self._attestations_endpoints.routes(),
                *self.endpoints.routes(),
            ],
            exception_handlers={HTTPException: rest.not_found},
        )
        return Starlette(
            routes=[
                Mount("/api/v3", api),
                *self._oauth.routes(),
                Route("/", self.home),
                *self._git.routes(),
                self._attestations_endpoints.storage(),
                Route(REPOSITORY + "/actions/runs/{id:int}", self.run),
                *self._browsing.routes(),
                Route("/{login}", self.user),
            ],
            exception_handlers={HTTPException: page_not_found},
        )

    # Pages.

    async def home(self, request: Request) -> Response:
        return pages.page(
            "home.html",
            dashboard=self._settings.dashboard,
            origin=self._settings.origin,
            repositories=self.repositories,
            accounts=ACCOUNTS,
            operator=OPERATOR,
        )

    async def user(self, request: Request) -> Response:
        account = account_of(request.path_params["login"])
        if account is None:
            return pages.not_found()
        public = [one for one in self.repositories if not one.is_private]
        owned = [one for one in public if one.full_name.partition("/")[0] == account.login]
        return pages.page("user.html", account=account, repositories=owned)

    async def run(self, request: Request) -> Response:
        run = self.actions.store.get(request.path_params["id"])
        return pages.not_found() if run is None else pages.page("run.html", run=run)


def own_files(checkout: Path, folder: Path) -> Path:
    """Copy what the workflow uses of the operator's repository."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_own_files(checkout, folder, [name for name in OWN_FOLDERS if (checkout / name).is_dir()])
    return folder


async def page_not_found(request: Request, error: Exception) -> Response:
    return pages.not_found()
