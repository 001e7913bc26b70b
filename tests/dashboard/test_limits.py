"""What one user may begin and have: each limit holds however many requests come at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from model.app import User
from model.limits import DAY_MS, HOUR_MS, LimitReachedError, Limits, until
from store.database import Row, Statement, Value
from tests.dashboard.dashboard_site import ALICE, BOB, GITHUB, NOW, SOURCE, UNLIMITED
from tests.dashboard.sqlite_d1 import SqliteD1
from tests.dashboard.test_deployments import DISPATCHES, RUNS, World
from tests.dashboard.test_sites import add_version, make_site
from upkeep import APPS_AT_ONCE, OVERDUE_MS
from web.settings import LIMITS, SettingError, limit

LIMIT = 3


class FarD1(SqliteD1):
    """A database that takes its time, before a statement and after it, so requests overtake each other."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)  # noqa: S311

    async def _wait(self) -> None:
        for _ in range(self._random.randrange(6)):
            await asyncio.sleep(0)

    async def execute(self, sql: str, *values: Value) -> list[Row]:
        await self._wait()
        rows = await super().execute(sql, *values)
        await self._wait()
        return rows

    async def batch(self, *statements: Statement) -> list[list[Row]]:
        await self._wait()
        rows = await super().batch(*statements)
        await self._wait()
        return rows


def with_limits(
    work: Callable[[World], Awaitable[None]], limits: Limits = UNLIMITED, database: SqliteD1 | None = None
) -> None:
    async def run() -> None:
        world = World(limits, database)
        world.github.on("POST", DISPATCHES, 204)
        for user in (ALICE, BOB):
            await world.site.log_in(user)
        await work(world)

    asyncio.run(run())


async def begin(world: World, number: int, user: User = ALICE) -> LimitReachedError | None:
    source = replace(SOURCE, directory=f"d{number}")
    try:
        await world.services.deployments.deploy(f"app{number}", user, source, world.site.now)
    except LimitReachedError as error:
        return error
    return None


async def retry(world: World, number: int) -> LimitReachedError | None:
    try:
        await world.services.deployments.retry(await world.site.app(f"app{number}"), world.site.now)
    except LimitReachedError as error:
        return error
    return None


def begun(world: World) -> int:
    """How many runs GitHub was asked to begin."""
    return len(world.github.paths("POST"))


EACH = ["deploys_at_once", "deploys_per_hour", "deploys_per_day", "apps", "all_deploys_per_day"]


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("seed", range(3))
def test_no_more_deploys_begin_than_a_limit_allows_however_many_come_at_once(name: str, seed: int) -> None:
    async def work(world: World) -> None:
        refused = await asyncio.gather(*(begin(world, number) for number in range(40)))
        assert begun(world) == LIMIT
        assert refused.count(None) == LIMIT

    with_limits(work, replace(UNLIMITED, **{name: LIMIT}), FarD1(seed))


@pytest.mark.parametrize("name", [name for name in EACH if name != "apps"])
@pytest.mark.parametrize("seed", range(3))
def test_trying_again_counts_as_deploying_does(name: str, seed: int) -> None:
    async def work(world: World) -> None:
        world.github.on("POST", DISPATCHES, 422)
        for number in range(10):
            assert await begin(world, number) is None
        world.site.now += 2 * DAY_MS
        world.github.on("POST", DISPATCHES, 204)
        before = begun(world)
        again = (retry(world, number) for number in list(range(10)) * 2)
        await asyncio.gather(*again, *(begin(world, number) for number in range(10, 20)))
        assert begun(world) - before == 10

    limits = replace(UNLIMITED, **{name: 10})
    with_limits(work, limits, FarD1(seed))


@pytest.mark.parametrize("name", EACH[:3] + EACH[4:])
def test_deleting_gives_no_deploy_back(name: str) -> None:
    async def work(world: World) -> None:
        for number in range(LIMIT):
            assert await begin(world, number) is None
            await world.services.apps.mark_deleted(f"app{number}", world.site.now)
        assert await begin(world, LIMIT) is not None
        assert begun(world) == LIMIT

    with_limits(work, replace(UNLIMITED, **{name: LIMIT}))


def test_an_app_counts_until_nothing_of_it_is_left() -> None:
    async def work(world: World) -> None:
        for number in range(LIMIT):
            assert await begin(world, number) is None
        await world.services.apps.mark_deleted("app0", world.site.now)
        error = await begin(world, LIMIT)
        assert str(error) == "You have 3 apps. Delete one that nobody needs any more."
        await world.services.apps.mark_removed("app0", world.site.now)
        assert await begin(world, LIMIT) is None

    with_limits(work, replace(UNLIMITED, apps=LIMIT))


def test_a_run_that_has_ended_leaves_its_place() -> None:
    async def work(world: World) -> None:
        for number in range(LIMIT):
            assert await begin(world, number) is None
        error = await begin(world, LIMIT)
        assert str(error) == "3 of your deploys are under way. Wait until one has ended."
        await world.site.database.execute("UPDATE apps SET run_ended = 1 WHERE id = 'app0'")
        assert await begin(world, LIMIT) is None

    with_limits(work, replace(UNLIMITED, deploys_at_once=LIMIT))


@pytest.mark.parametrize(
    ("name", "period", "says"),
    [
        ("deploys_per_hour", HOUR_MS, "You began 3 deploys within an hour."),
        ("deploys_per_day", DAY_MS, "You began 3 deploys within a day."),
        ("all_deploys_per_day", DAY_MS, "All deploys that this site allows in a day were begun."),
    ],
)
def test_the_refusal_says_when_there_is_room_again_and_then_there_is(
    name: str, period: int, says: str
) -> None:
    async def work(world: World) -> None:
        for number in range(LIMIT):
            assert await begin(world, number) is None
            world.site.now += 60_000
        error = await begin(world, LIMIT)
        assert error is not None
        assert error.seconds is not None
        assert str(error).startswith(f"{says} Try again after ")
        assert 0 <= world.site.now + error.seconds * 1000 - (NOW + period) < 60_000
        world.site.now += error.seconds * 1000
        assert await begin(world, LIMIT) is None
        assert await begin(world, LIMIT + 1) is not None

    with_limits(work, replace(UNLIMITED, **{name: LIMIT}))


@pytest.mark.parametrize("name", EACH)
def test_a_limit_of_0_allows_nothing_and_says_so(name: str) -> None:
    async def work(world: World) -> None:
        assert str(await begin(world, 0)) == "This site allows no deploys now."
        assert begun(world) == 0

    with_limits(work, replace(UNLIMITED, **{name: 0}))


def test_one_user_s_deploys_are_not_another_s() -> None:
    async def work(world: World) -> None:
        for number in range(LIMIT):
            assert await begin(world, number) is None
        assert await begin(world, LIMIT, BOB) is None
        assert await begin(world, LIMIT + 1) is not None

    limits = replace(
        UNLIMITED, deploys_at_once=LIMIT, deploys_per_hour=LIMIT, deploys_per_day=LIMIT, apps=LIMIT
    )
    with_limits(work, limits)


def test_what_no_limit_counts_any_more_is_forgotten() -> None:
    async def work(world: World) -> None:
        assert await begin(world, 0) is None
        count = "SELECT count(*) AS deploys FROM deploys"
        await world.services.deploys.forget_old(world.site.now + DAY_MS - 1)
        assert await world.site.database.execute(count) == [{"deploys": 1}]
        await world.services.deploys.forget_old(world.site.now + DAY_MS)
        assert await world.site.database.execute(count) == [{"deploys": 0}]

    with_limits(work)


def test_a_deploy_of_which_nobody_knows_whether_it_began_is_not_begun_again() -> None:
    async def work(world: World) -> None:
        world.github.on("POST", DISPATCHES, 502)
        assert await begin(world, 0) is None
        error = await retry(world, 0)
        assert error is not None
        assert "isn't known yet whether" in str(error)
        assert begun(world) == 1

    with_limits(work)


def test_a_page_says_which_limit_and_until_when() -> None:
    async def work(world: World) -> None:
        assert await begin(world, 0) is None
        await world.site.database.execute(
            "UPDATE apps SET status = 'failed', failure = 'no', run_ended = 1 WHERE id = 'app0'"
        )
        response = await world.site.visitor(ALICE).post("/apps/app0/retry")
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 0
        assert "You began 1 deploys within an hour. Try again after " in response.text

    with_limits(work, replace(UNLIMITED, deploys_per_hour=1))


def test_a_user_s_look_ups_at_github_are_counted_whatever_they_lead_to() -> None:
    async def work(world: World) -> None:
        alice = world.site.visitor(ALICE)

        async def look_up() -> int:
            address = {"repository": f"{GITHUB}/alice/nothing"}
            return (await alice.post("/apps", address)).status_code

        statuses = [await look_up() for _ in range(20)]
        assert statuses == [422] * LIMIT + [429] * (20 - LIMIT)
        assert len(world.github.paths("GET")) == LIMIT
        # What isn't the address of a repository asks nobody.
        assert (await alice.post("/apps", {"repository": "hello"})).status_code == 422
        world.site.now += HOUR_MS
        assert await look_up() == 422

    with_limits(work, replace(UNLIMITED, lookups_per_hour=LIMIT), FarD1(1))


# What the cron trigger looks after.


def test_newer_apps_and_one_user_s_many_do_not_keep_an_older_one_waiting() -> None:
    async def work(world: World) -> None:
        world.github.on("GET", RUNS, 500)
        assert await begin(world, 0, BOB) is None
        asked: list[str] = []
        for number in range(1, 4):
            for app in range(APPS_AT_ONCE):
                assert await begin(world, number * 100 + app) is None
            world.site.now += OVERDUE_MS + 1
            await world.services.upkeep.run(world.site.now, lambda subject, error: asked.append(subject))
        assert asked.count("app0") == 3
        assert len(asked) == 3 * APPS_AT_ONCE
        for _ in range(3):
            world.site.now += OVERDUE_MS + 1
            await world.services.upkeep.run(world.site.now, lambda subject, error: asked.append(subject))
        assert len(asked) == 6 * APPS_AT_ONCE
        assert len(set(asked)) == 1 + 3 * APPS_AT_ONCE

    with_limits(work)


# The settings.


def test_a_time_is_rounded_up_to_the_minute_and_says_its_day_if_that_is_another() -> None:
    noon = 1_800_014_400_000
    assert str(until("Full.", noon + 1, noon)) == "Full. Try again after 12:01 UTC."
    assert until("Full.", noon + 1, noon).seconds == 60
    assert str(until("Full.", noon + DAY_MS, noon)) == "Full. Try again after 16 Jan, 12:00 UTC."


@pytest.mark.parametrize("value", ["5", -1, 1.5, True])
def test_a_limit_that_is_no_number_is_named(value: object) -> None:
    env = type("Env", (), {"APPS_PER_USER": value})
    with pytest.raises(SettingError, match="APPS_PER_USER"):
        limit(env, "APPS_PER_USER")


def test_each_limit_has_a_setting() -> None:
    assert set(LIMITS) == set(Limits.__slots__)


class Counted(SqliteD1):
    """A database that tells how many rows were written."""

    @property
    def written(self) -> int:
        return self.connection.total_changes


@pytest.mark.parametrize("is_failed", [True, False])
def test_a_retry_that_is_refused_writes_nothing(is_failed: bool) -> None:
    database = Counted()

    async def work(world: World) -> None:
        world.github.on("POST", DISPATCHES, 422)
        assert await begin(world, 0) is None
        world.site.now += 2 * DAY_MS
        await world.services.deploys.forget_old(world.site.now)
        world.github.on("POST", DISPATCHES, 204)
        app = await world.site.app("app0")
        assert await (begin(world, 1) if is_failed else retry(world, 0)) is None
        world.site.now += 1
        before = database.written
        assert not await world.services.deploys.begin_again(
            app, world.site.now, world.services.settings.limits
        )
        assert database.written == before

    with_limits(work, replace(UNLIMITED, deploys_at_once=1), database)


def test_a_retry_is_refused_by_the_limit_that_is_its_own() -> None:
    """Who has as many apps as they may can try one again all the same."""

    async def work(world: World) -> None:
        world.github.on("POST", DISPATCHES, 422)
        assert await begin(world, 0) is None
        world.github.on("POST", DISPATCHES, 204)
        assert await begin(world, 1) is None
        assert str(await retry(world, 0)).startswith("1 of your deploys are under way.")
        assert str(await begin(world, 2)).startswith("You have 2 apps.")

    with_limits(work, replace(UNLIMITED, deploys_at_once=1, apps=2))


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_deletion_that_changes_nothing_writes_nothing(is_deleted: bool) -> None:
    database = Counted()

    async def work(world: World) -> None:
        site = world.site
        await make_site(site)
        app = await add_version(site, 1)
        if is_deleted:
            await site.deployed_app("app1", source=SOURCE)
            assert await site.services.apps.mark_deleted("app1", site.now)
            app = "app1"
        site.now += 1
        before = database.written
        assert not await site.services.apps.mark_deleted(app, site.now)
        assert database.written == before

    with_limits(work, database=database)
