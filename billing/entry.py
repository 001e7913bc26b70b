"""The billing Worker: one `BillingDurableObject` for each app and site, named by the app's id or site's name.

Only other Workers of this system call it, by RPC; nothing is served over HTTP. A cron trigger tells the
objects what the operator has suspended (`telling.py`). Results that callers tell apart are values: a granted
lease is `{"lease", "requests", "milliseconds", "worker"}`, one that is refused because of a suspension
`{"suspended": <reason>}`, everything else one of the words in `Refusal`.
Amounts that can exceed what JavaScript's numbers hold exactly travel as decimal text. Wrong arguments raise.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import Any

from workers import DurableObject, Response, WorkerEntrypoint

from at_once import call_methods_at_once
from d1 import D1
from ledger import LEASE_MS, Lease, Ledger, Suspended
from pricing import Price
from storage import ObjectStorage
from telling import Telling

Json = dict[str, Any]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def grant(result: Lease | Suspended | str) -> Json | str:
    if isinstance(result, Suspended):
        return {"suspended": result.reason}
    if isinstance(result, Lease):
        return {
            "lease": result.id,
            "requests": result.requests,
            "milliseconds": result.milliseconds,
            "worker": result.worker,
        }
    return result


class BillingDurableObject(DurableObject):
    """Its methods are no coroutines, so that the runtime can call them at once (`at_once.py`)."""

    def __init__(self, ctx: Any, env: Any) -> None:
        super().__init__(ctx, env)
        call_methods_at_once(BillingDurableObject)
        self.price = Price.read(env)
        self.ledger = Ledger(ObjectStorage(ctx.storage), self.price)

    def open_account(self) -> str:
        return self.ledger.open(now_ms())

    def close_account(self) -> str:
        return self.ledger.close(now_ms())

    def set_schedule(self, version: int, schedule: list[list[Any]]) -> Json | str:
        """Return for how long, in milliseconds, earlier leases may go on; or that the account is closed."""
        planned = [(since, worker) for since, worker in schedule]
        result = self.ledger.set_schedule(now_ms(), version, planned)
        return {"milliseconds": LEASE_MS} if result == "set" else result

    def set_suspension(self, version: int, reasons: list[list[str]]) -> Json:
        """`reasons` are [Worker, reason]. Return for how long, in milliseconds, earlier leases may go on."""
        self.ledger.set_suspension(version, dict(reasons))
        return {"milliseconds": LEASE_MS}

    def get_worker_billing(self) -> Json | None:
        billing = self.ledger.billing(now_ms())
        if billing is None:
            return None
        amounts = {name: value if value is None else str(value) for name, value in asdict(billing).items()}
        prices = {name: str(value) for name, value in asdict(self.price).items()}
        return amounts | prices

    def increment_worker_requests(self) -> str:
        return self.ledger.increment_requests(now_ms())

    def add_worker_funds(self, payment: str, amount_cents: int) -> str:
        return self.ledger.add_funds(now_ms(), payment, amount_cents)

    def set_reversal(self, reversal: str, cents: int, version: int) -> str:
        return self.ledger.set_reversal(now_ms(), reversal, cents, version)

    def list_payments(self) -> list[Json]:
        return [asdict(payment) for payment in self.ledger.payments()]

    def take_lease(self, wanted: int) -> Json | str:
        return grant(self.ledger.take_lease(now_ms(), wanted))

    def renew_lease(self, lease: int, used: int, wanted: int) -> Json | str:
        return grant(self.ledger.renew_lease(now_ms(), lease, used, wanted))

    def settle_lease(self, lease: int, used: int) -> None:
        self.ledger.settle_lease(now_ms(), lease, used)

    def release_requests(self, count: int) -> None:
        self.ledger.release_requests(count)

    def get_usage(self, hours: int, days: int) -> Json:
        now = now_ms()
        return {"hours": self.ledger.usage_per_hour(now, hours), "days": self.ledger.usage_per_day(now, days)}


class Default(WorkerEntrypoint):
    """Nothing is served here: a Worker needs a handler to be deployed."""

    async def fetch(self, request: Any) -> Response:
        return Response("Not found", status=404)

    async def tell_suspensions(self) -> int:
        """Tell objects what the operator has suspended; return how many could not be told now."""
        return await tell_suspensions(self.env)

    async def scheduled(self, controller: Any, env: Any, ctx: Any) -> None:
        await tell_suspensions(self.env)


async def tell_suspensions(env: Any) -> int:
    async def set_suspension(account: str, version: int, reasons: list[list[str]]) -> Any:
        return await env.BILLING.getByName(account).set_suspension(version, reasons)

    return await Telling(D1(env.DB), set_suspension).run(now_ms(), log_failure)


def log_failure(account: str, error: Exception) -> None:
    """One line of JSON, in the shape of all three Workers."""
    line = {"level": "error", "worker": "billing", "event": "suspension_untold", "app": account}
    print(json.dumps(line | {"message": f"{type(error).__name__}: {error}"[-500:]}), file=sys.stderr)
