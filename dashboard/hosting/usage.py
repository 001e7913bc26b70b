"""Counting what all accounts have used: their objects are asked in turn, in the background, some at a time.

So nothing is added to the way of a request, no page asks every object, and a sum is right again after
whatever was lost. An account is asked again after as long as it has been quiet.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from clients.billing import Billing
from model.batch import OnFailure, attempt
from model.limits import DAY_MS, HOUR_MS
from store.accounts import Accounts, Seen

# With a run of the cron trigger every two minutes: 36,000 a day.
LOOKS_AT_ONCE = 50
# Of anything of one account, so that sums of many are integers in SQLite: a hundred million dollars of cost.
MOST = 10**17
# After this no lease of a closed account can be settled any more.
CLOSED_MS = HOUR_MS


@dataclass(frozen=True, slots=True)
class Counting:
    accounts: Accounts
    billing: Billing

    async def look(self, now: int, on_failure: OnFailure) -> None:
        """Ask accounts whose turn it is; one that can't be read now is told, and asked in an hour."""
        due = await self.accounts.claim(now, now + HOUR_MS, LOOKS_AT_ONCE)
        looks = (attempt(one.account, self._look(one, now), on_failure) for one in due)
        found = await asyncio.gather(*looks)
        seen = [one for one in found if one is not None]
        if seen:
            await self.accounts.note(seen, now)

    async def _look(self, known: Seen, now: int) -> Seen:
        account = await self.billing.account(known.account)
        if account is None:  # a site that has no version yet
            return replace(known, look_at=next_look(now, known.changed_at, None))
        requests, cost, funding = account.used_requests, account.cost_nano_usd, account.funding_cents
        if not (0 <= requests <= MOST and 0 <= cost <= MOST and abs(funding) <= MOST):
            raise ValueError(f"{requests} requests, {cost} nano-USD and {funding} cents can't be so many")
        seen = replace(known, requests=str(requests), cost_nano_usd=str(cost), funding_cents=funding)
        # What was not known before has not changed.
        before = known if known.funding_cents is not None else replace(known, funding_cents=funding)
        changed_at = known.changed_at if seen == before and known.changed_at else now
        return replace(seen, changed_at=changed_at, look_at=next_look(now, changed_at, account.closed_at))


def next_look(now: int, changed_at: int, closed_at: int | None) -> int | None:
    """After an hour at least and a day at most; never again once an account is closed for good."""
    if closed_at is not None and closed_at <= now - CLOSED_MS:
        return None
    return now + max(HOUR_MS, min(DAY_MS, now - changed_at))
