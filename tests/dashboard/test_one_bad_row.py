"""The cron trigger's work on many rows: one that fails is told, and holds up none of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from clients.github_api import GitHubRateLimitedError
from hosting.deployments import Deployments
from hosting.following import PAUSE_MS, Following
from hosting.notices import Notifying
from hosting.sites import SiteHosting
from hosting.usage import MOST
from model.batch import each
from model.limits import HOUR_MS
from payments.fulfilment import Fulfilment
from payments.taking_back import TakingBack
from store.apps import Apps
from store.failures import Failures
from store.notices import Notices
from store.payments import Payments
from store.reversals import Reversals
from store.site_versions import SiteVersions
from store.sites import Sites
from tests.dashboard.dashboard_site import SOURCE, Site
from tests.dashboard.test_sites import NAME, add_version, make_site
from tests.dashboard.test_sums import assert_right
from upkeep import Upkeep

BAD, GOOD = "bcdfghjkmnpq", ("bcdfghjkmnpr", "bcdfghjkmnps")
ROWS = ("one", "two", "three")


class Told:
    """Keeps what could not be done."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    def __call__(self, subject: str, error: Exception) -> None:
        self.subjects.append(subject)


# Accounts that are asked what they have used.


async def with_accounts() -> Site:
    site = Site()
    for app_id in (BAD, *GOOD):
        await site.deployed_app(app_id, source=replace(SOURCE, directory=app_id))
        site.billing.getByName(app_id).use(5)
    return site


def spoil(site: Site, app_id: str, method: str, answer: Callable[[Any], Any]) -> Callable[[], None]:
    """Have an object answer something else to a call; return what ends that."""
    by_name = site.billing.getByName

    def spoilt(name: str) -> Any:
        found = by_name(name)
        if name == app_id:

            async def call(*values: Any) -> Any:
                return answer(await getattr(type(found), method)(found, *values))

            setattr(found, method, call)
        return found

    site.billing.getByName = spoilt  # type: ignore[method-assign]
    return lambda: setattr(site.billing, "getByName", by_name)


def fails(answer: Any) -> Any:
    raise RuntimeError("It broke.")


@pytest.mark.parametrize(
    "answer",
    [
        fails,
        lambda _: {},
        lambda _: [],
        lambda _: "unheard_of",
        lambda right: right | {"used_requests": "some"},
        lambda right: right | {"used_requests": None},
        lambda right: right | {"used_requests": "-1"},
        lambda right: right | {"used_requests": str(MOST + 1)},
        lambda right: right | {"cost_nano_usd": str(10**30)},
        lambda right: right | {"funding_cents": str(10**30)},
    ],
)
def test_an_account_that_cannot_be_read_puts_off_no_other(answer: Callable[[Any], Any]) -> None:
    async def work() -> None:
        site, told = await with_accounts(), Told()
        mend = spoil(site, BAD, "get_worker_billing", answer)
        await site.services.upkeep.run(site.now, told)
        await assert_right(site)
        assert told.subjects == [BAD]
        assert (await site.services.sums.totals()).requests == 10
        mend()
        site.now += HOUR_MS
        await site.services.upkeep.run(site.now, told)
        await assert_right(site)
        assert told.subjects == [BAD]
        assert (await site.services.sums.totals()).requests == 15

    asyncio.run(work())


def test_an_object_that_cannot_even_be_called_puts_off_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        site, told = await with_accounts(), Told()
        by_name = site.billing.getByName
        monkeypatch.setattr(
            site.billing, "getByName", lambda name: fails(name) if name == BAD else by_name(name)
        )
        await site.services.upkeep.run(site.now, told)
        assert told.subjects == [BAD]
        assert (await site.services.sums.totals()).requests == 10

    asyncio.run(work())


# The other loops.


def row(name: str) -> Any:
    """Something that is named so, whatever kind of row it is taken for."""
    return SimpleNamespace(id=name, name=name, account=name, user_id=name)


LOOPS = {
    "payments": ((Payments, "unfinished"), str, (Fulfilment, "fulfil")),
    "open payments": ((Payments, "left_open"), str, (Fulfilment, "fulfil")),
    "questions about refunds": ((Reversals, "half_asked"), str, (TakingBack, "follow")),
    "refunds": ((Reversals, "due"), row, (TakingBack, "_book")),
    "apps": ((Apps, "overdue"), row, (Upkeep, "_look_after")),
    "reasons": ((Apps, "unexplained"), row, (Deployments, "explain")),
    "versions": ((SiteVersions, "to_be_announced"), str, (SiteHosting, "follow")),
    "schedules": ((Sites, "untold"), row, (SiteHosting, "tell")),
    "commits": ((Sites, "wanting"), row, (Following, "go_on")),
    "branches": ((Sites, "to_be_looked_at"), row, (Following, "look")),
    "balances": ((Notices, "watched"), row, (Notifying, "_look")),
    "webhooks": ((Notices, "claim_hooks"), row, (Notifying, "_send_to")),
}


@pytest.mark.parametrize(("listing", "make", "doing"), LOOPS.values(), ids=LOOPS)
def test_one_that_fails_is_told_and_the_others_are_done(
    listing: tuple[type, str], make: Callable[[str], Any], doing: tuple[type, str], monkeypatch: Any
) -> None:
    tried: list[str] = []

    async def listed(*_: Any) -> list[Any]:
        return [make(name) for name in ROWS]

    async def done(_: Any, one: Any, *more: Any) -> None:
        tried.append(one if isinstance(one, str) else one.id)
        if len(tried) == 1:
            raise RuntimeError("It broke.")
        return

    async def work() -> None:
        site, told = Site(), Told()
        await site.services.upkeep.run(site.now, told)
        monkeypatch.setattr(*listing, listed)
        monkeypatch.setattr(*doing, done)
        await site.services.upkeep.run(site.now, told)
        assert tried == list(ROWS)
        assert [subject.removeprefix("webhook of the user ") for subject in told.subjects[:1]] == ["one"]

    asyncio.run(work())


def test_what_is_not_forgotten_keeps_nothing_else_from_being(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        site, told = Site(), Told()
        forgotten: list[int] = []

        async def forget(_: Payments, before: int) -> None:
            forgotten.append(before)

        async def broken(_: Failures, now: int) -> None:
            fails(now)

        broken.__qualname__ = "Failures.forget_old"
        monkeypatch.setattr(Failures, "forget_old", broken)
        monkeypatch.setattr(Payments, "forget_expired", forget)
        await site.services.upkeep.run(site.now, told)
        assert told.subjects == ["Failures.forget_old"]
        assert forgotten

    asyncio.run(work())


def test_a_site_whose_commit_cannot_be_deployed_leaves_others_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work() -> None:
        site, told = Site(), Told()
        await make_site(site)
        await site.services.sites.want(NAME, site.now)
        monkeypatch.setattr(SiteHosting, "deploy_newest", lambda *_: fails(None))
        await site.services.upkeep.run(site.now, told)
        assert told.subjects == [NAME]
        assert await site.services.sites.wanting(site.now, 1) == []
        assert len(await site.services.sites.wanting(site.now + PAUSE_MS, 1)) == 1

    asyncio.run(work())


def test_an_answer_that_makes_no_sense_leaves_other_sites_their_turn() -> None:
    async def work() -> None:
        site, told = Site(), Told()
        await make_site(site)
        await add_version(site, 1)
        await site.database.execute("UPDATE sites SET changed_at = changed_at + 1")
        spoil(site, NAME, "set_schedule", lambda _: {})
        await site.services.upkeep.run(site.now, told)
        assert told.subjects == [NAME]
        assert await site.services.sites.untold(site.now, 1) == []

    asyncio.run(work())


def test_where_github_answers_nobody_the_others_wait_too() -> None:
    async def work() -> None:
        tried: list[str] = []
        told = Told()

        async def ask(name: str) -> None:
            tried.append(name)
            if name == "two":
                raise GitHubRateLimitedError("GitHub allows no more questions.")

        assert not await each(ROWS, str, ask, told, over=GitHubRateLimitedError)
        assert (tried, told.subjects) == (["one", "two"], ["two"])

    asyncio.run(work())
