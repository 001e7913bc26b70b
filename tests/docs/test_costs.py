"""What docs/operating.md says that a request costs an operator at most, computed from the settings again."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable

import pytest

from ledger import Ledger
from local.staging import ROOT
from pricing import Price
from tests.billing.sqlite_database import SqliteDatabase

PAGE = (ROOT / "docs" / "operating.md").read_text()
SECTION = PAGE.partition("## What a request costs you")[2].partition("\n## ")[0]
LINE = re.compile(r"^\| ([a-z][^|]+?) \| ([0-9.]+)[^|]* \| \$([0-9.]+) \| ([0-9.]+) \|$", re.MULTILINE)
# The amounts, list prices per million and dollars per million requests of the table.
LINES = LINE.findall(SECTION)
COSTS = {what: (float(amount), float(price), float(cost)) for what, amount, price, cost in LINES}
DISPATCH_MS, DASHBOARD_MS = 5, 10
ROWS_OF_A_FAILURE = 1  # see `test_failures.py` of the dashboard
DAY_MS = 86_400_000


def variables(config: str) -> dict[str, int]:
    found: dict[str, int] = tomllib.loads((ROOT / config).read_text())["vars"]
    return found


def test_every_line_is_its_amount_times_its_price() -> None:
    assert len(COSTS) == 6
    for what, (amount, price, cost) in COSTS.items():
        assert cost == pytest.approx(amount * price, abs=0.005), what


def test_the_sum_and_what_a_request_earns_are_those_of_the_settings() -> None:
    dispatch, billing = variables("wrangler.toml"), variables("billing/wrangler.toml")
    assert COSTS["milliseconds of the processor"][0] == dispatch["APP_CPU_MS"] + DISPATCH_MS + DASHBOARD_MS
    total = sum(cost for _, _, cost in COSTS.values())
    assert f"| in all | | | {total:.2f} |" in SECTION
    earned = billing["REQUEST_UNIT_PRICE_NANO_USD"] / billing["TOTAL_REQUESTS_PER_UNIT"] / 1_000
    assert f"| earned | | | {earned:.2f} |" in SECTION
    # The price that is named covers it.
    (price,) = re.findall(r"`REQUEST_UNIT_PRICE_NANO_USD = ([0-9]+)`", SECTION)
    assert total <= int(price) / 1e9 < total + 1


def rows_written(work: Callable[[Ledger], object]) -> int:
    """By the first request of a day, on an account that has served on the day before."""
    database = SqliteDatabase()
    price = Price(included_requests=1_000_000, unit_price_nano_usd=1, requests_per_unit=1)
    ledger = Ledger(database, price)
    ledger.open(0)
    ledger.take_lease(0, 1)
    before = database.connection.total_changes
    work(ledger)
    return database.connection.total_changes - before


def test_no_request_writes_more_rows_than_the_table_says() -> None:
    def lease_of_which_one_request_is_served(ledger: Ledger) -> None:
        lease = ledger.take_lease(DAY_MS, 1_000)
        assert not isinstance(lease, str)
        assert lease.id is not None
        ledger.settle_lease(DAY_MS, lease.id, 1)

    most = COSTS["rows written"][0] - ROWS_OF_A_FAILURE
    assert rows_written(lambda ledger: ledger.take_lease(DAY_MS, 1)) <= most
    assert rows_written(lease_of_which_one_request_is_served) == most
