"""`/operator/apps`, `/operator/sites`, `/operator/users`: all there is, by pages; and what a word finds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from store.overview import Overview
from web.operator_acts import require_operator
from web.pages import before_of, page
from web.services import services_of

SHOWN = 50
MOST_OF_A_WORD = 140


class Made(Protocol):
    @property
    def created_at(self) -> int: ...


All = Callable[[int, int], Awaitable[Sequence[Made]]]
Found = Callable[[str, int, int], Awaitable[Sequence[Made]]]


async def apps(request: Request) -> Response:
    overview = overview_of(request)
    return await listed(request, "apps", overview.apps, overview.apps_found)


async def sites(request: Request) -> Response:
    overview = overview_of(request)
    return await listed(request, "sites", overview.sites, overview.sites_found)


async def users(request: Request) -> Response:
    overview = overview_of(request)
    return await listed(request, "users", overview.users, overview.users_found)


async def listed(request: Request, kind: str, everything: All, found: Found) -> Response:
    word = request.query_params.get("q", "").strip().lower()[:MOST_OF_A_WORD]
    before = before_of(request)
    rows = await (found(word, before, SHOWN + 1) if word else everything(before, SHOWN + 1))
    more = rows[SHOWN - 1].created_at if len(rows) > SHOWN else None
    values: dict[str, Any] = {"kind": kind, "word": word, "more": more, "rows": rows[:SHOWN]}
    return page(request, "operator_list.html", **values)


def overview_of(request: Request) -> Overview:
    require_operator(request)
    services = services_of(request)
    return services.overview
