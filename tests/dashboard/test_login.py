"""Logging in with GitHub: the flow, and every way to bend it."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from markupsafe import escape

from local.github.accounts import Account
from local.github.server import GitHub
from tests.dashboard.dashboard_site import GITHUB, SECRETS, Site, Visitor
from tests.dashboard.with_github import authorize, begin_login, with_github
from web import login, sessions


async def log_in(site: Site, github: GitHub, user: str, path: str = "/login/github") -> tuple[Visitor, str]:
    """A visitor who is logged in, and where they were sent then."""
    visitor = site.visitor()
    callback = await authorize(github, await begin_login(visitor, path), user)
    response = await visitor.get(callback)
    assert response.status_code == 303
    return visitor, response.headers["location"]


def test_a_user_logs_in_and_out(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        alice, location = await log_in(site, github, "alice")
        assert location == "/apps"
        page = await alice.get("/apps")
        assert page.status_code == 200
        assert "alice" in page.text
        assert login.COOKIE not in alice.cookies
        assert (await alice.post("/logout")).headers["location"] == "/"
        assert (await alice.get("/apps")).status_code == 303

    with_github(tmp_path, work)


def test_no_scope_is_asked_for_and_the_flow_has_state_and_pkce(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        first, second = [await begin_login(site.visitor()) for _ in range(2)]
        assert set(first) == {"client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method"}
        assert first["code_challenge_method"] == "S256"
        assert first["state"] != second["state"]
        assert first["code_challenge"] != second["code_challenge"]
        assert len(first["state"]) >= 32
        assert len(first["code_challenge"]) == 43

    with_github(tmp_path, work)


def test_the_page_that_was_asked_for_comes_next_if_it_is_of_this_site(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        for asked, expected in (
            ("/apps/bcdfghjkmnpq", "/apps/bcdfghjkmnpq"),
            ("//evil.example", "/apps"),
            ("https://evil.example/", "/apps"),
            ("/\\evil.example", "/apps"),
            ("/a; b=c", "/a; b=c"),
            ("/a.b?c=d.e", "/a.b?c=d.e"),
        ):
            path = "/login/github?" + urlencode({"next": asked})
            assert (await log_in(site, github, "alice", path))[1].replace("%20", " ") == expected

    with_github(tmp_path, work)


def test_an_answer_is_good_in_the_browser_that_asked_only(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        mallory, victim = site.visitor(), site.visitor()
        callback = await authorize(github, await begin_login(mallory), "bob")
        for visitor in (victim, site.visitor()):
            assert (await visitor.get(callback)).status_code == 400
            assert sessions.COOKIE not in visitor.cookies
        # Neither in one that has begun a login of its own.
        await begin_login(victim)
        assert (await victim.get(callback)).status_code == 400
        assert (await mallory.get(callback)).status_code == 303

    with_github(tmp_path, work)


@pytest.mark.parametrize("change", ["no state", "other state", "no code", "other code", "used code", "ü"])
def test_an_answer_that_was_tampered_with_opens_no_session(tmp_path: Path, change: str) -> None:
    async def work(site: Site, github: GitHub) -> None:
        visitor = site.visitor()
        callback = await authorize(github, await begin_login(visitor), "alice")
        query = dict(parse_qsl(urlsplit(callback).query))
        if change == "used code":
            await visitor.get(callback)
            visitor.cookies.pop(sessions.COOKIE)
            query |= {"state": (await begin_login(visitor))["state"]}
        name = change.split(" ")[-1]
        if name in query and change != "used code":
            query |= {name: "" if change.startswith("no") else "other"}
        if change == "ü":
            query["state"] = "ü"
        assert (await visitor.get(f"/login/github/callback?{urlencode(query)}")).status_code == 400
        assert sessions.COOKIE not in visitor.cookies

    with_github(tmp_path, work)


def test_a_stolen_code_is_worth_nothing_without_the_verifier(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        victim, mallory = site.visitor(), site.visitor()
        stolen = dict(parse_qsl(urlsplit(await authorize(github, await begin_login(victim), "alice")).query))
        own = await begin_login(mallory)
        query = urlencode({"code": stolen["code"], "state": own["state"]})
        assert (await mallory.get(f"/login/github/callback?{query}")).status_code == 400
        assert sessions.COOKIE not in mallory.cookies

    with_github(tmp_path, work)


def test_who_cancels_is_back_on_the_first_page(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        visitor = site.visitor()
        callback = await authorize(github, await begin_login(visitor), "")
        assert "error=access_denied" in callback
        assert (await visitor.get(callback)).headers["location"] == "/"
        assert visitor.cookies == {}

    with_github(tmp_path, work)


def test_no_link_puts_words_of_its_own_on_the_first_page(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        for path in (
            "/apps?your_account_is=suspended",
            "/apps/abc/top-up?amount=500&payer=login&next=%2F",
            "/apps/abc/402?next=/hello",
            "//evil.example/apps?repository=x",
        ):
            assert "You did not log in" not in (await site.visitor().get(f"/?next={quote(path)}")).text

    with_github(tmp_path, work)


@pytest.mark.parametrize(
    ("page", "form"),
    [
        ("/apps", {"repository": "alice/hello?a=b&c <i>"}),
        ("/sites", {"name": "my-site", "repository": "alice/hello"}),
    ],
)
def test_who_cancels_has_what_was_typed_and_the_form_has_it_again(
    tmp_path: Path, page: str, form: dict[str, str]
) -> None:
    async def work(site: Site, github: GitHub) -> None:
        visitor = site.visitor()
        path = (await visitor.post(page, form)).headers["location"]
        for _ in range(2):  # who thinks twice loses it no more than who thinks once
            callback = await authorize(github, await begin_login(visitor, path), "")
            back = (await visitor.get(callback)).headers["location"]
            assert urlsplit(back).path == "/"
            shown = (await visitor.get(back)).text
            assert all(f'readonly value="{escape(text)}"' in shown for text in form.values())
            assert "You did not log in" in shown
            (path,) = re.findall(r'class="button" href="(/login/github[^"]*)">Log In to Go On', shown)
            path = html.unescape(path)
        callback = await authorize(github, await begin_login(visitor, path), "alice")
        again = (await visitor.get((await visitor.get(callback)).headers["location"])).text
        assert all(f'value="{escape(text)}"' in again for text in form.values())

    with_github(tmp_path, work)


@pytest.mark.parametrize(
    "path", ["https://evil.example/?a=b", "//evil.example/?a=b", "/apps", "", "/?Call+us+at+555=now"]
)
def test_the_first_page_keeps_nothing_that_no_form_of_this_site_brought(tmp_path: Path, path: str) -> None:
    async def work(site: Site, github: GitHub) -> None:
        shown = (await site.visitor().get(f"/?{urlencode({'next': path})}")).text
        assert "You did not log in" not in shown

    with_github(tmp_path, work)


def test_the_session_is_new_after_login_and_the_old_one_is_over(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        visitor, _ = await log_in(site, github, "alice")
        before = dict(visitor.cookies)
        await visitor.get(await authorize(github, await begin_login(visitor), "bob"))
        assert visitor.cookies[sessions.COOKIE] != before[sessions.COOKIE]
        assert "bob" in (await visitor.get("/")).text
        old = site.visitor()
        old.cookies = before
        assert (await old.get("/apps")).status_code == 303

    with_github(tmp_path, work)


def test_a_name_follows_github_and_a_login_that_moved_takes_no_session_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(site: Site, github: GitHub) -> None:
        alice, _ = await log_in(site, github, "operator")
        assert (await alice.get("/operator")).status_code == 200
        # The operator's account is renamed, and somebody else takes the login.
        accounts = (
            Account(1001, "alice", None),
            Account(1003, "retired", None),
            Account(7, "operator", None),
        )
        monkeypatch.setattr("local.github.accounts.ACCOUNTS", accounts)
        taker, _ = await log_in(site, github, "operator")
        assert (await taker.get("/operator")).status_code == 404
        assert (await alice.get("/operator")).status_code == 404
        renamed, _ = await log_in(site, github, "retired")
        assert "retired" in (await renamed.get("/")).text
        assert (await renamed.get("/operator")).status_code == 200
        assert (await site.services.sums.totals()).users == 2

    with_github(tmp_path, work)


@pytest.mark.parametrize("failure", ["unreachable", "out of order"])
def test_while_github_is_down_nobody_logs_in_and_the_page_says_why(tmp_path: Path, failure: str) -> None:
    async def work(site: Site, github: GitHub) -> None:
        visitor = site.visitor()
        callback = await authorize(github, await begin_login(visitor), "alice")
        if failure == "unreachable":
            del site.servers[GITHUB]
        else:
            github.rest.failure = 502
        response = await visitor.get(callback)
        assert response.status_code == 503
        assert "GitHub can" in response.text
        assert sessions.COOKIE not in visitor.cookies

    with_github(tmp_path, work)


def test_neither_tokens_nor_codes_are_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes: list[str] = []

    async def work(site: Site, github: GitHub) -> None:
        visitor = site.visitor()
        callback = await authorize(github, await begin_login(visitor), "alice")
        codes.append(dict(parse_qsl(urlsplit(callback).query))["code"])
        del site.servers[GITHUB]
        await visitor.get(callback)

    with_github(tmp_path, work)
    captured = capsys.readouterr()
    assert json.loads(captured.err)["event"] == "unavailable"
    for secret in (*codes, *SECRETS.values()):
        assert secret not in captured.out + captured.err
