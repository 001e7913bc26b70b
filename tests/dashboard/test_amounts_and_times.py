"""Amounts and times as people read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.money import NANO_USD_PER_CENT, dollars, rounded_down
from web.pages import duration, money


@pytest.mark.parametrize(
    ("nano_usd", "shown"),
    [
        (9_999_397_600, '<span title="$9.9993976">$9.99</span>'),
        (10_000_000_000, "$10.00"),
        (602_400, '<span title="$0.0006024">$0.00</span>'),
        (-1, '<span title="-$0.000000001">-$0.01</span>'),
        (0, "$0.00"),
    ],
)
def test_an_amount_has_two_decimals_and_tells_the_exact_one(nano_usd: int, shown: str) -> None:
    assert money(nano_usd) == shown


@given(st.integers(-(10**20), 10**20))
def test_what_is_shown_of_an_amount_is_at_most_a_cent_less(nano_usd: int) -> None:
    assert 0 <= nano_usd - rounded_down(nano_usd) < NANO_USD_PER_CENT
    assert re.fullmatch(r"-?\$[\d,]+\.\d\d", re.sub("<[^>]*>", "", money(nano_usd)))
    assert dollars(nano_usd) in money(nano_usd)


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(0, "1 s"), (1, "1 s"), (59_400, "59 s"), (60_000, "1 min 0 s"), (3_723_000, "62 min 3 s")],
)
def test_how_long_a_deploy_took_is_said_in_minutes_and_seconds(milliseconds: int, said: str) -> None:
    assert duration(milliseconds) == said
