"""Deleting an account: what goes, what stays, and that a death on the way is no end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from local.cloudflare.namespace_store import NamespaceStore
from local.cloudflare.namespaces import DispatchNamespaces
from model.app import Source
from model.suspension import Operator, Target
from tests.dashboard.dashboard_site import ALICE, BOB, CLOUDFLARE, Site
from tests.dashboard.shop import Shop
from tests.dashboard.turns import Actor, steps_of, take_turns

APP, OTHER, THEIRS = "bcdfghjkmnpq", "bcdfghjkmnpr", "bcdfghjkmnps"


async def on_change(name: str) -> None:
    pass


async def prepare(site: Site, folder: Path) -> None:
    """Two apps and a site of alice's, and one of bob's."""
    store = NamespaceStore(folder)
    site.servers[CLOUDFLARE] = DispatchNamespaces(store, ("testing",), on_change).application()
    await site.deployed_app(APP)
    await site.deployed_app(OTHER, ALICE, Source("alice/other", "main", "b" * 40, ""))
    await site.deployed_app(THEIRS, BOB, Source("bob/hello", "main", "c" * 40, ""))
    await site.database.batch(
        (
            "INSERT INTO sites (name, user_id, repository, directory, branch, created_at, changed_at) "
            "VALUES ('example', 1, 'alice/hello', '', 'main', 1, 2)",
            (),
        ),
        ("INSERT INTO site_versions VALUES ('example', ?, 1, 1, 0, 2)", (APP,)),
        (
            "INSERT INTO site_events (site, at, kind, user_id, app_id, serves_from) "
            "VALUES ('example', 2, 'version', 1, ?, 2)",
            (APP,),
        ),
    )


def run(folder: Path, work: Callable[[Site], Awaitable[None]]) -> None:
    async def begin() -> None:
        site = Site()
        await prepare(site, folder)
        await work(site)

    asyncio.run(begin())


async def require_gone(site: Site) -> None:
    for app_id in (APP, OTHER):
        assert (await site.app(app_id)).status == "deleted"
    found = await site.services.sites.get("example")
    assert found is not None
    assert found.deleted_at is not None
    assert (await site.app(THEIRS)).is_served
    rows = await site.database.execute("SELECT login, name FROM users WHERE id = 1")
    assert rows == [{"login": "ghost", "name": None}]
    assert await site.database.execute("SELECT 1 FROM sessions WHERE user_id = 1") == []


def test_sites_apps_sessions_and_the_name_go(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        said = (await alice.get("/account")).text
        assert "2 apps" in said
        assert "1 site" in said
        response = await alice.post("/account/delete", {"login": "Alice"})
        assert response.headers["location"] == "/"
        await require_gone(site)
        for account in (APP, OTHER, "example"):
            billed = await site.services.billing.account(account)
            assert billed is None or billed.closed_at is not None
        assert (await alice.get("/account")).status_code == 303
        assert "alice" not in "".join(str(row) for row in await site.database.execute("SELECT * FROM users"))

    run(tmp_path, work)


def test_another_word_than_the_login_deletes_nothing(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        for login in ("", "bob", "alice2"):
            answer = await site.visitor(ALICE).post("/account/delete", {"login": login})
            assert answer.status_code == 422
            assert 'role="alert">This is not your login. Nothing was deleted.' in answer.text
        assert (await site.visitor().post("/account/delete", {"login": "alice"})).status_code == 401
        assert (await site.app(APP)).is_served

    run(tmp_path, work)


def test_payments_keep_their_amounts_without_the_name(tmp_path: Path) -> None:
    async def work() -> None:
        shop = Shop(tmp_path / "stripe")
        await prepare(shop.site, tmp_path)
        session = await shop.paid(700, ALICE)
        await shop.success(session)
        await shop.site.visitor(ALICE).post("/account/delete", {"login": "alice"})
        payment = await shop.services.payments.get(session["id"])
        assert payment is not None
        assert (payment.amount_cents, payment.login) == (700, None)
        # Who logs in again is a new user of what is there, with nothing of before.
        assert "$7.00" not in (await shop.site.visitor(ALICE).get("/payments")).text

    asyncio.run(work())


def test_who_dies_on_the_way_can_go_on(tmp_path: Path) -> None:
    async def work() -> None:
        first = Site()
        await prepare(first, tmp_path / "first")
        take_turns(first)
        steps = await steps_of(first.services.leaving.delete(ALICE, first.now))
        for lived in range(0, steps, 3):
            site = Site()
            await prepare(site, tmp_path / str(lived))
            take_turns(site)
            leaving = Actor(site.services.leaving.delete(ALICE, site.now))
            for _ in range(lived):
                await leaving.step()
            await leaving.die()
            await site.services.leaving.delete(ALICE, site.now + 1)
            await require_gone(site)

    asyncio.run(work())


def test_a_suspension_outlives_the_account(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        target: Any = Target("user", "1")
        await site.services.suspending.suspend(target, "Phishing.", Operator("operator", 3), site.now)
        await site.visitor(ALICE).post("/account/delete", {"login": "alice"})
        await site.log_in(ALICE)
        assert await site.services.suspensions.reason_against(1, "alice/new") == "Phishing."

    run(tmp_path, work)
