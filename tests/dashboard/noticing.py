"""A deployer who is told: what the tests of notices have in common."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from model.app import User
from model.notice import Notice
from model.suspension import Operator, Target
from tests.dashboard.dashboard_site import ALICE, DASHBOARD, Site

APP, OTHER = "bcdfghjkmnpq", "bcdfghjkmnpr"
HOOK = "https://receiver.example"
BY = Operator("operator", 3)


class Receiver:
    """A server that a deployer has set; it answers with what it is told to, and keeps what came."""

    def __init__(self, status: int = 204) -> None:
        self.status = status
        self.came: list[tuple[dict[str, str], str]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.came.append((dict(request.headers), (await request.body()).decode()))
        await self.may_answer.wait()
        location = {"location": "https://elsewhere.example/"} if 300 <= self.status < 400 else {}
        await Response(b"x" * 1_000, self.status, location)(scope, receive, send)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.came]


def run(work: Callable[[Site], Awaitable[None]]) -> None:
    async def begin() -> None:
        await work(Site())

    asyncio.run(begin())


def ignored(subject: str, error: Exception) -> None:
    raise AssertionError(subject) from error


async def upkeep(site: Site, milliseconds: int = 120_000) -> None:
    """What the cron trigger does, so much later."""
    failures: list[str] = []
    site.now += milliseconds
    await site.services.upkeep.run(site.now, lambda subject, error: failures.append(f"{subject}: {error!r}"))
    assert failures == []


async def told(site: Site, user: User = ALICE) -> list[Notice]:
    """The earliest first."""
    return (await site.services.notices.of_user(user.id, 1_000))[::-1]


async def kinds(site: Site, user: User = ALICE) -> list[str]:
    return [notice.kind for notice in await told(site, user)]


async def set_hook(site: Site, url: str = HOOK, user: User = ALICE) -> str:
    """The secret."""
    number = (await site.services.notices.settings(user.id)).hook_number
    response = await site.visitor(user).post("/account/webhook", {"url": url, "number": str(number)})
    assert response.status_code == 200, response.text
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", html.unescape(response.text))
    assert found is not None
    return found[0]


async def with_receiver(site: Site, status: int = 204) -> Receiver:
    """A webhook of alice's, whose first notice has come."""
    receiver = Receiver()
    site.servers[HOOK] = receiver
    await set_hook(site)
    await upkeep(site)
    assert len(receiver.came) == 1
    receiver.status = status
    return receiver


async def act(site: Site, do: str, target: Target) -> None:
    site.now += 1
    await getattr(site.services.suspending, do)(target, "It imitates a bank.", BY, site.now)


def differing(site: Site, app_id: str = APP, *, agrees: bool) -> Awaitable[None]:
    document = {"agrees": agrees, "differences": [] if agrees else ["index.js is another one."]}
    return site.services.checks.store.finish_check(app_id, 200, document, agrees, site.now)


async def watch(site: Site, below: str) -> None:
    response = await site.visitor(ALICE).post("/account/threshold", {"below": below})
    assert response.status_code == 303, response.text


async def feed_address(site: Site) -> str:
    response = await site.visitor(ALICE).post("/account/feed")
    found = re.search(r"<code>(https://[^<]+)</code>", response.text)
    assert found is not None
    return html.unescape(found[1]).removeprefix(DASHBOARD)
