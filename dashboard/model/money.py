"""Amounts as people read them."""

from __future__ import annotations

NANO_USD_PER_CENT = 10_000_000
NANO_USD_PER_DOLLAR = 100 * NANO_USD_PER_CENT


def dollars(nano_usd: int) -> str:
    """`1_234_500_000_000` is `$1,234.50`: exact, with two decimals or as many as it needs."""
    whole, fraction = divmod(abs(nano_usd), NANO_USD_PER_DOLLAR)
    decimals = f"{fraction:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if nano_usd < 0 else ''}${whole:,}.{decimals}"


def rounded_down(nano_usd: int) -> int:
    """To whole cents: nobody is promised what isn't there."""
    return nano_usd // NANO_USD_PER_CENT * NANO_USD_PER_CENT


# Stripe's "Zero-decimal currencies" and "Three-decimal currencies": how many decimals there are if not two.
DECIMALS = dict.fromkeys(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"],
    0,
) | dict.fromkeys(["bhd", "jod", "kwd", "omr", "tnd"], 3)


def amount(smallest_units: int, currency: str | None) -> str:
    """An amount in any currency: `500, "eur"` is `EUR 5.00`."""
    code = (currency or "").lower()
    decimals = DECIMALS.get(code, 2)
    whole, rest = divmod(smallest_units, 10**decimals)
    return f"{code.upper()} {whole:,}{f'.{rest:0{decimals}}' if decimals else ''}".strip()


def cents(amount: int) -> str:
    return dollars(amount * NANO_USD_PER_CENT)
