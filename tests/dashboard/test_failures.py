"""What dispatch tells of failures, kept for an app's deployer: bounded, added up, shown to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from html import unescape

import httpx
import pytest

from failures import PERIOD_MS
from failures import Failures as Collector
from model.app import Source
from model.limits import HOUR_MS
from store.failures import KEPT_MS, MAX_REQUESTS, MOST_KINDS, NEW_PER_HOUR
from tests.dashboard.dashboard_site import ALICE, BOB, NOW, OPERATOR, Site
from tests.dashboard.test_leaving import prepare

APP, OTHER = "bcdfghjkmnpq", "bcdfghjkmnpr"
PAGE = f"/apps/{APP}"


def on_site(work: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        site = Site()
        await site.deployed_app(APP)
        await work(site)

    asyncio.run(run())


async def fail(
    site: Site, *messages: str, app: str = APP, path: str = "/", request: str = "request-1", now: int = 0
) -> None:
    """As an instance of dispatch tells it."""
    collector = Collector()
    for message in messages:
        collector.note(app, message, path, request, now or site.now)
        for report in collector.take(now or site.now):
            await site.services.failures.note(report)


async def kept(site: Site, app: str = APP) -> int:
    rows = await site.database.execute("SELECT count(*) AS kinds FROM failures WHERE app_id = ?", app)
    return int(rows[0]["kinds"] or 0)


def text_of(response: httpx.Response) -> str:
    assert response.status_code == 200
    return unescape(response.text)


def test_the_deployer_reads_what_failed_and_nobody_else_does() -> None:
    async def work(site: Site) -> None:
        assert "No request failed in the last 30 days." in text_of(await site.visitor(ALICE).get(PAGE))
        message = "<script>alert(1)</script> of the token s3cret"
        await fail(site, message, message, path="/deep", request="8f0e-FRA")
        shown = await site.visitor(ALICE).get(PAGE)
        assert "<script>alert" not in shown.text
        page = text_of(shown)
        for part in (message, '<td data-label="Times" class="number">2</td>', "8f0e-FRA", "/deep"):
            assert part in page
        for viewer in (None, BOB, OPERATOR):
            page = text_of(await site.visitor(viewer).get(f"{PAGE}?request=8f0e-FRA"))
            assert "s3cret" not in page
            assert "Failed lately" not in page

    on_site(work)


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Worker exceeded CPU time limit.", "Processor time used up"),
        ("Worker has exceeded memory limit.", "Memory used up"),
        ("Too many subrequests.", "Too many requests of its own"),
        ("The Workers runtime … that your Worker's code had hung and would never", "No answer"),
        ("TypeError: x is not a function", None),
    ],
)
def test_limits_are_named_as_such(message: str, title: str | None) -> None:
    async def work(site: Site) -> None:
        await fail(site, message)
        page = text_of(await site.visitor(ALICE).get(PAGE))
        assert f"{message}<span" in page
        assert ("<strong>" + title if title else '<td data-label="Message" class="name">' + message) in page

    on_site(work)


def test_what_several_instances_tell_is_added_up() -> None:
    async def work(site: Site) -> None:
        await fail(site, "no user 1", request="first", now=NOW)
        await fail(site, "no user 2", "no user 3", request="second", now=NOW + 5)
        (failure,) = await site.services.failures.of_app(APP, site.now)
        assert asdict(failure) | {"path": "/"} == {
            "kind": "no user #",
            "message": "no user 3",
            "path": "/",
            "requests": ("second", "second", "first"),
            "times": 3,
            "first_at": NOW,
            "last_at": NOW + 5,
        }

    on_site(work)


def test_the_last_kinds_stay_however_many_come() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(OTHER, ALICE, Source("alice/other", "main", "b" * 40, ""))
        await fail(site, "of the other", app=OTHER)
        for number in range(3 * MOST_KINDS):
            await fail(site, "x" * (number + 1), now=site.now + number * HOUR_MS // NEW_PER_HOUR)
            assert await kept(site) <= MOST_KINDS
        failures = await site.services.failures.of_app(APP, site.now)
        assert [len(failure.message) for failure in failures] == list(
            range(3 * MOST_KINDS, 2 * MOST_KINDS, -1)
        )
        assert await kept(site, OTHER) == 1

    on_site(work)


def test_a_crowd_of_new_kinds_is_counted_together_and_drives_none_out() -> None:
    async def work(site: Site) -> None:
        await fail(site, "known")
        for number in range(3 * MOST_KINDS):
            await fail(site, "x" * (number + 1))
        await fail(site, "known")
        failures = {failure.kind: failure for failure in await site.services.failures.of_app(APP, site.now)}
        assert len(failures) == NEW_PER_HOUR + 1
        assert failures["known"].times == 2
        assert failures[""].times == 3 * MOST_KINDS - NEW_PER_HOUR + 1
        assert (
            "Of many different messages the latest</strong>: x" in (await site.visitor(ALICE).get(PAGE)).text
        )

    on_site(work)


def test_a_thousand_failures_a_second_write_a_few_rows_in_ten() -> None:
    async def work(site: Site) -> None:
        collector, due, reports = Collector(), NOW, 0
        before = site.database.connection.total_changes
        for millisecond in range(60_000):
            now = NOW + millisecond
            collector.note(APP, "y" * (millisecond % 150), "/", f"id-{millisecond}", now)
            wait = collector.begin(now)
            due = due if wait is None else now + wait
            if now == due:
                for report in collector.take(now):
                    reports += 1
                    await site.services.failures.note(report)
        assert reports <= 60_000 / PERIOD_MS
        # Of what is known already, one row (docs/operating.md, "What a request costs you").
        assert site.database.connection.total_changes - before <= reports * 5
        before = site.database.connection.total_changes
        await fail(site, "y")
        assert site.database.connection.total_changes - before == 1
        for report in collector.take(NOW):
            await site.services.failures.note(report)
        assert sum(failure.times for failure in await site.services.failures.of_app(APP, NOW)) == 60_001

    on_site(work)


def test_a_request_is_found_by_the_id_on_its_error_page() -> None:
    async def work(site: Site) -> None:
        await fail(site, "wanted", request="8f0e1c2d3a4b5c6d-FRA")
        await fail(site, "another", request="8f0e1c2d3a4b5c6e-FRA")
        await fail(site, *["wanted"] * 20, request="later")
        alice = site.visitor(ALICE)
        for searched, found in {"8f0e1c2d3a4b5c6d-FRA": True, " later ": True, "8f0e": False}.items():
            page = text_of(await alice.get(f"{PAGE}?request={searched}"))
            assert ("wanted<span" in page) is found, searched
            assert "another<span" not in page
        page = text_of(await alice.get(f'{PAGE}?request="><script>{"x" * 1_000}'))
        assert "No failure of this request is known" in page

    on_site(work)


def test_ids_of_any_number_and_length_stay_within_their_bound() -> None:
    async def work(site: Site) -> None:
        for number in range(30):
            await fail(site, "message", request=f"{number:0128}")
        rows = await site.database.execute("SELECT length(requests) AS length FROM failures")
        assert rows == [{"length": MAX_REQUESTS}]

    on_site(work)


def test_after_thirty_days_it_is_not_shown_and_then_deleted() -> None:
    async def work(site: Site) -> None:
        await fail(site, "old one")
        site.now += KEPT_MS
        await fail(site, "newer one")
        page = text_of(await site.visitor(ALICE).get(PAGE))
        assert "newer one" in page
        assert "old one" not in page
        await site.services.upkeep.run(site.now, lambda subject, error: None)
        assert await kept(site) == 1

    on_site(work)


def test_of_what_is_deleted_or_no_app_nothing_is_kept(tmp_path) -> None:  # type: ignore[no-untyped-def]
    async def work() -> None:
        site = Site()
        await prepare(site, tmp_path)
        for app in (APP, OTHER, "no-app", "", "bcdfghjkmnps"):
            await fail(site, "message", app=app)
        assert [await kept(site, app) for app in (APP, OTHER, "no-app", "")] == [1, 1, 0, 0]
        await site.visitor(ALICE).post(f"/apps/{OTHER}/delete")
        await fail(site, "too late", app=OTHER)
        assert await kept(site, OTHER) == 0
        await site.visitor(ALICE).post("/account/delete", {"login": "alice"})
        assert [await kept(site, app) for app in (APP, "bcdfghjkmnps")] == [0, 1]

    asyncio.run(work())
