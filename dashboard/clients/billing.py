"""The accounts of apps and sites: what their billing objects are asked by RPC. Every amount is an integer.

Each object is named as its account: by an app's id or a site's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from model.money import NANO_USD_PER_CENT

TIMEOUT_SECONDS = 10
TELL_SECONDS = 25  # the rest is done by the billing Worker's cron trigger
MOST_OF_A_REASON = 200
Answer = TypeVar("Answer")


class BillingUnavailableError(Exception):
    """The billing object could not be asked, or refused; what was asked for can be tried again."""

    @property
    def reason(self) -> str:
        """In a line: what an object raises arrives as a traceback, which says last what it was."""
        return str(self).strip().rpartition("\n")[2][:MOST_OF_A_REASON]


@dataclass(frozen=True, slots=True)
class BillingAccount:
    """Requests are used once they are charged; those in leases are reserved, and can be used or come back."""

    used_requests: int
    reserved_requests: int
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

    @property
    def unused_requests(self) -> int:
        """Those that remain and those that are reserved; none of an account that was closed."""
        return 0 if self.closed_at is not None else self.remaining_requests + self.reserved_requests

    @classmethod
    def from_rpc(cls, result: dict[str, str | None] | None) -> BillingAccount | None:
        """Amounts come as decimal text, which holds what a JavaScript number can't."""
        if result is None:
            return None
        values = {field.name: result[field.name] for field in fields(cls)}
        closed_at = values.pop("closed_at")
        amounts = {name: int(str(value)) for name, value in values.items()}
        return cls(**amounts, closed_at=None if closed_at is None else int(closed_at))


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests in each of the last hours and days (UTC), oldest first, the current one last."""

    hours: list[int]
    days: list[int]

    @classmethod
    def from_rpc(cls, result: dict[str, list[int]]) -> Usage:
        return cls(list(result["hours"]), list(result["days"]))


def milliseconds_of(result: Any) -> int | str:
    """What an object answers with, or the word by which it refuses."""
    return result if isinstance(result, str) else int(result["milliseconds"])


@dataclass(frozen=True, slots=True)
class Billing:
    """`objects` is the binding to the billing objects, `worker` the one to their Worker.

    Raises BillingUnavailableError.
    """

    objects: Any
    worker: Any

    async def open_account(self, app_id: str) -> None:
        await ask(self.objects.getByName(app_id).open_account())

    async def close_account(self, app_id: str) -> None:
        await ask(self.objects.getByName(app_id).close_account())

    async def set_schedule(self, name: str, version: int, schedule: Sequence[tuple[int, str]]) -> int:
        """Tell a site's object which Worker serves from when on, unless it was told a later version before.

        Return for how many milliseconds what was leased before can still be served by another.
        """
        planned = [list(item) for item in schedule]
        result = await ask_for(self.objects.getByName(name).set_schedule(version, planned), milliseconds_of)
        if isinstance(result, str):
            raise BillingUnavailableError(f"{name} was not told its schedule: {result}")
        return result

    async def account(self, app_id: str) -> BillingAccount | None:
        """None when it was never opened."""
        return await ask_for(self.objects.getByName(app_id).get_worker_billing(), BillingAccount.from_rpc)

    async def known_account(self, app_id: str) -> BillingAccount | None:
        """The same for who can do without: None as well where the object can't be asked."""
        try:
            return await self.account(app_id)
        except BillingUnavailableError:
            return None

    async def add_funds(self, app_id: str, payment_id: str, amount_cents: int) -> None:
        """Credit a payment: once under its id."""
        result = await ask(self.objects.getByName(app_id).add_worker_funds(payment_id, amount_cents))
        if result != "credited":
            raise BillingUnavailableError(f"{payment_id} was not booked: {result}")

    async def set_reversal(self, app_id: str, reversal_id: str, cents: int, version: int) -> None:
        """Have a refund or dispute take back so many cents in all, unless a later version was told before."""
        result = await ask(self.objects.getByName(app_id).set_reversal(reversal_id, cents, version))
        if result != "booked":
            raise BillingUnavailableError(f"{reversal_id} was not booked: {result}")

    async def tell_suspensions(self) -> int:
        """Have the objects told what is suspended; return how many could not be told now."""
        return await ask_for(self.worker.tell_suspensions(), int, TELL_SECONDS)

    async def usage(self, app_id: str, hours: int, days: int) -> Usage:
        return await ask_for(self.objects.getByName(app_id).get_usage(hours, days), Usage.from_rpc)


async def ask(call: Awaitable[Any], seconds: float = TIMEOUT_SECONDS) -> Any:
    try:
        return await asyncio.wait_for(call, seconds)
    except Exception as error:
        raise BillingUnavailableError(f"{type(error).__name__}: {error}") from error


async def ask_for(
    call: Awaitable[Any], read: Callable[[Any], Answer], seconds: float = TIMEOUT_SECONDS
) -> Answer:
    """Ask, and read the answer: one that makes no sense is as good as none."""
    answer = await ask(call, seconds)
    try:
        return read(answer)
    except Exception as error:
        raise BillingUnavailableError(f"its answer can't be read: {type(error).__name__}: {error}") from error
