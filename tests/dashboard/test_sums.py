"""Sums: right after whatever happened, small to read, and right again after code that keeps none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.site_making import new_site
from hosting.usage import CLOSED_MS, LOOKS_AT_ONCE, next_look
from model.app import User
from model.checkout import Checkout, Refund
from model.limits import DAY_MS, HOUR_MS
from store import sums
from store.sums import ACCOUNTS, APPS, PAYMENTS, SITES, TAKEN, USERS
from tests.dashboard.dashboard_site import ALICE, BOB, NOW, OPERATOR, SOURCE, UNLIMITED, Site

APP, OTHER = "bcdfghjkmnpq", "bcdfghjkmnpr"
TOKEN = "the-metrics-token"
CHECKOUT = Checkout("cs_1", "payment", "complete", "paid", "usd", 500, APP, None, "pi_1", "succeeded")
# Enough for two apps of a user, so that some are refused.
FEW = replace(UNLIMITED, apps=2)
Act = Callable[[Site], Awaitable[object]]


def begun(number: int) -> Act:
    source = replace(SOURCE, directory=f"d{number % 3}")
    return lambda site: site.services.deploys.begin(f"app{number}", ALICE, source, site.now, FEW)


def became(number: int, status: str, run_id: int) -> Act:
    """As a run is reported, also of an app that isn't there, or that another has written meanwhile."""

    async def work(site: Site) -> None:
        app = await site.services.apps.get(f"app{number}")
        if app is not None and app.deleted_at is None:
            failure = "It broke." if status == "failed" else None
            changed = replace(app, status=status, failure=failure, run_id=run_id, run_ended=True)  # type: ignore[arg-type]
            await site.services.apps.write_if_unchanged(app, changed, site.now)
            await site.services.apps.write_if_unchanged(app, changed, site.now)

    return work


def again(number: int) -> Act:
    async def work(site: Site) -> None:
        app = await site.services.apps.get(f"app{number}")
        if app is not None:
            await site.services.deploys.begin_again(app, site.now, UNLIMITED)

    return work


def paid(call: Callable[[Site], Awaitable[object]]) -> Act:
    async def work(site: Site) -> None:
        if await site.services.payments.has_account(APP):
            await call(site)

    return work


async def record_reversals(site: Site) -> None:
    if await site.services.payments.get("cs_1") is not None:
        version = await site.services.reversals.draw_version("cs_1", site.now)
        refund = Refund("re_1", version % 300 + 1, "succeeded")
        await site.services.reversals.record("cs_1", version, [refund], [], site.now)


def made(name: str, owner: User) -> Act:
    site_ = new_site(name, owner, SOURCE, "main", 0, NOW)
    return lambda site: site.services.sites.create(site_, 2)


ACTS: list[Act] = [
    *(begun(number) for number in range(4)),
    *(became(number, status, 9 + number) for number in range(4) for status in ("failed", "deployed")),
    *(again(number) for number in range(4)),
    *(lambda site, id_=f"app{number}": site.services.apps.mark_deleted(id_, site.now) for number in range(4)),
    lambda site: site.services.apps.mark_removed("app1", site.now),
    lambda site: site.services.site_versions.retire("one", site.now, None),
    *(made(name, owner) for name in ("one", "two", "three") for owner in (ALICE, BOB)),
    lambda site: site.log_in(ALICE),
    lambda site: site.log_in(OPERATOR),
    lambda site: site.services.users.forget(ALICE.id),
    paid(lambda site: site.services.payments.add_open("cs_1", APP, site.now)),
    paid(lambda site: site.services.payments.add_open("cs_2", APP, site.now)),
    paid(lambda site: site.services.payments.record_paid(CHECKOUT, site.now)),
    paid(lambda site: site.services.payments.record_uncredited(CHECKOUT, "currency", site.now)),
    lambda site: site.services.payments.mark("cs_1", "processing"),
    lambda site: site.services.payments.mark("cs_2", "expired"),
    lambda site: site.services.payments.mark_credited("cs_1", APP, site.now),
    lambda site: site.services.payments.mark_failed("cs_1", "No.", site.now),
    lambda site: site.services.payments.give_up("cs_2", site.now + 1),
    lambda site: site.services.payments.forget_expired(site.now + 1),
    record_reversals,
]


async def assert_right(site: Site) -> None:
    """Each sum is what is counted, and a recount finds nothing to change."""
    counted: dict[str, int] = {}
    for part in (APPS, USERS, SITES, PAYMENTS, ACCOUNTS):
        for row in await site.database.execute(part.format(where="")):
            counted[str(row["name"])] = int(row["value"] or 0)
    rows = await site.database.execute("SELECT name, value FROM sums WHERE name <> 'counted_at'")
    kept = {str(row["name"]): row["value"] for row in rows}
    assert {name: value for name, value in kept.items() if value} == {
        name: value for name, value in counted.items() if value
    }
    days = await site.database.execute("SELECT day, apps FROM days WHERE apps <> 0 ORDER BY day")
    assert days == await site.database.execute(
        f"SELECT created_at / {DAY_MS} AS day, count(*) AS apps FROM apps GROUP BY day ORDER BY day"
    )
    wrong = f"SELECT id FROM payments WHERE taken <> {TAKEN}"
    assert await site.database.execute(wrong) == []


@given(st.lists(st.sampled_from(ACTS), max_size=30))
def test_sums_are_what_is_counted_whatever_happened_in_whatever_order(acts: list[Act]) -> None:
    async def work() -> None:
        site = Site()
        await site.add_app(APP, BOB)
        await site.log_in(ALICE)
        for act in acts:
            site.now += HOUR_MS
            await act(site)
        await assert_right(site)

    asyncio.run(work())


def test_what_earlier_code_left_uncounted_is_counted_within_a_day() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APP)
        await site.services.upkeep.run(site.now, ignored)
        await site.database.execute("UPDATE sums SET value = value + 7 WHERE name <> 'counted_at'")
        await site.database.execute("DELETE FROM accounts")
        await site.database.execute("DELETE FROM days")
        site.now += DAY_MS - 1
        await site.services.upkeep.run(site.now, ignored)
        assert (await site.services.sums.totals()).users == 8
        site.billing.getByName(APP).use(3)
        site.now += 1
        await site.services.upkeep.run(site.now, ignored)
        await assert_right(site)
        totals = await site.services.sums.totals()
        assert (totals.apps, totals.users, totals.requests) == ({"deployed": 1}, 1, 3)

    asyncio.run(work())


def test_what_earlier_code_took_back_of_a_payment_is_known_within_a_day() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APP)
        await site.services.payments.record_paid(CHECKOUT, site.now)
        await record_reversals(site)
        for wrong in (0, 500):
            await site.database.execute("UPDATE payments SET taken = ?", wrong)
            site.now += DAY_MS
            await site.services.sums.recount(site.now)
            await assert_right(site)

    asyncio.run(work())


def test_an_account_that_is_closed_is_asked_again_once_money_has_moved() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APP)
        services = site.services
        await services.upkeep.run(site.now, ignored)

        async def turn() -> object:
            (row,) = await site.database.execute("SELECT look_at FROM accounts WHERE account = ?", APP)
            await site.database.execute("UPDATE accounts SET look_at = NULL")
            return row["look_at"]

        await turn()
        await services.payments.record_paid(CHECKOUT, site.now)
        await services.payments.mark_credited("cs_1", APP, site.now)
        assert await turn() == site.now
        await record_reversals(site)
        (due,) = await services.reversals.due(site.now, 9)
        await services.reversals.mark_booked(due, site.now + 1)
        assert await turn() == site.now + 1

    asyncio.run(work())


# What all accounts have used.


async def upkept(site: Site, after: int) -> tuple[int, int]:
    """All requests and their cost, once the cron trigger came after a time."""
    site.now += after
    await site.services.upkeep.run(site.now, ignored)
    await assert_right(site)
    totals = await site.services.sums.totals()
    return totals.requests, totals.cost_nano_usd


def ignored(subject: str, error: Exception) -> None:
    raise AssertionError(subject) from error


def test_a_recount_that_fails_is_not_tried_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        site = Site()
        failed: list[str] = []
        monkeypatch.setattr(sums, "RECOUNT", (*sums.RECOUNT, "SELECT * FROM too_much"))
        for _ in range(3):
            await site.services.upkeep.run(site.now, lambda part, error: failed.append(part))
            site.now += HOUR_MS
        assert failed == ["recount"]

    asyncio.run(work())


def test_who_is_known_logs_in_without_writing_a_sum() -> None:
    async def work() -> None:
        site = Site()
        await site.log_in(ALICE)
        before = site.database.connection.total_changes
        site.now += 1
        await site.log_in(ALICE)
        assert site.database.connection.total_changes - before == 3  # user and session

    asyncio.run(work())


def test_what_all_accounts_have_used_is_added_up_once() -> None:
    async def work() -> None:
        site = Site()
        for app_id in (APP, OTHER):
            await site.deployed_app(app_id, source=replace(SOURCE, directory=app_id))
            site.billing.getByName(app_id).pay("cs_1", 500)
        site.billing.getByName(APP).use(130)
        assert await upkept(site, 0) == (130, 30 * 300)
        site.billing.getByName(APP).use(1)
        site.billing.getByName(OTHER).use(102)
        assert await upkept(site, HOUR_MS - 1) == (130, 30 * 300)
        assert await upkept(site, 1) == (233, 33 * 300)
        assert await upkept(site, HOUR_MS) == (233, 33 * 300)
        page = (await site.visitor(OPERATOR).get("/operator")).text
        assert "<dt>Requests</dt><dd>233</dd>" in page
        assert "<dt>Their cost</dt>" in page
        assert "$0.0000099" in page

    asyncio.run(work())


def test_the_operators_page_asks_no_object_for_its_latest_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        site = Site()
        for app_id in (APP, OTHER):
            await site.deployed_app(app_id, source=replace(SOURCE, directory=app_id))
        site.billing.getByName(APP).pay("cs_1", 1_234_567)
        site.billing.getByName(APP).use(1_234)
        await upkept(site, 0)
        await site.add_app("bcdfghjkmnps")
        await site.database.execute("UPDATE accounts SET changed_at = 0 WHERE account = ?", OTHER)
        operator = site.visitor(OPERATOR)
        await operator.get("/")
        monkeypatch.setattr(site.billing, "getByName", None)
        page = (await operator.get("/operator")).text
        rows = {app_id: row for row in page.split("<tr>") for app_id in (APP, OTHER) if f">{app_id}<" in row}
        assert all(shown in rows[APP] for shown in (">1,234<", ">$12,345.67<", 'title="$0.0003402"'))
        assert rows[OTHER].count(">–<") == 3, "it was never asked"

    asyncio.run(work())


def test_requests_are_charted_by_the_day_on_which_they_were_seen() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APP)
        await upkept(site, 0)
        site.billing.getByName(APP).use(5)
        await upkept(site, HOUR_MS)
        site.billing.getByName(APP).use(2)
        await upkept(site, DAY_MS)
        assert (await site.services.sums.days(site.now, 3)).requests == [0, 5, 2]
        assert "Requests per day" in (await site.visitor(OPERATOR).get("/operator")).text

    asyncio.run(work())


def test_what_was_used_before_there_were_sums_is_of_no_day() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APP)
        await site.database.execute("UPDATE accounts SET changed_at = 0")  # as the migration leaves it
        site.billing.getByName(APP).use(50)
        assert await upkept(site, 0) == (50, 0)
        site.billing.getByName(APP).use(4)
        await upkept(site, HOUR_MS)
        assert sum((await site.services.sums.days(site.now, 3)).requests) == 4

    asyncio.run(work())


def test_an_object_that_does_not_answer_keeps_what_is_known_and_is_asked_again() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APP)
        site.billing.getByName(APP).use(5)
        await upkept(site, 0)
        site.billing.getByName(APP).use(5)
        site.billing.is_down = True
        failed: list[str] = []
        site.now += HOUR_MS
        await site.services.upkeep.run(site.now, lambda subject, error: failed.append(subject))
        assert failed == [APP]
        site.billing.is_down = False
        assert await upkept(site, HOUR_MS) == (10, 0)

    asyncio.run(work())


def test_a_closed_account_stays_in_the_sums_and_is_asked_no_more() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APP)
        site.billing.getByName(APP).use(5)
        await upkept(site, 0)
        await site.billing.getByName(APP).close_account()
        assert await upkept(site, HOUR_MS) == (5, 0)
        assert await upkept(site, HOUR_MS) == (5, 0)
        assert await site.database.execute("SELECT look_at FROM accounts") == [{"look_at": None}]
        assert await site.services.accounts.late(site.now + DAY_MS) == 0

    asyncio.run(work())


def test_no_run_asks_more_than_some_and_what_waits_is_told() -> None:
    async def work() -> None:
        site = Site()
        for number in range(LOOKS_AT_ONCE + 1):
            await site.deployed_app(f"app{number}", User(100 + number, f"user-{number}", None))
        site.now += HOUR_MS
        await site.services.upkeep.counting.look(site.now, ignored)
        assert await site.services.accounts.late(site.now) == HOUR_MS
        assert "that is 1 hour behind" in (await site.visitor(OPERATOR).get("/operator")).text
        await site.services.upkeep.counting.look(site.now, ignored)
        assert await site.services.accounts.late(site.now) == 0

    asyncio.run(work())


@given(st.integers(0, 2**41), st.integers(0, 2**41), st.none() | st.integers(0, 2**41))
def test_an_account_is_asked_within_a_day_until_it_is_closed(now: int, changed: int, closed: int) -> None:
    next_at = next_look(now, min(now, changed), closed)
    if closed is not None and closed <= now - CLOSED_MS:
        assert next_at is None
    else:
        assert next_at is not None
        assert HOUR_MS <= next_at - now <= DAY_MS


def test_amounts_that_no_number_of_javascripts_holds_are_exact() -> None:
    async def work() -> None:
        site = Site()
        await site.deployed_app(APP)
        cost = 2**53 + 1
        await site.database.execute(
            "UPDATE accounts SET cost_nano_usd = CAST(? AS INTEGER), look_at = 0", str(cost)
        )
        (known,) = await site.services.accounts.claim(site.now, site.now, 1)
        await site.services.accounts.note([replace(known, cost_nano_usd=str(cost + 2))], site.now)
        (known,) = await site.services.accounts.claim(site.now, site.now, 1)
        assert known.cost_nano_usd == str(cost + 2)
        await site.database.execute("DELETE FROM sums")
        await site.services.sums.recount(site.now)
        assert (await site.services.sums.totals()).cost_nano_usd == cost + 2

    asyncio.run(work())


# What it costs to look.

PIECE = 20  # of SQLite's steps


async def steps_of(site: Site, path: str, token: str = "") -> int:
    """How many steps SQLite takes for a page (in pieces): each row that is read is some."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    visitor = site.visitor(OPERATOR)
    await visitor.get("/")
    site.database.connection.set_progress_handler(count, PIECE)
    response = await visitor.get(path, {"authorization": f"Bearer {token}"} if token else None)
    site.database.connection.set_progress_handler(None, 0)
    assert response.status_code == 200
    return taken


async def with_many(apps: int) -> Site:
    """Each with an owner and a payment; long deployed, but for a few."""
    site = Site(METRICS_TOKEN=TOKEN)
    await site.add_app(APP, BOB)
    run = site.database.connection.executemany
    numbers = [(number, f"a{number}") for number in range(100, 100 + apps)]
    run("INSERT INTO users VALUES (?1, ?2, NULL, ?1, ?1)", numbers)
    run(
        "INSERT INTO apps (id, user_id, repository, git_ref, commit_hash, directory, status, run_id, "
        "run_ended, created_at, changed_at, deployed_at) "
        f"VALUES (?2, ?1, ?2 || '/x', 'main', '{'a' * 40}', '', 'deployed', ?1, 1, ?1, ?1, ?1)",
        numbers,
    )
    run(
        "INSERT INTO payments (id, app_id, status, amount_cents, created_at, paid_at) "
        "VALUES ('cs_' || ?2, ?2, 'credited', 500, ?1, ?1)",
        numbers,
    )
    run(
        "INSERT INTO sites (name, user_id, repository, directory, branch, created_at, changed_at, told_at) "
        "VALUES (?2 || '-site', ?1, 'a/b', '', 'main', ?1, ?1, ?1)",
        numbers,
    )
    await site.services.sums.recount(site.now)
    return site


def test_what_a_look_reads_does_not_grow_with_the_apps() -> None:
    async def work() -> None:
        few, many = await with_many(100), await with_many(10_000)
        assert (await many.services.sums.totals()).apps["deployed"] == 10_000
        for path, token in (("/operator", ""), ("/operator/health", ""), ("/operator/metrics", TOKEN)):
            before, after = await steps_of(few, path, token), await steps_of(many, path, token)
            assert before <= after <= before * 1.1, path
            # So a row that is read of each app would be seen.
            assert before * PIECE < 10_000

    asyncio.run(work())
