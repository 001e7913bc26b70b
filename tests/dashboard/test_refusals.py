"""What limits refuse is told to the operator, bounded, and never at the cost of a row for each refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.app import User
from model.limits import DAY_MS, HOUR_MS, LimitReachedError
from model.rates import Rates
from model.refusals import MOST_KEYS, OTHERS, PERIOD_MS, Refusal, Tally
from model.site import OnItsWayError
from store.database import Row, Statement, Value
from store.deploys import Deploys, ForSite
from store.refusals import KEPT_DAYS, MOST_A_DAY
from tests.dashboard.dashboard_site import ALICE, GITHUB, OPERATOR, SOURCE, UNLIMITED, Counting, Site
from tests.dashboard.one_branch import Branch, github
from tests.dashboard.sqlite_d1 import SqliteD1
from tests.dashboard.test_metrics import PATH, TOKEN
from tests.dashboard.test_sites import NAME, make_site

ADDRESS, NETWORK = "192.0.2.7", "2001:db8:1:2::3"


class Counted(SqliteD1):
    """A database that counts what is written of refusals, and fails if it is to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes, self.is_down = 0, False

    async def batch(self, *statements: Statement) -> list[list[Row]]:
        if statements[0][0].startswith("INSERT INTO refusals"):
            self.writes += 1
            if self.is_down:
                raise RuntimeError("D1 is down")
        return await super().batch(*statements)


def on_site(work: Callable[[Site], Awaitable[None]], **more: object) -> None:
    async def run() -> None:
        await work(Site(METRICS_TOKEN=TOKEN, **more))  # type: ignore[arg-type]

    asyncio.run(run())


async def kept(site: Site) -> list[tuple[Value, ...]]:
    rows = await site.database.execute("SELECT limited, asker, times FROM refusals ORDER BY limited, asker")
    return [tuple(row.values()) for row in rows]


async def deploy(site: Site, number: int) -> int:
    """The status of the answer; the source is known already, so that only the limits are asked."""
    source = replace(SOURCE, directory=f"d{number}")
    try:
        await site.services.deployments.deploy(f"app{number}", ALICE, source, site.now)
    except Exception as error:
        return getattr(error, "status", 500)
    return 303


@pytest.mark.parametrize(
    ("limit", "setting"),
    [
        ("deploys_at_once", "DEPLOYS_AT_ONCE"),
        ("deploys_per_hour", "DEPLOYS_PER_HOUR"),
        ("deploys_per_day", "DEPLOYS_PER_DAY"),
        ("apps", "APPS_PER_USER"),
        ("all_deploys_per_day", "ALL_DEPLOYS_PER_DAY"),
    ],
)
def test_the_operator_sees_which_limit_refused_whom_and_how_often(limit: str, setting: str) -> None:
    async def work(site: Site) -> None:
        await site.log_in(ALICE)
        site.servers[GITHUB] = no_github
        assert [await deploy(site, number) for number in range(4)] == [303, 303, 429, 429]
        await site.visitor().get("/")
        assert await kept(site) == [(setting, "1", 2)]
        page = unescape((await site.visitor(OPERATOR).get("/operator")).text)
        assert f"<code>{setting}</code>" in page
        assert '<a href="/operator/users?q=1">alice</a>' in page
        metrics = (await site.visitor().get(PATH, {"authorization": f"Bearer {TOKEN}"})).text
        assert f'codius_refusals{{limit="{setting}"}} 2' in metrics.splitlines()

    on_site(work, limits=replace(UNLIMITED, **{limit: 2}))


async def no_github(scope: object, receive: object, send: Callable[[object], Awaitable[None]]) -> None:
    """The run isn't known to have begun: it stays under way."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_look_ups_are_counted_too() -> None:
    async def work(site: Site) -> None:
        visitor = site.visitor(ALICE)
        form = {"repository": f"{GITHUB}/alice/hello"}
        assert [(await visitor.post("/apps", form)).status_code for _ in range(3)] == [422, 429, 429]
        site.now += HOUR_MS
        await visitor.get("/")
        assert await kept(site) == [("LOOKUPS_PER_HOUR", "1", 2)]

    on_site(work, limits=replace(UNLIMITED, lookups_per_hour=1))


def test_sites_are_counted_too() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app("bcdfghjkmnpq")
        with pytest.raises(LimitReachedError):
            await site.services.site_making.create(ALICE, "example", "", "bcdfghjkmnpq", 0, site.now)
        await site.visitor().get("/")
        assert await kept(site) == [("SITES_PER_USER", "1", 1)]

    on_site(work, servers={GITHUB: github(Branch())}, limits=replace(UNLIMITED, sites=0))


def test_a_second_new_version_of_a_site_at_once_is_no_limit_that_was_hit() -> None:
    async def work(site: Site) -> None:
        site.servers[GITHUB] = no_github
        await make_site(site)
        for_site, newer = ForSite(NAME, ALICE), replace(SOURCE, commit_hash="b" * 40)
        await site.services.deployments.deploy("app1", ALICE, SOURCE, site.now, for_site)
        with pytest.raises(OnItsWayError):
            await site.services.deployments.deploy("app2", ALICE, newer, site.now, for_site)
        await site.visitor().get("/")
        assert await kept(site) == []

    on_site(work)


def test_what_no_limit_refuses_any_more_is_no_limit_that_was_hit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a deploy that kept it from being begun has ended before it is asked which limit did."""

    async def refuse(*_: object) -> bool:
        return False

    async def work(site: Site) -> None:
        await site.log_in(ALICE)
        monkeypatch.setattr(Deploys, "begin", refuse)
        with pytest.raises(LimitReachedError, match="Try again"):
            await site.services.deployments.deploy("app1", ALICE, SOURCE, site.now)
        await site.visitor().get("/")
        assert await kept(site) == []

    on_site(work)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"cf-connecting-ip": ADDRESS}, "IPv4"),
        ({"cf-connecting-ip": NETWORK}, "IPv6"),
        ({"cf-connecting-ip": "2a06:98c0:3600::103", "cf-worker": "<script>.example"}, "Workers"),
    ],
)
def test_addresses_are_counted_by_their_kind_and_never_kept(headers: dict[str, str], kind: str) -> None:
    async def work(site: Site) -> None:
        visitor = site.visitor()
        statuses = [(await visitor.get("/", headers)).status_code for _ in range(5)]
        assert statuses == [200, 429, 429, 429, 429]
        site.now += PERIOD_MS
        await visitor.get("/docs")
        assert await kept(site) == [("REQUESTS", kind, 4)]
        stored = "\n".join(line for line in site.database.dump() if line.startswith("INSERT"))
        assert not any(part in stored for part in (ADDRESS, "2001:db8", "script", "2a06"))

    on_site(work, rates=Rates(Counting(1), Counting()))


def test_what_is_costly_is_counted_by_what_it_is() -> None:
    async def work(site: Site) -> None:
        visitor = site.visitor(ALICE)
        for _ in range(2):
            await visitor.get("/payments.csv")
        stranger = site.visitor()
        for _ in range(2):
            await stranger.get("/apps/bcdfghjkmnpq/402", {"cf-connecting-ip": ADDRESS})
        site.now += PERIOD_MS
        await visitor.get("/")
        assert await kept(site) == [("COSTLY exports", "1", 1), ("COSTLY unknown apps", "IPv4", 1)]

    on_site(work, rates=Rates(Counting(), Counting(1)))


def test_a_flood_is_counted_and_written_once_in_a_while() -> None:
    database = Counted()

    async def work(site: Site) -> None:
        visitor = site.visitor()
        for _ in range(201):
            await visitor.get("/", {"cf-connecting-ip": ADDRESS})
        assert database.writes == 1
        site.now += PERIOD_MS
        await site.visitor().get("/")  # whoever asks next
        assert database.writes == 2
        assert await kept(site) == [("REQUESTS", "IPv4", 200)]
        await site.visitor().get("/")
        assert database.writes == 2  # and nothing where nothing was refused

    on_site(work, rates=Rates(Counting(1), Counting()), database=database)


def test_a_database_that_fails_spoils_no_answer() -> None:
    database = Counted()
    database.is_down = True

    async def work(site: Site) -> None:
        visitor = site.visitor()
        statuses = [(await visitor.get("/", {"cf-connecting-ip": ADDRESS})).status_code for _ in range(3)]
        assert statuses == [200, 429, 429]
        assert database.writes == 1

    on_site(work, rates=Rates(Counting(1), Counting()), database=database)


def test_no_crowd_of_users_fills_the_table_or_hides_how_much_was_refused() -> None:
    async def work(site: Site) -> None:
        for number in range(1_000):
            user = User(100 + number, f"user-{number}", None)
            site.services.refusing.note("DEPLOYS_PER_DAY", user)
            if number % 10 == 9:
                site.now += PERIOD_MS
                await site.services.refusing.write(site.now)
        rows = await kept(site)
        assert len(rows) <= MOST_A_DAY + MOST_KEYS
        assert sum(int(row[2] or 0) for row in rows) == 1_000
        assert OTHERS in {row[1] for row in rows}
        # Who is there already is still counted by name.
        site.services.refusing.note("DEPLOYS_PER_DAY", User(100, "user-0", None))
        site.now += PERIOD_MS
        await site.services.refusing.write(site.now)
        assert ("DEPLOYS_PER_DAY", "100", 2) in await kept(site)
        assert (await site.visitor(OPERATOR).get("/operator")).text.count("DEPLOYS_PER_DAY") == 25

    on_site(work)


def test_it_is_forgotten_after_some_days_and_a_recount_keeps_the_total() -> None:
    async def work(site: Site) -> None:
        site.services.refusing.note("DEPLOYS_PER_DAY", ALICE)
        await site.services.refusing.write(site.now)
        site.now += (KEPT_DAYS - 1) * DAY_MS
        await site.services.upkeep.run(site.now, lambda subject, error: None)
        assert len(await kept(site)) == 1
        site.now += DAY_MS
        assert "Nothing was refused" in (await site.visitor(OPERATOR).get("/operator")).text
        await site.services.upkeep.run(site.now, lambda subject, error: None)
        assert await kept(site) == []
        assert (await site.services.sums.totals()).refusals == {"DEPLOYS_PER_DAY": 1}

    on_site(work)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200), st.integers(0, PERIOD_MS)), max_size=300))
def test_an_instance_keeps_and_writes_little_and_counts_all(acts: Sequence[tuple[int, int, int]]) -> None:
    tally, now, taken = Tally(), 0, list[list[Refusal]]()
    for limit, asker, later in acts:
        tally.note(f"limit {limit}", str(asker))
        now += later
        if written := tally.take(now):
            taken.append(written)
    rest = tally.take(now + PERIOD_MS)
    assert sum(one.times for part in (*taken, rest) for one in part) == len(acts)
    assert all(len(part) <= MOST_KEYS + 4 for part in (*taken, rest))
    assert len(taken) <= 1 + now // PERIOD_MS
