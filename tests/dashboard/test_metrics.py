"""`/operator/metrics`: what it says, to whom, and that it is OpenMetrics."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from model.app import Source
from store.sums import PAYMENTS, summed
from tests.dashboard.dashboard_site import ALICE, OPERATOR, Site

TOKEN = "the-metrics-token"
PATH = "/operator/metrics"
APP, OTHER = "bcdfghjkmnpq", "bcdfghjkmnpr"
LINE = re.compile(r'# (TYPE \w+ gauge|HELP \w+ .+|EOF)|\w+(\{\w+="[\w ]+"\})? -?[0-9.e+-]+')


def run(work: Callable[[Site], Awaitable[None]], **env: str) -> None:
    async def begin() -> None:
        await work(Site(**{"METRICS_TOKEN": TOKEN, **env}))

    asyncio.run(begin())


async def text_of(site: Site) -> str:
    response = await site.visitor().get(PATH, {"authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    return str(response.text)


def test_it_tells_apps_deploys_payments_and_what_waits() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        site.now += 5_000
        await site.add_app(OTHER, ALICE, Source("alice/other", "main", "b" * 40, ""))
        paid = (
            "INSERT INTO payments (id, app_id, status, amount_cents, created_at, paid_at, failed_at) "
            "VALUES ('cs_test_1', ?1, 'paid', 250, ?2, ?2, 1)",
            (APP, site.now),
        )
        await site.database.batch(*summed(PAYMENTS, "id = ?1", ("cs_test_1",), paid))
        site.now += 7_500
        text = await text_of(site)
        for line in (
            'codius_apps{state="deployed"} 1',
            'codius_apps{state="pending"} 1',
            "codius_users 1",
            'codius_deploys{outcome="deployed"} 1',
            'codius_deploys{outcome="under_way"} 1',
            'codius_payments{status="paid"} 1',
            "codius_paid_dollars 2.5",
            'codius_waiting{part="apps"} 1',
            'codius_oldest_waiting_seconds{part="apps"} 7.5',
            'codius_waiting{part="payments"} 1',
            "codius_unbooked_payments 1",
            "codius_differences 0",
        ):
            assert line in text.splitlines(), line

    run(work)


def test_every_line_is_of_the_format_and_the_end_is_marked() -> None:
    async def work(site: Site) -> None:
        site.services.refusing.tally.note("COSTLY unknown apps", "IPv4")
        await site.services.refusing.write(site.now)
        lines = (await text_of(site)).split("\n")
        assert 'codius_refusals{limit="COSTLY unknown apps"} 1' in lines
        assert lines[-2:] == ["# EOF", ""]
        assert all(LINE.fullmatch(line) for line in lines[:-1])
        names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
        assert len(names) == len(set(names))

    run(work)


@pytest.mark.parametrize("given", ["", "Bearer wrong", TOKEN, f"bearer {TOKEN}", "Bearer ü"])
def test_without_the_token_nothing_is_told(given: str) -> None:
    async def work(site: Site) -> None:
        response = await site.visitor(OPERATOR).get(PATH, {"authorization": given})
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"  # RFC 9110, section 15.5.2
        assert "codius_apps" not in response.text

    run(work)


def test_where_no_token_is_set_there_is_no_such_page() -> None:
    async def work(site: Site) -> None:
        assert (await site.visitor().get(PATH, {"authorization": "Bearer "})).status_code == 404

    run(work, METRICS_TOKEN="")
