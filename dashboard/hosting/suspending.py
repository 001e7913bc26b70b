"""Suspending and restoring: what D1 says holds at once for deploys and pages, and the objects are told.

An object that can't be told now is told by the billing Worker's cron trigger: the act is done all the same.
The scripts of suspended apps stay where they are, as nothing is served without a lease: so what was signed
can still be compared with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from clients.billing import Billing, BillingUnavailableError
from model.money import NANO_USD_PER_CENT
from model.payment import Payment
from model.suspension import ActError, Operator, Target, refundable
from store.payments import Payments
from store.suspensions import Suspensions

ACCOUNTS_AT_ONCE, MOST_ROUNDS, SHOWN = 25, 20, 50
PAYMENTS_OF_ONE = 50


@dataclass(frozen=True, slots=True)
class Unusable:
    """A payment into a suspended account, and how much of it can't be used any more."""

    payment: Payment
    unused_cents: int


@dataclass(frozen=True, slots=True)
class Suspending:
    """`tell` has the objects told. Times are milliseconds since 1970."""

    suspensions: Suspensions
    payments: Payments
    billing: Billing
    tell: Callable[[], Awaitable[object]]

    async def suspend(self, target: Target, reason: str, operator: Operator, now: int) -> None:
        """Raises ActError for what isn't there, or is suspended already."""
        if not await self.suspensions.exists(target):
            raise ActError(f"There is no {target.kind} “{target.name}”.")
        if not await self.suspensions.suspend(target, reason, operator, now):
            raise ActError("It is suspended already.")
        await self._tell()

    async def restore(self, target: Target, reason: str, operator: Operator, now: int) -> None:
        """Raises ActError for what isn't suspended."""
        if not await self.suspensions.restore(target, reason, operator, now):
            raise ActError("It isn't suspended.")
        await self._tell()

    async def _tell(self) -> None:
        try:
            await self.tell()
        except BillingUnavailableError:
            return  # it is done within a minute

    async def unusable(self) -> list[Unusable]:
        """What was paid into suspended accounts and is left there, of each account the latest first."""
        found: list[Unusable] = []
        after = ""
        for _ in range(MOST_ROUNDS):  # most may have nothing left
            accounts = await self.suspensions.paid_accounts(after, ACCOUNTS_AT_ONCE)
            for of_one in await asyncio.gather(*(self._unusable_of(*account) for account in accounts)):
                found += of_one
            if len(accounts) < ACCOUNTS_AT_ONCE or len(found) >= SHOWN:
                break
            after = accounts[-1][0]
        return found

    async def _unusable_of(self, account: str, site: str | None) -> list[Unusable]:
        billed = await self.billing.known_account(account)
        paid = await self.payments.kept(account, site is not None, PAYMENTS_OF_ONE)
        left = [(one.amount_cents or 0) - one.taken_back for one in paid]
        # Where the account can't be asked, all that was paid is shown.
        unused = sum(left) if billed is None else max(0, billed.balance_nano_usd // NANO_USD_PER_CENT)
        amounts = refundable(left, unused)
        return [Unusable(one, cents) for one, cents in zip(paid, amounts, strict=True) if cents > 0]
