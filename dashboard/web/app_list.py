"""`/apps`: a user's apps, and the form that deploys one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from clients.billing import BillingAccount
from clients.github_api import GitHubError
from hosting.deployments import AlreadyDeployedError
from hosting.repository_url import RepositoryUrl, SourceError
from hosting.site_making import TWICE_MS
from hosting.source import Choice, ChooseDirectoryError, resolve
from model.app import App, User, new_id
from model.limits import LimitReachedError
from store.apps import Kind
from web.access import require_viewer
from web.bodies import form_fields, from_query
from web.errors import limited
from web.pages import before_of, page
from web.services import Services, services_of

FIELDS = ("repository",)
FAILED_ALREADY = (
    "You already have an app for this commit and directory, whose deploy failed. "
    "Push a commit that mends it, or try it again:"
)
# The account of each that serves is asked for.
APPS_PER_PAGE = 25
LONGEST_WORDS = 200
KINDS: dict[Kind, str] = {
    "live": "All but deleted",
    "serving": "Deployed",
    "unfinished": "On their way",
    "failed": "Failed, missing or suspended",
    "deleted": "Deleted",
    "all": "All",
}


@dataclass(frozen=True, slots=True)
class FormError:
    """What is wrong with the form. `app_id` names the app that is there already, `choices` directories."""

    message: str
    app_id: str | None = None
    choices: Sequence[Choice] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of a user's apps are listed: of a kind, with some words in their repository, directory or id."""

    words: str
    kind: Kind

    @classmethod
    def read(cls, request: Request) -> Filter:
        typed = from_query(request, "q", "show")
        kind = typed["show"] if typed["show"] in get_args(Kind) else "live"
        return cls(typed["q"].strip()[:LONGEST_WORDS], kind)  # type: ignore[arg-type]

    @property
    def is_narrow(self) -> bool:
        return bool(self.words) or self.kind != "live"

    def older(self, before: int) -> str:
        """The address of the page of those that were created before a time."""
        return f"/apps?{urlencode({'q': self.words, 'show': self.kind, 'before': before})}"


async def apps(request: Request) -> Response:
    services = services_of(request)
    is_form = request.method == "POST"
    fields = await form_fields(request, *FIELDS) if is_form else from_query(request, *FIELDS)
    viewer, typed = require_viewer(request, fields), fields["repository"]
    if not is_form:
        return await apps_page(request, viewer, typed, None)
    app_id = new_id(secrets.choice)
    try:
        RepositoryUrl.parse(typed, services.settings.github_url)
        await services.deployments.require_lookup(viewer, services.now())
        found = await resolve(typed, services.settings.github_url, services.repositories)
        await services.deployments.deploy(app_id, viewer, found.source, services.now())
    except AlreadyDeployedError as error:
        if error.app.is_unfinished or error.app.created_at > services.now() - TWICE_MS:
            return RedirectResponse(f"/apps/{error.app.id}", 303)
        has_failed = error.app.status == "failed"
        message = FAILED_ALREADY if has_failed else "You already have an app for this commit and directory:"
        return await apps_page(request, viewer, typed, FormError(message, error.app.id))
    except ChooseDirectoryError as error:
        return await apps_page(request, viewer, typed, FormError(str(error), choices=error.choices))
    except LimitReachedError as error:
        return limited(await apps_page(request, viewer, typed, FormError(str(error))), error)
    except (SourceError, GitHubError) as error:
        return await apps_page(request, viewer, typed, FormError(str(error)))
    return RedirectResponse(f"/apps/{app_id}", 303)


async def apps_page(request: Request, viewer: User, typed: str, error: FormError | None) -> Response:
    services = services_of(request)
    chosen = Filter.read(request)
    found = await services.apps.of_user(
        viewer, before_of(request), APPS_PER_PAGE + 1, chosen.words, chosen.kind
    )
    shown = found[:APPS_PER_PAGE]
    accounts = await asyncio.gather(*(account_of(services, app) for app in shown))
    return page(
        request,
        "apps.html",
        200 if error is None else 422,
        form={"repository": typed, "error": error},
        github_url=services.settings.github_url,
        apps=list(zip(shown, accounts, strict=True)),
        chosen=chosen,
        kinds=KINDS,
        more=chosen.older(shown[-1].created_at) if len(found) > len(shown) else None,
    )


async def account_of(services: Services, app: App) -> BillingAccount | None:
    """The account of an app that serves, where it can be read."""
    return await services.billing.known_account(app.id) if app.is_served else None
