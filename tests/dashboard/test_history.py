"""What is shown, or done each minute, costs no more for all that ever was: measured in SQLite's steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.dashboard.dashboard_site import ALICE, BOB, NOW, Site
from tests.dashboard.test_sites import NAME, add_version, make_site

APP = "bcdfghjkmnpq"
PIECE = 20  # of SQLite's steps
MANY = 5_000
Work = Callable[[Site], Awaitable[object]]


async def steps_of(site: Site, work: Work) -> int:
    """How many steps SQLite takes for it (in pieces): each row that is read is some."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    site.database.connection.set_progress_handler(count, PIECE)
    await work(site)
    site.database.connection.set_progress_handler(None, 0)
    return taken


def numbers(many: int) -> list[tuple[int, str]]:
    return [(number, f"a{number}") for number in range(100, 100 + many)]


async def with_refunds(many: int) -> Site:
    """So many were refunded or had nothing to refund, long ago; two are to be, and two had nothing lately."""
    site = Site()
    await site.deployed_app(APP)
    run = site.database.connection.executemany
    paid = (
        "INSERT INTO payments (id, app_id, status, refund_reason, paid_amount, taken, created_at) "
        "VALUES ({id}, '{app}', 'failed', '{reason}', {amount}, {taken}, {at})"
    )
    rows = numbers(many)
    run(paid.format(id="?2", app=APP, reason="currency", amount=500, taken=500, at="?1"), rows)
    run(
        "INSERT INTO reversals (id, payment_id, amount_cents, version, created_at) "
        "VALUES (?2, ?2, 500, 1, ?1)",
        rows,
    )
    run(paid.format(id="'n' || ?2", app=APP, reason="nothing", amount=0, taken=0, at="?1"), rows)
    lately = [(NOW - number, f"b{number}") for number in range(2)]
    run(paid.format(id="?2", app=APP, reason="currency", amount=500, taken=0, at="?1"), lately)
    run(paid.format(id="'n' || ?2", app=APP, reason="nothing", amount=0, taken=0, at="?1"), lately)
    return site


async def with_deleted_apps(many: int) -> Site:
    """So many versions of a site, and two others that are there; its owner watches their balances."""
    site = Site()
    await make_site(site)
    await site.log_in(BOB)
    site.database.connection.executemany(
        "INSERT INTO apps (id, user_id, repository, git_ref, commit_hash, directory, status, run_ended, "
        "created_at, changed_at, deployed_at, deleted_at, removed_at) "
        f"VALUES (?2, {ALICE.id}, 'alice/hello', 'main', '{'a' * 40}', '', 'deleted', 1, ?1, ?1, ?1, ?1, ?1)",
        numbers(many),
    )
    site.database.connection.executemany(
        "INSERT INTO site_versions (site, app_id, asked_at, is_made, ended_at) "
        f"VALUES ('{NAME}', ?2, ?1, 1, ?1)",
        numbers(many),
    )
    for number in (1, 2):
        await add_version(site, number)
    await site.services.notices.set_threshold(ALICE.id, 100)
    return site


async def retired(site: Site) -> object:
    """The versions that are left after older ones than the last ten were deleted."""
    await site.services.site_versions.retire(NAME, site.now, None)
    return await site.services.site_versions.ready(NAME, 25)


CASES: dict[str, tuple[Callable[[int], Awaitable[Site]], Work, int]] = {
    "refunds": (with_refunds, lambda site: site.services.payments.to_refund(NOW - 9, 25), 4),
    "apps": (with_deleted_apps, lambda site: site.services.apps.of_user(ALICE, NOW * 2, 25), 2),
    "apps that serve": (
        with_deleted_apps,
        lambda site: site.services.apps.of_user(ALICE, NOW * 2, 25, "hello", "serving"),
        2,
    ),
    "failed apps": (
        with_deleted_apps,
        lambda site: site.services.apps.of_user(ALICE, NOW * 2, 25, kind="failed"),
        0,
    ),
    "all apps": (
        with_deleted_apps,
        lambda site: site.services.apps.of_user(ALICE, NOW * 2, 25, kind="all"),
        25,
    ),
    "live apps": (with_deleted_apps, lambda site: site.services.apps.live_of(ALICE, 25), 2),
    "versions": (with_deleted_apps, lambda site: site.services.site_versions.ready(NAME, 25), 2),
    "versions that are kept": (with_deleted_apps, retired, 2),
    "latest version": (with_deleted_apps, lambda site: site.services.site_versions.latest(NAME), 12),
    "balances": (with_deleted_apps, lambda site: site.services.notices.watched(NOW * 2, 25), 3),
}


@pytest.mark.parametrize(("make", "work", "found"), CASES.values(), ids=CASES)
def test_what_is_over_costs_nothing_any_more(
    make: Callable[[int], Awaitable[Site]], work: Work, found: int
) -> None:
    async def compare() -> None:
        few, many = await make(100), await make(MANY)
        assert len(await work(many)) == found  # type: ignore[arg-type]
        before, after = await steps_of(few, work), await steps_of(many, work)
        assert after <= before * 1.1 + 2  # an index of more rows is a little deeper
        # So a row that is read of each would be seen.
        assert before * PIECE < MANY

    asyncio.run(compare())
