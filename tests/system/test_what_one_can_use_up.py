"""What one visitor or one user can use up of the running system, and what ends nothing however it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.dashboard.dashboard_site import signed
from tests.dashboard.with_github import git
from tests.system.conftest import NewPage
from tests.system.journeys import log_in
from tests.system.running import RunningStack

AT_ONCE, LIMIT = 30, 5
WRANGLER = 'name = "app"\nmain = "index.js"\ncompatibility_date = "2026-11-01"\n'


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack whose GitHub has a repository of many Workers."""
    folder = tmp_path_factory.mktemp("repositories") / "many"
    for number in range(AT_ONCE):
        (folder / f"w{number}").mkdir(parents=True)
        (folder / f"w{number}" / "wrangler.toml").write_text(WRANGLER)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "first")
    settings = {
        "REPOSITORIES": str(folder),
        "DEPLOYS_AT_ONCE": str(AT_ONCE),
        "DEPLOYS_PER_HOUR": str(LIMIT),  # which no run leaves by ending
        "LOOKUPS_PER_HOUR": str(2 * AT_ONCE),
    }
    running = RunningStack(tmp_path_factory.mktemp("state"), settings=settings)
    try:
        yield running.start()
    finally:
        running.stop()


def secret_of(stack: RunningStack, name: str) -> str:
    config: dict[str, dict[str, str]] = json.loads(
        Path(stack.state, "staged/dashboard/wrangler.json").read_text()
    )
    return config["vars"][name]


def visit(stack: RunningStack, path: str, address: str) -> httpx.Response:
    """As a visitor whose address is this one; Cloudflare would not take the header from anybody."""
    return stack.request("localhost", "GET", path, headers={"cf-connecting-ip": address})


def test_a_flood_from_one_network_is_refused_and_keeps_nobody_else_out(stack: RunningStack) -> None:
    # Each id has no app.
    # Of each minute the 61st is refused; one may end meanwhile.
    answers = [visit(stack, f"/apps/x{number}/402", "2001:db8::1") for number in range(61)]
    while answers[-1].status_code != 429 and len(answers) < 500:
        answers.append(visit(stack, f"/apps/x{len(answers)}/402", "2001:db8::1"))
    assert {answer.status_code for answer in answers} == {404, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "60"
    assert "Too many requests came from your network" in refused.text
    assert visit(stack, "/apps/x/402", "2001:db8:0:1::1").status_code == 404
    assert visit(stack, "/", "2001:db8::1").status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {"cookie": "a" * 60_000}, 431),
        ("/", {"cookie": "; ".join(f"c{n}=" for n in range(9_000))}, 431),
        ("/", {"accept": "text/html," * 6_000}, 431),
        ("/", {f"x-{n}": "" for n in range(2_000)}, 431),
        (f"/login/github?next=/{'a' * 20_000}", {}, 414),
        (f"/apps/{'a' * 20_000}", {}, 414),
    ],
    ids=["cookie", "cookies", "accept", "headers", "query", "path"],
)
def test_what_is_too_long_is_refused(
    stack: RunningStack, path: str, headers: dict[str, str], status: int
) -> None:
    assert stack.request("localhost", "GET", path, headers=headers).status_code == status


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_json_that_is_nested_deep_ends_nothing(stack: RunningStack, opening: str) -> None:
    body, headers = signed(opening * 100_000, secret_of(stack, "GITHUB_WEBHOOK_SECRET"))
    sent = stack.request("localhost", "POST", "/webhooks/github", content=body, headers=headers)
    assert sent.status_code == 400
    assert stack.request("localhost").status_code == 200
    assert "Ready again" not in stack.said


def test_of_many_deploys_that_come_at_once_as_many_begin_as_may(
    stack: RunningStack, new_page: NewPage
) -> None:
    page = new_page()
    log_in(page, stack, "alice")
    cookie = next(item for item in page.context.cookies() if item["name"] == "__Host-session")

    def deploy(number: int) -> httpx.Response:
        return stack.request(
            "localhost",
            "POST",
            "/apps",
            data={"repository": f"http://127.0.0.1:{stack.port}/alice/many/tree/main/w{number}"},
            headers={
                "cookie": f"__Host-session={cookie['value']}",
                "origin": f"http://localhost:{stack.port}",
            },
        )

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(deploy, range(AT_ONCE)))
    begun = [answer.headers["location"] for answer in answers if answer.status_code == 303]
    assert len(begun) == LIMIT
    refused = [answer for answer in answers if answer.status_code != 303]
    assert {answer.status_code for answer in refused} == {429}
    assert all(f"You began {LIMIT} deploys within an hour" in answer.text for answer in refused)
    # Deleting one gives nothing back.
    headers = {"cookie": f"__Host-session={cookie['value']}", "origin": f"http://localhost:{stack.port}"}
    stack.request("localhost", "POST", f"{begun[0]}/delete", headers=headers)
    first = next(number for number, answer in enumerate(answers) if answer.status_code == 303)
    assert deploy(first).status_code == 429
