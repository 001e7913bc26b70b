"""Amounts as people read them."""

from __future__ import annotations

NANO_USD_PER_CENT = 10_000_000
NANO_USD_PER_DOLLAR = 100 * NANO_USD_PER_CENT


def dollars(nano_usd: int) -> str:
    """`1_234_500_000_000` is `$1,234.50`: exact, with two decimals or as many as it needs."""
    whole, fraction = divmod(abs(nano_usd), NANO_USD_PER_DOLLAR)
    decimals = f"{fraction:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano_usd < 0 else ''}${whole:,}.{decimals}"


def cents(amount: int) -> str:
    return dollars(amount * NANO_USD_PER_CENT)
