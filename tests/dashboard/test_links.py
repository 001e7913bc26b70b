"""Every link and form of every page leads somewhere, here and at GitHub; and so does what went wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from local.github.server import GitHub
from local.staging import ROOT
from model.app import Source, User
from tests.dashboard.dashboard_site import ALICE, DASHBOARD, GITHUB, OPERATOR, Site
from tests.dashboard.test_sites import HERE, NAME, add_version, app_id_of, make_site
from tests.dashboard.with_github import authorize, begin_login, with_github

STATIC = ROOT / "dashboard" / "static"
FROM_HERE = {"origin": DASHBOARD, "sec-fetch-site": "same-origin"}
LINK = re.compile(r'<(?:a|link|img|script)\b[^>]*?\b(?:href|src)="([^"]+)"')
FORM = re.compile(r'<form method="(get|post)"(?: action="([^"]*)")?')
LOGIN = "/login/github"
NOWHERE = (404, 405)  # what depends on Stripe or Cloudflare answers 503 here
STATES = ("deployed", "failed", "pending", "deleted", "missing", "suspended")
APPS = {state: app_id_of(number) for number, state in enumerate(STATES)}
REFS, DIRECTORIES = ("heads/main", "heads/feature/login"), ("", "api", "docs")
PLACES = [(ref, directory) for ref in REFS for directory in DIRECTORIES]


def commit_of(github: GitHub, ref: str) -> str:
    repository = github.repositories.find("alice/hello")
    assert repository is not None
    commit = repository.commit(ref)
    assert commit is not None
    return commit.sha


async def add_apps(site: Site, github: GitHub) -> None:
    """One in each state, all of them built from what is at the local GitHub."""
    for (state, app_id), (ref, directory) in zip(APPS.items(), PLACES, strict=True):
        source = Source("alice/hello", ref.removeprefix("heads/"), commit_of(github, ref), directory)
        await site.add_app(app_id, ALICE, source)
        await site.services.billing.open_account(app_id)
        status = state if state in ("failed", "pending", "deleted") else "deployed"
        await site.database.execute(
            "UPDATE apps SET status = ?, run_ended = 1, deployed_at = ?, missing_since = ?, deleted_at = ?, "
            "failure = ? WHERE id = ?",
            *(status, None if status in ("failed", "pending") else site.now),
            *(site.now if state == "missing" else None, site.now if state == "deleted" else None),
            *("The build failed.\nwrangler: no" if state == "failed" else None, app_id),
        )
        site.now += 1_000
    form = {"kind": "app", "name": APPS["suspended"], "reason": "Phishing."}
    assert (await site.visitor(OPERATOR).post("/operator/suspend", form)).status_code == 303


async def add_sites(site: Site, github: GitHub) -> None:
    """One that has announced its second version, and one that has none yet."""
    await make_site(site, "hour")
    await make_site(site, name="waiting")
    for number, ref in ((8, "tags/v1"), (9, "tags/left-behind")):
        version = await add_version(site, number)
        commit = commit_of(github, ref)
        await site.database.execute("UPDATE apps SET commit_hash = ? WHERE id = ?", commit, version)
    await site.database.execute("UPDATE apps SET run_id = NULL")  # the local GitHub has run none of them


async def add_payments(site: Site) -> None:
    paid = [(APPS["deployed"], None), (APPS["deleted"], None), (app_id_of(8), NAME)]
    for number, (app, of_site) in enumerate(paid):
        await site.database.execute(
            "INSERT INTO payments (id, app_id, site, user_id, status, amount_cents, created_at, paid_at) "
            "VALUES (?, ?, ?, 1, 'credited', 500, ?, ?)",
            *(f"cs_test_{number:04}", app, of_site, site.now, site.now),
        )


class Crawler:
    """Follows all links of all pages that a user comes to; `seen` are those that need no further look."""

    def __init__(self, site: Site, github: GitHub, user: User | None, seen: set[str]) -> None:
        self._visitor = site.visitor(user)
        self._at_github = httpx.AsyncClient(transport=httpx.ASGITransport(github.application()))
        self._seen = seen

    async def crawl(self, *starts: str, posts: str = "") -> list[str]:
        """Where links come from and lead to that lead nowhere, and forms that nothing takes."""
        waiting, broken = [(path, "the start") for path in starts], []
        while waiting:
            target, origin = waiting.pop()
            if target.startswith(f"{GITHUB}/"):
                response = await self._at_github.get(target)
            else:
                response = await (self._visitor.post if target == posts else self._visitor.get)(target)
                broken += [
                    f"{target} has a form: {form}" async for form in self._forms_in_vain(response, target)
                ]
            if response.status_code in NOWHERE:
                broken.append(f"{origin} links to {target}: {response.status_code}")
            for further in {*targets_of(response, urljoin(DASHBOARD, target))} - self._seen:
                self._seen.add(further)
                waiting.append((further, target))
        return broken

    async def _forms_in_vain(self, response: httpx.Response, path: str) -> AsyncIterator[str]:
        forms = {form for form in FORM.findall(response.text) if str(form) not in self._seen}
        self._seen |= {str((method, action)) for method, action in forms if action}
        for method, action in forms:
            asked = await self._visitor.ask("OPTIONS", unescape(action) or path, FROM_HERE, "")
            if method.upper() not in asked.headers.get("allow", ""):
                yield f"{method} {action}"


def targets_of(response: httpx.Response, page: str) -> set[str]:
    """Where a page leads, without fragments; a login leads on to what comes after it."""
    found = [response.headers["location"]] if "location" in response.headers else []
    if response.headers.get("content-type", "").startswith("text/html"):
        found += map(unescape, LINK.findall(response.text))
    for target in found:
        assert not target.startswith("#") or f'id="{target[1:]}"' in response.text, f"{page} has {target}"
    targets = [urljoin(page, target).partition("#")[0] for target in found]
    paths = [after_login(target) if urlsplit(target).path == LOGIN else target for target in targets]
    followed = [
        path.removeprefix(DASHBOARD)
        for path in paths
        if path.startswith((f"{DASHBOARD}/", f"{GITHUB}/", "/"))
    ]
    return {path for path in followed if not is_file(path)}


def after_login(target: str) -> str:
    return parse_qs(urlsplit(target).query)["next"][0]


def is_file(target: str) -> bool:
    path = urlsplit(target).path.lstrip("/")
    return path.startswith("vendor/") or (STATIC / path).is_file()


def test_no_link_and_no_form_leads_nowhere(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        await add_apps(site, github)
        await add_sites(site, github)
        await add_payments(site)
        public = [f"/apps/{APPS[state]}" for state in ("deployed", "deleted", "missing", "suspended")]
        for_all = ["/", HERE, f"{HERE}/402", *public, *(f"{path}/402" for path in public)]
        for_users = [*for_all, "/apps?show=all", "/sites", "/payments", "/account"]
        secret, broken, at_github = f"{HERE}/webhook", [], set()
        for user, starts in (
            (None, for_all),
            (ALICE, [*for_users, secret]),
            (OPERATOR, [*for_users, "/operator"]),
        ):
            seen = set(at_github)
            broken += await Crawler(site, github, user, seen).crawl(*starts, posts=secret)
            at_github |= {page for page in seen if page.startswith(GITHUB)}
        assert broken == []

    with_github(tmp_path, work)


PATHS = (
    *(
        "/",
        "/logout",
        "/apps",
        "/sites",
        "/account",
        "/account/delete",
        "/webhooks/stripe",
        "/operator/switch",
    ),
    *(f"/apps/{APPS['deployed']}{below}" for below in ("", "/retry", "/delete", "/top-up", "/402")),
    *(f"{HERE}{below}" for below in ("", "/deploy", "/switch", "/back", "/withdraw", "/notice", "/webhook")),
)


@pytest.mark.parametrize("path", PATHS)
def test_who_comes_in_the_wrong_way_is_told_the_right_one_and_led_on(path: str) -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APPS["deployed"])
        await make_site(site)
        for method in ("GET", "PUT", "DELETE", "OPTIONS"):
            response = await site.visitor().ask(method, path, FROM_HERE, "")
            if response.status_code != 405:
                continue
            allowed = response.headers["allow"].split(", ")
            assert method not in allowed
            assert {*allowed} <= {"GET", "HEAD", "POST"}
            (login,) = re.findall(rf'href="({LOGIN}\?[^"]*)"', response.text)
            led_to = await site.visitor(OPERATOR).get(after_login(unescape(login)))
            assert led_to.status_code == 200

    asyncio.run(work())


def test_a_login_that_fails_leads_to_another_that_ends_where_the_first_was_to(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        visitor, path = site.visitor(), "/apps?repository=alice/hello"
        callback = await authorize(github, await begin_login(visitor, f"{LOGIN}?next={path}"), "alice")
        reachable = site.servers.pop(GITHUB)
        failed = await visitor.get(callback)
        assert failed.status_code == 503
        site.servers[GITHUB] = reachable
        assert next_of_page(failed) == path
        # One that wasn't begun here ends at the apps, not at the page that refuses it.
        assert next_of_page(await site.visitor().get(callback)) == "/apps"

    with_github(tmp_path, work)


def next_of_page(response: httpx.Response) -> str:
    (login,) = re.findall(rf'href="({LOGIN}\?[^"]*)"', response.text)
    return after_login(unescape(login))


def test_a_page_about_what_went_wrong_leads_back_to_where_it_was_asked_for() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APPS["deployed"])
        await site.database.execute("UPDATE apps SET missing_since = 1")
        page = f"/apps/{APPS['deployed']}"
        for path, back in ((f"{page}/top-up", page), ("/operator/suspend", "/operator")):
            response = await site.visitor(OPERATOR).get(path)
            assert response.status_code == 409
            assert "<h1>This can&#39;t be done now</h1>" in response.text
            assert f'<a href="{back}">Back</a>' in response.text

    asyncio.run(work())


def test_an_old_link_to_the_verification_of_a_deleted_app_leads_to_its_page() -> None:
    async def work() -> None:
        site = Site()
        app = await site.deployed_app(APPS["deployed"])
        await site.database.execute("UPDATE apps SET status = 'deleted', deleted_at = ?", site.now)
        response = await site.visitor().get(f"/apps/{app.id}/attestation")
        assert response.headers["location"] == f"/apps/{app.id}"
        # The page that asks in the background says that it isn't there any more.
        asked = await site.visitor().get(f"/apps/{app.id}/attestation", {"hx-request": "true"})
        assert asked.status_code == 404

    asyncio.run(work())
