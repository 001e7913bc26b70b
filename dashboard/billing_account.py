"""An app's account as the billing object tells it, with every amount an integer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from money import NANO_USD_PER_CENT


class BillingUnavailableError(Exception):
    """The billing object could not be asked; the page can be tried again."""


@dataclass(frozen=True, slots=True)
class BillingAccount:
    requests: int
    remaining_requests: int
    funding_cents: int
    cost_nano_usd: int
    balance_nano_usd: int
    included_requests: int
    unit_price_nano_usd: int
    requests_per_unit: int
    closed_at: int | None

    @property
    def funding_nano_usd(self) -> int:
        return self.funding_cents * NANO_USD_PER_CENT

    @classmethod
    def from_rpc(cls, result: dict[str, str | None]) -> BillingAccount:
        """Amounts come as decimal text, which holds what a JavaScript number can't."""
        values = {field.name: result[field.name] for field in fields(cls)}
        return cls(**{name: None if value is None else int(value) for name, value in values.items()})  # type: ignore[arg-type]


async def read_account(env: Any, app_id: str) -> BillingAccount | None:
    """Ask the app's object; None when it was never opened."""
    try:
        result = await env.BILLING.getByName(app_id).get_worker_billing()
    except Exception as error:
        raise BillingUnavailableError(str(error)) from error
    return None if result is None else BillingAccount.from_rpc(result)
