"""What requests cost: exact, and never more than was paid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing import NANO_USD_PER_CENT, Price

TEN_BILLION_USD = 10**12  # cents
DEFAULT = Price(included_requests=100, unit_price_nano_usd=300_000_000, requests_per_unit=1_000_000)

prices = st.builds(
    Price,
    included_requests=st.integers(0, 10**6),
    unit_price_nano_usd=st.integers(1, 10**12),
    requests_per_unit=st.integers(1, 10**9),
)
fundings = st.integers(0, TEN_BILLION_USD)
any_fundings = st.integers(-TEN_BILLION_USD, TEN_BILLION_USD)
counts = st.integers(0, 10**17)


@given(prices, fundings)
def test_serving_all_that_is_allowed_never_makes_the_balance_negative(price: Price, funding: int) -> None:
    assert price.balance_nano_usd(funding, price.allowed_requests(funding)) >= 0


@given(prices, fundings)
def test_one_request_more_than_allowed_costs_more_than_was_paid(price: Price, funding: int) -> None:
    charged = price.allowed_requests(funding) + 1 - price.included_requests
    assert charged * price.unit_price_nano_usd > funding * NANO_USD_PER_CENT * price.requests_per_unit


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 10**6), fundings)
def test_one_more_makes_the_balance_negative_where_a_request_costs_whole_nano_usd(
    included: int, request_price: int, unit: int, funding: int
) -> None:
    price = Price(included, request_price * unit, unit)
    assert price.balance_nano_usd(funding, price.allowed_requests(funding) + 1) < 0


@given(prices, any_fundings, fundings)
def test_more_funding_never_allows_less(price: Price, funding: int, more: int) -> None:
    assert price.allowed_requests(funding + more) >= price.allowed_requests(funding)


@given(prices, counts, counts)
def test_more_requests_never_cost_less(price: Price, requests: int, more: int) -> None:
    assert price.cost_nano_usd(requests + more) >= price.cost_nano_usd(requests)


@given(prices, st.integers(1, TEN_BILLION_USD))
def test_funding_below_zero_takes_at_least_what_the_same_payment_gives(price: Price, owed: int) -> None:
    given_for_it = price.allowed_requests(owed) - price.included_requests
    taken = price.included_requests - price.allowed_requests(-owed)
    assert taken >= max(1, given_for_it)


@given(prices)
def test_included_requests_are_allowed_and_free(price: Price) -> None:
    assert price.allowed_requests(0) == price.included_requests
    assert price.cost_nano_usd(price.included_requests) == 0


@pytest.mark.parametrize(
    ("funding", "allowed"),
    [
        (-1, -33_234),
        (0, 100),
        (1, 33_433),
        (3, 100_100),
        (30, 1_000_100),
        (TEN_BILLION_USD, 33_333_333_333_333_433),
    ],
)
def test_the_default_price_allows(funding: int, allowed: int) -> None:
    assert DEFAULT.allowed_requests(funding) == allowed


@pytest.mark.parametrize(
    ("requests", "cost"),
    [
        (0, 0),
        (100, 0),
        (101, 300),
        (1_000_100, 300_000_000),
        (33_333_333_333_333_433, 9_999_999_999_999_999_900),
    ],
)
def test_the_default_price_costs(requests: int, cost: int) -> None:
    assert DEFAULT.cost_nano_usd(requests) == cost


def test_the_balance_of_ten_billion_dollars_is_exact() -> None:
    assert DEFAULT.balance_nano_usd(TEN_BILLION_USD, 0) == 10**19
    assert DEFAULT.balance_nano_usd(TEN_BILLION_USD, 33_333_333_333_333_433) == 100
    assert DEFAULT.balance_nano_usd(TEN_BILLION_USD, 33_333_333_333_333_434) == -200


def test_negative_funding_is_a_negative_balance() -> None:
    assert DEFAULT.balance_nano_usd(-5, 101) == -50_000_300


@pytest.mark.parametrize("name", ["included_requests", "unit_price_nano_usd", "requests_per_unit"])
@pytest.mark.parametrize("value", [-1, 1.0, True, "1", None])
def test_a_setting_that_is_no_whole_number_is_rejected(name: str, value: object) -> None:
    settings: dict[str, Any] = {
        "included_requests": 1,
        "unit_price_nano_usd": 1,
        "requests_per_unit": 1,
        name: value,
    }
    with pytest.raises(ValueError, match=name):
        Price(**settings)


@pytest.mark.parametrize("name", ["unit_price_nano_usd", "requests_per_unit"])
def test_a_price_or_a_unit_of_zero_is_rejected(name: str) -> None:
    settings = {"included_requests": 0, "unit_price_nano_usd": 1, "requests_per_unit": 1, name: 0}
    with pytest.raises(ValueError, match=name):
        Price(**settings)


def test_no_requests_need_be_included() -> None:
    assert Price(0, 1, 1).allowed_requests(0) == 0
