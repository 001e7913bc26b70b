"""A request that is redirected takes no secret to another server: here two real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from clients.http import Answer, UnreachableError
from clients.redirects import MAX_REDIRECTS, Hop, final
from tests.dashboard.dashboard_site import leave
from tests.pipeline.support import served

STATUSES = (301, 302, 303, 307, 308)
HEADERS = {"Authorization": "Bearer hush", "accept": "application/json", "user-agent": "codius-workers"}
SECRETS = {"authorization", "content-type"}


class Server:
    """Notes what it is asked; `answer` says what it is told."""

    def __init__(self, answer: Callable[[Request], Response] | None = None) -> None:
        self.answer = answer or (lambda request: PlainTextResponse("here"))
        self.asked: list[Request] = []

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        request = Request(scope, receive)
        await request.body()
        self.asked.append(request)
        await self.answer(request)(scope, receive, send)


def follow(first: Hop, left: list[httpx.Response] | None = None) -> Answer:
    """The answer in the end; `left` gets what is not read."""

    async def ask(hop: Hop) -> tuple[Answer, httpx.Response]:
        async with httpx.AsyncClient() as client:
            response = await client.request(hop.method, hop.url, headers=dict(hop.headers), content=hop.body)
        return Answer(response.status_code, dict(response.headers), response.content), response

    async def work() -> Answer:
        return (await final(first, ask, note))[0]

    async def note(response: httpx.Response) -> None:
        await leave(response)
        if left is not None:
            left.append(response)

    return asyncio.run(work())


@pytest.mark.parametrize("status", STATUSES)
def test_another_server_is_asked_without_what_is_secret(status: int) -> None:
    other = Server()
    with served(other) as elsewhere, served(Server(lambda _: RedirectResponse(elsewhere, status))) as here:
        assert follow(Hop("GET", f"{here}/artifact", HEADERS)).body == b"here"
    (request,) = other.asked
    assert not SECRETS & set(request.headers)
    assert request.headers["accept"] == HEADERS["accept"]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_another_server_is_not_asked_for_a_change_and_gets_no_body(status: int, method: str) -> None:
    other, left = Server(), list[httpx.Response]()
    with (
        served(other) as elsewhere,
        served(Server(lambda _: RedirectResponse(elsewhere, status))) as here,
        pytest.raises(UnreachableError, match="it leads to another server"),
    ):
        follow(Hop(method, f"{here}/login?code=hush", HEADERS, "client_secret=hush"), left)
    assert other.asked == []
    assert len(left) == 1


@pytest.mark.parametrize(
    ("first", "status", "method", "body"),
    [
        ("POST", 301, "GET", b""),
        ("POST", 302, "GET", b""),
        ("POST", 307, "POST", b"x"),
        ("POST", 308, "POST", b"x"),
        ("DELETE", 301, "DELETE", b"x"),
        ("DELETE", 302, "DELETE", b"x"),
        ("DELETE", 303, "GET", b""),
    ],
)
def test_the_same_server_knows_who_asks_also_after_a_redirect(
    first: str, status: int, method: str, body: bytes
) -> None:
    def answer(request: Request) -> Response:
        is_first = request.url.path == "/repos/old"
        return RedirectResponse("/repositories/1", status) if is_first else PlainTextResponse("here")

    server = Server(answer)
    with served(server) as here:
        assert follow(Hop(first, f"{here}/repos/old", HEADERS, "x")).body == b"here"
    last = server.asked[-1]
    assert (last.url.path, last.method) == ("/repositories/1", method)
    assert last.headers["authorization"] == "Bearer hush"
    assert asyncio.run(last.body()) == body


def test_redirects_end() -> None:
    server = Server(lambda request: RedirectResponse(request.url, 302))
    with served(server) as here, pytest.raises(UnreachableError, match="too many redirects"):
        follow(Hop("GET", here, HEADERS))
    assert len(server.asked) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "location",
    [
        "ftp://api.example/x",
        "javascript:alert(1)",
        "https://[::1",
        "https://api.example:99999/",
        # To a browser's rules, which the runtime follows, each of these is another server than to Python's.
        "https://evil.example\\@api.example/",
        "https://api.example\\.evil.example/",
        "https://user@api.example/",
        "https://api.ex\u0430mple/",
    ],
)
def test_what_is_no_plain_address_of_the_web_is_not_followed(location: str) -> None:
    with pytest.raises(UnreachableError, match="it leads to what is not an address of the web"):
        Hop("GET", "https://api.example/x", HEADERS).after(302, location)


def test_another_port_or_scheme_is_another_server() -> None:
    first = Hop("GET", "https://api.example/x", HEADERS)
    for location in (
        "https://api.example:8443/",
        "https://api.example:0/",
        "http://api.example/",
        "//other.example/",
        "https://API.example.evil/",
    ):
        following = first.after(302, location)
        assert "Authorization" not in following.headers
    same = first.after(302, "https://API.example:443/y")
    assert same.headers == HEADERS
