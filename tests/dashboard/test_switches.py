"""What an operator switches without a deploy: deploys, and who may sign up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from clients.github_login import Profile, time_in
from model.app import Source, User
from model.limits import DAY_MS, LimitReachedError
from model.suspension import ActError, Operator
from model.switches import SignUpRefusedError, Switches, value_of
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import ALICE, BOB, GITHUB, NOW, OPERATOR, Site

BY = Operator("operator", 3)
NEW = Source("alice/new", "main", "e" * 40, "")


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(work())  # type: ignore[arg-type]


async def switch(site: Site, name: str, value: str) -> None:
    await site.services.overrides.set(name, value_of(name, value), "Why", BY, site.now)


async def may_sign_up(site: Site, user: User, created_at: int | None = 0) -> bool:
    try:
        await site.services.signing_up.require_allowed(Profile(user, created_at), site.now)
    except SignUpRefusedError:
        return False
    return True


def test_with_deploys_off_nothing_is_begun_and_what_there_is_goes_on() -> None:
    async def work() -> None:
        site = Site({GITHUB: CannedServer()})
        await site.deployed_app("bcdfghjkmnpq")
        await switch(site, "deploys", "off")
        with pytest.raises(LimitReachedError, match="no deploys now"):
            await site.services.deployments.deploy("bcdfghjkmnpr", ALICE, NEW, site.now)
        assert (await site.app("bcdfghjkmnpq")).is_served
        await switch(site, "deploys", "on")
        await site.services.deployments.deploy("bcdfghjkmnpr", ALICE, NEW, site.now)

    run(work)


def test_sign_up_is_open_by_list_or_closed_and_who_has_signed_up_can_log_in() -> None:
    async def work() -> None:
        github = CannedServer()
        github.on("GET", "/users/bob/orgs", content=[{"login": "Friends"}])
        github.on("GET", "/users/mallory/orgs", content=[{"login": "others"}])
        site, mallory = Site({GITHUB: github}), User(66, "mallory", None)
        await site.log_in(ALICE)
        assert await may_sign_up(site, mallory)
        await switch(site, "sign-up", "list")
        await switch(site, "sign-up-list", "friends, Carol")
        assert await may_sign_up(site, User(5, "carol", None))
        assert await may_sign_up(site, BOB)
        assert not await may_sign_up(site, mallory)
        await switch(site, "sign-up", "closed")
        assert not await may_sign_up(site, BOB)
        assert await may_sign_up(site, ALICE)

    run(work)


@pytest.mark.parametrize(
    ("created_at", "allowed"), [(NOW - 30 * DAY_MS, True), (NOW - 30 * DAY_MS + 1, False), (None, False)]
)
def test_an_account_must_be_as_old_as_is_asked_for(created_at: int | None, allowed: bool) -> None:
    async def work() -> None:
        site = Site()
        await switch(site, "account-age", "30")
        assert await may_sign_up(site, BOB, created_at) is allowed

    run(work)


def test_an_operator_switches_from_the_page_and_it_is_in_the_log_once() -> None:
    async def work() -> None:
        site = Site()
        form = {"name": "deploys", "value": "off", "reason": "A flood."}
        for _ in range(2):
            done = await site.visitor(OPERATOR).post("/operator/switch", form)
            assert done.headers["location"] == "/operator#switches"
        assert "Deploys are off" in (await site.visitor(OPERATOR).get("/operator")).text
        acts = await site.services.suspensions.acts(2**53, 10)
        assert [(act.act, act.kind, act.name) for act in acts] == [("set", "deploys", "off")]
        assert (await site.visitor(ALICE).post("/operator/switch", form)).status_code == 404

    run(work)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("deploys", "maybe"), ("sign-up", ""), ("account-age", "-1"), ("account-age", "9999999999")),
        *(("sign-up-list", "a b; c"), ("sign-up-list", "a " * 201), ("other", "on")),
    ],
)
def test_what_a_switch_can_not_be_is_refused(name: str, text: str) -> None:
    with pytest.raises(ActError):
        value_of(name, text)


def test_without_any_switch_all_is_open() -> None:
    assert Switches.of({}) == Switches(True, "open", (), 0)


@pytest.mark.parametrize(
    ("text", "time"), [("1970-01-01T00:00:01Z", 1_000), ("2011-01-25T18:44:36+00:00", 1_295_981_076_000)]
)
def test_github_s_times_are_read(text: Any, time: int) -> None:
    assert time_in(text) == time


@pytest.mark.parametrize("text", [None, "", "yesterday", 5])
def test_what_is_no_time_is_unknown(text: Any) -> None:
    assert time_in(text) is None
