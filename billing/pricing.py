"""What requests cost, in integers throughout.

Funding is kept in cents and requests as counts, so that both stay exact where SQLite hands its integers
to JavaScript, whose numbers are exact to 2^53 only: ten billion dollars are 10^12 cents. What follows
from them can be larger (10^19 nano-USD) and exists only as Python integers, or as text where it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NANO_USD_PER_CENT = 10_000_000


class SettingError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Price:
    """`included_requests` are free; after them `requests_per_unit` requests cost `unit_price_nano_usd`."""

    included_requests: int
    unit_price_nano_usd: int
    requests_per_unit: int

    def __post_init__(self) -> None:
        for name, least in (("included_requests", 0), ("unit_price_nano_usd", 1), ("requests_per_unit", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}; it is {value!r}")

    @classmethod
    def read(cls, env: Any) -> Price:
        """From the variables in billing's wrangler.toml. Raises SettingError."""
        return cls(
            included_requests=integer(env, "INCLUDED_REQUESTS", 0),
            unit_price_nano_usd=integer(env, "REQUEST_UNIT_PRICE_NANO_USD", 1),
            requests_per_unit=integer(env, "TOTAL_REQUESTS_PER_UNIT", 1),
        )

    def allowed_requests(self, funding_cents: int) -> int:
        """How many requests an app with this funding may use in all: included + paid, rounded down.

        Funding below zero (more was taken back than paid) takes included requests, too.
        """
        paid = funding_cents * NANO_USD_PER_CENT * self.requests_per_unit // self.unit_price_nano_usd
        return self.included_requests + paid

    def cost_nano_usd(self, requests: int) -> int:
        """What so many requests cost, the included ones being free; rounded down."""
        charged = max(0, requests - self.included_requests)
        return charged * self.unit_price_nano_usd // self.requests_per_unit

    def balance_nano_usd(self, funding_cents: int, requests: int) -> int:
        return funding_cents * NANO_USD_PER_CENT - self.cost_nano_usd(requests)


def integer(env: Any, name: str, least: int) -> int:
    value = getattr(env, name, None)
    if type(value) is not int or value < least:
        raise SettingError(f"the setting {name} must be an integer of at least {least}")
    return value
