"""What every request must pass, and what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from tests.dashboard.dashboard_site import ALICE, BOB, DASHBOARD, SECRETS, VARIABLES, Site
from web import sessions
from web.security import HEADERS, inward, is_same_origin

APP, PENDING = "bcdfghjkmnpq", "qpnmkjhgfdcb"
POLICY = "content-security-policy"
EXPECTED = {
    "cache-control": "no-store",
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"form-action 'self' {VARIABLES['STRIPE_CHECKOUT_URL']} {VARIABLES['GITHUB_URL']}; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
PAGES = ["/", "/apps", f"/apps/{APP}", f"/apps/{PENDING}", f"/apps/{APP}/402", f"/apps/{PENDING}/402"]
ELSEWHERE = [
    "/operator",
    "/nothing",
    "/apps/nobody",
    "/apps/No_App",
    "/apps/../../etc/passwd",
    "/login/github",
]
FORMS = ["/logout", "/apps", f"/apps/{APP}/retry", f"/apps/{APP}/delete", f"/apps/{PENDING}/delete"]
TOP_UP = f"/apps/{APP}/top-up"


def on_site(work: Callable[[Site], Awaitable[None]]) -> None:
    """Run on a site where alice has a deployed app and a pending one."""

    async def run() -> None:
        site = Site()
        await site.deployed_app(APP, ALICE)
        await site.services.billing.open_account(PENDING)
        await site.database.execute("UPDATE apps SET directory = 'api'")
        await site.add_app(PENDING, ALICE)
        await work(site)

    asyncio.run(run())


@pytest.mark.parametrize("path", PAGES + ELSEWHERE)
def test_every_answer_carries_the_security_headers(path: str) -> None:
    async def work(site: Site) -> None:
        for visitor in (site.visitor(), site.visitor(ALICE)):
            response = await visitor.get(path)
            assert EXPECTED.items() <= response.headers.items()

    on_site(work)


def test_the_policy_allows_no_inline_script_and_no_other_host() -> None:
    policy = HEADERS[POLICY].format(others="")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert policy.startswith("default-src 'none'")


def test_without_a_session_nothing_private_is_shown_and_nothing_changes() -> None:
    async def work(site: Site) -> None:
        before = site.database.dump()
        anyone = site.visitor()
        assert (await anyone.get("/")).status_code == 200
        assert (await anyone.get(f"/apps/{APP}")).status_code == 200
        assert (await anyone.get(f"/apps/{APP}/402")).status_code == 200
        for path in (f"/apps/{PENDING}", f"/apps/{PENDING}/402", f"/apps/{PENDING}/attestation", "/operator"):
            assert (await anyone.get(path)).status_code == 404
        assert (await anyone.get("/apps")).headers["location"] == "/login/github?next=/apps"
        for path in FORMS:
            response = await anyone.post(path)
            assert response.status_code == 303
            page = "/".join(path.split("/")[:3])
            assert response.headers["location"] in ("/", f"/login/github?next={page}")
        assert site.database.dump() == before

    on_site(work)


def test_a_page_that_asks_in_the_background_without_a_session_is_told_so_and_no_more() -> None:
    async def work(site: Site) -> None:
        anyone, bob, polling = site.visitor(), site.visitor(BOB), {"hx-request": "true"}
        answers = [
            await anyone.get(path, polling)
            for path in ("/sites", f"/apps/{PENDING}", "/apps/nobody", "/sites/nobody")
        ]
        assert [answer.status_code for answer in answers] == [401] * 4
        assert (await bob.get(f"/apps/{PENDING}", polling)).status_code == 404
        assert (await anyone.get(f"/apps/{APP}", polling)).status_code == 200

    on_site(work)


def test_another_user_sees_no_pending_app_and_touches_none() -> None:
    async def work(site: Site) -> None:
        bob = site.visitor(BOB)
        await bob.get("/")
        before = site.database.dump()
        assert APP not in (await bob.get("/apps")).text
        for path in (f"/apps/{PENDING}", f"/apps/{PENDING}/402"):
            assert (await bob.get(path)).status_code == 404
        page = await bob.get(f"/apps/{APP}")
        assert page.status_code == 200
        assert "Delete App" not in page.text
        assert "View Workflow" not in page.text
        assert (await bob.post(f"/apps/{APP}/delete")).status_code == 403
        assert (await bob.post(f"/apps/{APP}/retry")).status_code == 403
        for action in ("delete", "retry"):
            assert (await bob.post(f"/apps/{PENDING}/{action}")).status_code == 404
        assert site.database.dump() == before

    on_site(work)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": "http://dashboard.example"},
        {"origin": f"{DASHBOARD}.evil.example"},
        {"origin": f"{DASHBOARD}:8443"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": DASHBOARD},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
    ],
    ids=str,
)
def test_a_form_of_another_site_changes_nothing(headers: dict[str, str]) -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        await alice.get("/")
        before = site.database.dump()
        for path in (*FORMS, TOP_UP):
            assert (await alice.post(path, headers=headers)).status_code == 403
        assert site.database.dump() == before

    on_site(work)


@pytest.mark.parametrize(
    "headers", [{"origin": DASHBOARD}, {"sec-fetch-site": "same-origin"}], ids=["older browser", "no origin"]
)
def test_a_form_of_this_site_is_accepted_by_either_sign(headers: dict[str, str]) -> None:
    assert is_same_origin(Headers(headers), DASHBOARD)


@pytest.mark.parametrize("path", [*FORMS, TOP_UP])
def test_nothing_changes_on_get(path: str) -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        await alice.get("/")
        before = site.database.dump()
        assert (await alice.get(path)).status_code == {"/apps": 200, TOP_UP: 200}.get(path, 405)
        assert site.database.dump() == before

    on_site(work)


def test_the_page_of_a_worker_that_is_no_app_says_so_and_looks_nothing_up() -> None:
    """Dispatch leads there from a Worker that was uploaded by hand, too: of any name it says the same."""

    async def work(site: Site) -> None:
        await site.add_app("hidden", BOB)
        before = "".join(site.database.dump()), list(site.asked), set(site.billing._ledgers)
        names = ("by-hand", "hidden", "x" * 64)
        pages = [await site.visitor().get(f"/apps/{name}") for name in names]
        assert [page.status_code for page in pages] == [404, 404, 404]
        assert len({page.text.replace(name, "") for page, name in zip(pages, names, strict=True)}) == 1
        assert "there is nothing to verify" in pages[0].text
        assert "nothing to verify" not in (await site.visitor().get("/nowhere")).text
        assert ("".join(site.database.dump()), site.asked, set(site.billing._ledgers)) == before

    on_site(work)


def test_an_error_shows_its_id_and_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(site: Site) -> None:
        site.database.connection.execute("DROP TABLE deploys")
        site.database.connection.execute("DROP TABLE apps")
        response = await site.visitor().get("/apps/app", {"cf-ray": "the-ray"})
        assert response.status_code == 500
        assert "the-ray" in response.text
        assert EXPECTED.items() <= response.headers.items()
        for word in ("Traceback", "sqlite", "no such table", ".py"):
            assert word not in response.text

    on_site(work)
    assert "the-ray" in capsys.readouterr().err


def test_a_missing_setting_is_named_in_the_log_only(capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        site = Site()

        def fail(_: object) -> None:
            raise LookupError("the setting GITHUB_TOKEN is missing")

        from web.application import application

        site.application = application(fail)  # type: ignore[arg-type]
        response = await site.visitor().get("/")
        assert response.status_code == 500
        assert "GITHUB_TOKEN" not in response.text

    asyncio.run(run())
    assert "GITHUB_TOKEN" in capsys.readouterr().err


def test_secrets_are_in_no_page_and_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    texts: list[str] = []

    async def work(site: Site) -> None:
        for visitor in (site.visitor(), site.visitor(ALICE)):
            texts.extend([(await visitor.get(path)).text for path in PAGES + ELSEWHERE])
            texts.append((await visitor.post("/apps", {"repository": "https://github.example/a/b"})).text)
        texts.append(repr(site.services))

    on_site(work)
    captured = capsys.readouterr()
    everything = "".join((*texts, captured.out, captured.err))
    assert [secret for secret in SECRETS.values() if secret in everything] == []


# Sessions.


def test_a_session_is_stored_as_a_hash_and_ends_when_it_is_not_used() -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        assert (await alice.get("/apps")).status_code == 200
        assert alice.cookies[sessions.COOKIE] not in "".join(site.database.dump())
        site.now += sessions.SESSION_MS + 1
        assert (await alice.get("/apps")).status_code == 303
        assert sessions.COOKIE not in alice.cookies

    on_site(work)


def test_a_session_that_is_used_goes_on() -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        for _ in range(5):
            assert (await alice.get("/apps")).status_code == 200
            site.now += sessions.SESSION_MS - 1
        await site.services.users.forget_expired_sessions(site.now)
        assert (await alice.get("/apps")).status_code == 200

    on_site(work)


def test_a_session_is_not_written_to_on_every_request() -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        first = await alice.get("/apps")
        before = site.database.dump()
        site.now += sessions.DAY_MS - 1
        second = await alice.get("/apps")
        assert "set-cookie" not in second.headers
        assert first.status_code == second.status_code == 200
        assert site.database.dump() == before

    on_site(work)


def test_logging_out_ends_the_session_for_every_copy_of_its_cookie() -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        await alice.get("/apps")
        thief = site.visitor()
        thief.cookies = dict(alice.cookies)
        await alice.post("/logout")
        assert sessions.COOKIE not in alice.cookies
        assert (await thief.get("/apps")).status_code == 303

    on_site(work)


@pytest.mark.parametrize("token", ["", "unknown", "a" * 5_000, "'; DROP TABLE sessions; --", "ü"])
def test_a_made_up_session_is_none(token: str) -> None:
    async def work(site: Site) -> None:
        visitor = site.visitor()
        response = await visitor.get("/apps", {"cookie": f"{sessions.COOKIE}={token}"})
        assert response.status_code == 303

    on_site(work)


def test_the_cookie_is_for_this_host_only_and_out_of_scripts_reach() -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        await alice.get("/apps")
        site.now += sessions.DAY_MS + 1
        name, *attributes = (await alice.get("/apps")).headers["set-cookie"].split("; ")
        assert name.startswith("__Host-session=")
        assert set(attributes) == {"Path=/", "Max-Age=2592000", "HttpOnly", "Secure", "SameSite=Lax"}

    on_site(work)


# Redirects.


@given(st.text(max_size=30) | st.from_regex(r"[/\\]{0,3}[a-z.:@?#%/\\]{0,10}", fullmatch=True))
def test_redirects_lead_inward_whatever_was_asked_for(path: str) -> None:
    target = inward(path)
    assert httpx.URL(DASHBOARD).join(target).host == "dashboard.example"
    assert urlsplit(urljoin(DASHBOARD, target)).netloc == "dashboard.example"
    assert target[1:2] not in ("/", "\\")
    assert target.isprintable()


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\tevil", "/\n/evil", "evil", "", None],
)
def test_a_redirect_elsewhere_becomes_the_apps_page(path: str | None) -> None:
    assert inward(path) == "/apps"


def test_a_path_of_this_site_is_kept() -> None:
    assert inward("/apps/bcdfghjkmnpq?before=1#top") == "/apps/bcdfghjkmnpq?before=1#top"
