"""A top-up before it is paid: amounts to choose from with what they buy, and what a payer has chosen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from model.money import NANO_USD_PER_CENT, cents

OFFERED_CENTS = (500, 1_000, 2_500, 10_000)
LEAST_AT_STRIPE = 50  # "Minimum and maximum charge amounts" of Stripe's docs, for US dollars
MOST_CENTS = 99_999_999  # eight digits
AMOUNT = re.compile(r"\$?([0-9]{1,6}|[0-9]{1,3},[0-9]{3})(?:\.([0-9]{2}))?")
LONGEST_WAY_BACK = 1_000
UNITS = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"))


class TopUpError(Exception):
    """What was chosen can't be paid; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody is about to pay for.

    `account` is an app's id or a site's name, `title` the repository that people know it by, `address` where
    it serves. `user_id` is whose payment it is, if they are logged in; `is_anonymous` whether others see
    that. `wanted` is the path and query that they wanted to see when nothing was left.
    """

    account: str
    title: str
    address: str
    cents: int
    user_id: int | None
    is_anonymous: bool
    wanted: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """An amount and what it buys."""

    cents: int
    requests: int

    @property
    def words(self) -> str:
        return f"{many(self.requests)} requests"


def offers(least_cents: int, unit_price_nano_usd: int, requests_per_unit: int) -> list[Offer]:
    """What is offered: the least amount, too, where it is above the others."""
    amounts = [amount for amount in OFFERED_CENTS if amount >= least_cents] or [least_cents]
    bought = [amount * NANO_USD_PER_CENT * requests_per_unit // unit_price_nano_usd for amount in amounts]
    return [Offer(*offer) for offer in zip(amounts, bought, strict=True)]


def many(count: int) -> str:
    """`16_666_666` is `≈ 16.7 million`."""
    unit, name = next((unit for unit in UNITS if count >= unit[0]), (1, ""))
    decimals = 1 if unit > 1 and count < 100 * unit else 0
    sign = "≈ " if count * 10**decimals % unit else ""
    number = f"{count / unit:,.{decimals}f}".removesuffix(".0")
    return f"{sign}{number} {name}".rstrip()


def chosen_cents(offered: str, typed: str, least_cents: int, choices: Sequence[Offer]) -> int:
    """The amount that a form names: one of those that are offered, or `other`, which was typed."""
    typed = typed.strip()
    amount = next((choice.cents for choice in choices if offered == str(choice.cents)), None)
    if amount is None and not typed:
        raise TopUpError("Choose an amount, or type another one.")
    if not typed:
        return amount or 0
    own = typed_cents(typed, least_cents)
    if amount is not None and amount != own:
        raise TopUpError(f"Is it {cents(amount)} or {cents(own)}? Choose one of the two.")
    return own


def typed_cents(typed: str, least_cents: int) -> int:
    found = AMOUNT.fullmatch(typed)
    own = int(found[1].replace(",", "")) * 100 + int(found[2] or 0) if found else 0
    if not least_cents <= own <= MOST_CENTS:
        raise TopUpError(f"Type an amount from {cents(least_cents)} to {cents(MOST_CENTS)}, like 7.50.")
    return own


def way_back(path: str) -> str | None:
    """A path and query of an app's own, as dispatch has sent it along; None for anything else."""
    is_path = path.startswith("/") and path.isascii() and path.isprintable()
    return path if is_path and path != "/" and len(path) <= LONGEST_WAY_BACK else None
