"""A request's way: front, dispatch, billing object, the app's Worker."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from local.control import Control
from local.staging import DISPATCH
from tests.system.running import RunningStack, accounts_stored, soon

CONFIG = 'main = "index.js"\ncompatibility_date = "2026-11-01"\n'
SCRIPTS = "/workers/dispatch/namespaces/testing/scripts"
PATH = "/.well-known/codius"
LIMIT = tomllib.loads(DISPATCH.config.read_text())["ratelimits"][0]["simple"]["limit"]

ECHO = """
export default {
  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/throw") throw new Error("a secret message");
    if (url.pathname === "/redirect") return Response.redirect("https://example.com/there", 307);
    if (url.pathname === "/teapot") return new Response(null, { status: 418, headers: { "x-tea": "yes" } });
    if (url.pathname === "/cookies") {
      const headers = new Headers();
      headers.append("set-cookie", "a=1");
      headers.append("set-cookie", "b=2");
      return new Response("ok", { headers });
    }
    if (url.pathname === "/socket") {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener("message", ({ data }) => server.send(`echo ${data}`));
      return new Response(null, { status: 101, webSocket: client });
    }
    if (url.pathname === "/echo") return new Response(request.body);
    return Response.json({ method: request.method, url: request.url, headers: [...request.headers] });
  },
};
"""


@pytest.fixture(scope="module")
def echo(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("echo")
    (folder / "wrangler.toml").write_text('main = "index.js"\ncompatibility_date = "2026-11-01"\n')
    (folder / "index.js").write_text(ECHO)
    stack.deploy(folder, "echo")
    stack.billing("echo", "add_worker_funds", "test", 100)
    return "echo.localhost"


def test_a_hundred_requests_are_included_and_the_next_is_refused(stack: RunningStack):
    stack.deploy(stack.root / "examples" / "hello", "included")
    for _ in range(100):
        response = stack.get("included")
        assert (response.status_code, response.text) == (200, "Hello, world!\n")

    page = f"http://localhost:{stack.port}/apps/included/402"
    for method in ("GET", "HEAD"):
        refused = stack.request("included.localhost", method, headers={"accept": "text/html,*/*;q=0.8"})
        assert (refused.status_code, refused.headers["location"]) == (302, page)
    for method, accept in (("GET", "application/json"), ("POST", "text/html")):
        refused = stack.request("included.localhost", method, headers={"accept": accept})
        assert refused.status_code == 402
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["status"] == 402
        assert page in refused.json()["type"]

    billing = stack.billing("included", "get_worker_billing")
    assert (billing["requests"], billing["remaining_requests"]) == ("100", "0")
    html = stack.request("localhost", path="/apps/included/402").text
    assert "Insufficient balance" in html


def test_a_top_up_serves_again_within_a_second(stack: RunningStack):
    stack.deploy(stack.root / "examples" / "hello", "again")
    for _ in range(100):
        assert stack.get("again").status_code == 200
    assert stack.get("again").status_code == 302
    stack.billing("again", "add_worker_funds", "cs_1", 1)
    threading.Event().wait(1)
    assert stack.get("again").status_code == 200


def test_an_unknown_app_is_not_found_and_stores_nothing(stack: RunningStack):
    before = accounts_stored(stack.state / "storage" / "v3" / "do")
    response = stack.get("nobody", headers={"accept": "application/json"})
    assert response.status_code == 404
    assert response.json()["title"] == "No such app"
    assert stack.billing("nobody", "get_worker_billing") is None
    assert accounts_stored(stack.state / "storage" / "v3" / "do") == before


@pytest.mark.parametrize("host", ["a.b.localhost", "under_score.localhost", "-x.localhost", "example.com"])
def test_a_host_that_names_no_app_is_not_found(stack: RunningStack, host: str):
    assert stack.request(host).status_code == 404


def test_request_and_response_pass_through(stack: RunningStack, echo: str):
    seen = stack.request(echo, "PROPFIND", "/a%2Fb?q=%20&q=2", headers={"x-custom": "value"}).json()
    assert seen["method"] == "PROPFIND"
    assert seen["url"] == f"http://{echo}:{stack.port}/a%2Fb?q=%20&q=2"
    assert ["x-custom", "value"] in seen["headers"]
    assert stack.request(echo, path="/redirect").headers["location"] == "https://example.com/there"
    teapot = stack.request(echo, path="/teapot")
    assert (teapot.status_code, teapot.headers["x-tea"]) == (418, "yes")
    assert stack.request(echo, path="/cookies").headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert stack.request(echo, "HEAD").content == b""


@pytest.mark.parametrize("given", [None, "from-the-caller.1"])
def test_a_request_has_one_id_on_its_way_in_and_out(stack: RunningStack, echo: str, given: str | None):
    response = stack.request(echo, headers={"x-request-id": given} if given else {})
    seen = dict(response.json()["headers"])["x-request-id"]
    assert seen == response.headers["x-request-id"]
    assert given in (None, seen)


def test_a_compressed_body_arrives_as_it_was_sent(stack: RunningStack, echo: str):
    body = gzip.compress(b"squeezed " * 1000)
    assert stack.request(echo, "POST", "/echo", content=body).content == body


def test_bodies_stream_both_ways(stack: RunningStack, echo: str):
    """The second half of the body is sent only after the first half has come back."""

    async def exchange() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        try:
            head = f"POST /echo HTTP/1.1\r\nHost: {echo}:{stack.port}\r\nTransfer-Encoding: chunked\r\n\r\n"
            writer.write(head.encode() + b"5\r\nfirst\r\n")
            first = await reader.readuntil(b"first\r\n")
            writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
            return first + await reader.readuntil(b"0\r\n\r\n")
        finally:
            writer.close()
            await writer.wait_closed()

    received = asyncio.run(asyncio.wait_for(exchange(), 30))
    assert received.endswith(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")


def test_websockets_pass_through(stack: RunningStack, echo: str):
    async def talk() -> str:
        url = f"ws://{echo}:{stack.port}/socket"
        async with connect(url, host="127.0.0.1", proxy=None) as socket:
            await socket.send("hello")
            return str(await asyncio.wait_for(socket.recv(), 30))

    assert asyncio.run(talk()) == "echo hello"


def test_an_app_that_throws_gives_502_without_its_message(stack: RunningStack, echo: str):
    response = stack.request(echo, path="/throw")
    assert response.status_code == 502
    assert "a secret message" not in response.text
    assert response.headers["x-request-id"] in response.text
    stack.wait_for(f'"request_id": "{response.headers["x-request-id"]}", "message": "a secret message"')


def test_dispatch_says_that_it_runs(stack: RunningStack):
    response = stack.get("healthz", "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert stack.get("healthz", "/").status_code == 404
    assert stack.request("localhost", path="/healthz").json() == {"status": "ok"}


def test_a_refused_request_is_one_line_in_the_log(stack: RunningStack):
    response = stack.get("nobody", headers={"x-request-id": "refused-1"})
    assert response.status_code == 404
    stack.wait_for(
        '{"level": "info", "worker": "dispatch", "event": "no_such_app", "app": "nobody", '
        '"request_id": "refused-1", "message": "no_account"}'
    )


def test_the_platform_keeps_its_well_known_path(stack: RunningStack, echo: str):
    before = stack.billing("echo", "get_worker_billing")["requests"]
    assert stack.request(echo, path="/.well-known/codius").status_code == 404
    for path in (
        b"/.well-known/%63odius",
        b"/.well-known//codius",
        b"/%2ewell-known/codius",
        b"/x/../.well-known/codius",
    ):
        assert status_of(stack, echo, path) == 404, path
    assert stack.billing("echo", "get_worker_billing")["requests"] == before
    assert stack.request(echo, path="/.well-known/other").status_code == 200


def status_of(stack: RunningStack, host: str, target: bytes, headers: bytes = b"") -> int:
    """The status of an answer to a request whose target no client has made nicer."""
    with closing(socket.create_connection(("127.0.0.1", stack.port), 60)) as connection:
        head = b"GET %s HTTP/1.1\r\nHost: %s:%d\r\n%sConnection: close\r\n\r\n"
        connection.sendall(head % (target, host.encode(), stack.port, headers))
        return int(connection.makefile("rb").readline().split(b" ")[1])


# What an app throws, by the query: words that dispatch could take for a missing Worker.
THROWING = """
const words = "Worker not found.";
const failures = {
  error: () => { throw new Error(words); },
  string: () => { throw words; },
  object: () => { throw { message: words, toString: () => words, remote: false }; },
  type_error: () => { throw new TypeError(words); },
  prefixed: () => { throw new Error(`Error: ${words}`); },
  after_body: async (request) => { await request.text(); throw new Error(words); },
  rejection: () => Promise.reject(new Error(words)),
  aborted: async () => { AbortSignal.abort(new Error(words)).throwIfAborted(); },
  aborted_stream: () => new Response(new ReadableStream({ start(c) { c.error(new Error(words)); } })),
  long: () => { throw new Error(words + "x".repeat(10_000_000)); },
  exception: () => { throw new DOMException(words, "NotFoundError"); },
  not_remote: () => { throw Object.assign(new Error(words), { remote: false }); },
};
export default {
  fetch: (request) => failures[new URL(request.url).searchParams.get("how")](request),
};
"""
WAYS = (
    *("error", "string", "object", "type_error", "prefixed", "after_body", "rejection", "aborted"),
    *("aborted_stream", "long", "exception", "not_remote"),
)


def test_whatever_an_app_throws_it_is_charged(stack: RunningStack, project):
    stack.deploy(project({"wrangler.toml": CONFIG, "index.js": THROWING}), "throwing")
    stack.billing("throwing", "add_worker_funds", "test", 100)
    for _ in range(3):
        for way in WAYS:
            response = stack.request("throwing.localhost", "POST", f"/?how={way}", content=b"body")
            expected = 500 if way == "aborted_stream" else 502  # a stream broke off after its head
            assert response.status_code == expected, way
    assert soon(lambda: stack.billing("throwing", "get_worker_billing")["requests"] == str(3 * len(WAYS)))


FAILING = """
const traceback = "PythonError: Traceback (most recent call last):\\n" + "  File x, line 1\\n".repeat(99_999);
const failures = {
  "/throws": () => { throw new Error("no user 17"); },
  "/exceeds": () => { throw new Error("Worker exceeded CPU time limit."); },
  "/hangs": () => new Promise(() => {}),
  "/python": () => { throw new Error(traceback + "ValueError: not -5"); },
};
export default { fetch: (request) => failures[new URL(request.url).pathname]() };
"""


def test_what_an_app_fails_with_is_told_to_the_dashboard(stack: RunningStack, project):
    """Also for a site. Locally nothing limits processor time: the app says what Cloudflare would."""
    stack.deploy(project({"wrangler.toml": CONFIG, "index.js": FAILING}), "failing")
    stack.billing("failing-site", "open_account")
    stack.billing("failing-site", "set_schedule", 1, [[0, "failing"]])
    in_database(
        stack,
        "INSERT INTO users VALUES (990001, 'failing', NULL, 1, 1)",
        "INSERT INTO apps (id, user_id, repository, git_ref, commit_hash, directory, created_at, changed_at) "
        f"VALUES ('failing', 990001, 'failing/app', 'main', '{'a' * 40}', '', 1, 1)",
    )
    last = {}
    for host, path in (
        *[("failing", "/throws?token=secret")] * 3,
        *(("failing", path) for path in ("/exceeds", "/hangs", "/python")),
        ("failing-site", "/throws?token=secret"),
    ):
        response = stack.get(host, path)
        assert response.status_code == 502
        last[path.partition("?")[0]] = response.headers["x-request-id"]
        assert response.headers["x-request-id"] in response.text

    def told() -> dict[str, tuple[str, int, str]]:
        (rows,) = in_database(stack, "SELECT * FROM failures WHERE app_id = 'failing'")
        return {row["path"]: (row["message"][:40], row["times"], row["requests"].split()[0]) for row in rows}

    expected = {
        "/throws": ("no user 17", 4, last["/throws"]),
        "/exceeds": ("Worker exceeded CPU time limit.", 1, last["/exceeds"]),
        "/hangs": ("The Workers runtime canceled this reques", 1, last["/hangs"]),
        "/python": ("ValueError: not -5", 1, last["/python"]),
    }
    assert soon(lambda: told() == expected), told()
    # Nobody else can tell the dashboard anything.
    for path in ("/note_failures", "/failures", "/apps/failing/failures"):
        assert stack.request("localhost", "POST", path, content=b"[]").status_code in (403, 404, 405)


def in_database(stack: RunningStack, *statements: str) -> list[list[dict[str, Any]]]:
    return Control.of(stack.state).call("database", "", "batch", list(statements))


def test_an_app_whose_worker_is_missing_is_not_found_and_costs_nothing(stack: RunningStack, project):
    code = "export default { fetch: () => new Response('there') };"
    stack.deploy(project({"wrangler.toml": CONFIG, "index.js": code}), "removed")
    for _ in range(20):
        assert stack.get("removed").status_code == 200
    assert stack.api("DELETE", f"{SCRIPTS}/removed").is_success
    for _ in range(30):
        response = stack.get("removed", headers={"accept": "application/json"})
        assert (response.status_code, response.json()["title"]) == (404, "This app is missing")
    assert soon(lambda: stack.billing("removed", "get_worker_billing")["requests"] == "20")


def test_visitors_can_not_choose_the_version_that_answers(stack: RunningStack, echo: str):
    names = ("cloudflare-workers-version-overrides", "cloudflare-workers-version-key")
    given = dict.fromkeys(names, 'echo="dc8dcd28-271b-4367-9840-6c244f84cb40"')
    seen = dict(stack.request(echo, headers=given | {"x-other": "kept"}).json()["headers"])
    assert not set(names) & set(seen)
    assert seen["x-other"] == "kept"


def test_who_asks_for_many_apps_that_are_not_there_is_told_to_wait(stack: RunningStack, echo: str):
    """By a visitor's address, and by the first half of one of IPv6; what is known is served all the same."""
    before = objects_made(stack)
    stack.get("echo")
    answers: list[httpx.Response] = []

    def guess(number: int) -> httpx.Response:
        headers = {"cf-connecting-ip": f"2001:db8:1:2::{number:x}", "accept": "application/json"}
        return stack.get(f"guess{number}", headers=headers)

    def is_refused() -> bool:
        """Guess until that is refused; a minute may end meanwhile, and all begins anew."""
        with ThreadPoolExecutor(10) as pool:
            answers.extend(pool.map(guess, range(len(answers), len(answers) + LIMIT)))
        return answers[-1].status_code == 429 and stack.get("guess", PATH, headers=same).status_code == 429

    same, other = {"cf-connecting-ip": "2001:db8:1:2:ffff::"}, {"cf-connecting-ip": "2001:db8:1:3::"}
    assert soon(is_refused)
    assert {answer.status_code for answer in answers} == {404, 429}
    refused = answers[-1]
    assert int(refused.headers["retry-after"]) == 10
    assert refused.json()["title"] == "Too many requests"
    asked = sum(answer.status_code == 404 for answer in answers)
    assert objects_made(stack) - before <= asked + LIMIT
    assert stack.get("guess", headers=other).status_code == 404


def objects_made(stack: RunningStack) -> int:
    """workerd makes a file for every object that is called."""
    return sum(1 for _ in (stack.state / "storage" / "v3" / "do").rglob("*.sqlite"))


@pytest.mark.parametrize("name", ["accept", "x-request-id", "x-other"])
def test_a_header_of_any_length_is_answered(stack: RunningStack, name: str):
    value = b"text/html;q=0.5," * 3_500
    assert status_of(stack, "under_score.localhost", b"/", b"%s: %s\r\n" % (name.encode(), value)) == 404
