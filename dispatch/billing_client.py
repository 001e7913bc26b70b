"""The billing object of one app, as dispatch calls it: by RPC over the object's raw stub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promises import Promises


@dataclass(frozen=True, slots=True)
class Grant:
    """See `take_lease` of the billing object. `worker` is None for the one that is named as the object."""

    lease: int | None
    requests: int
    milliseconds: int
    worker: str | None


@dataclass(frozen=True, slots=True)
class BillingClient:
    """`objects` is the binding. What is asked for a request is a JavaScript promise; see `read_grant`."""

    objects: Any
    promises: Promises

    def take(self, app_id: str, wanted: int) -> Any:
        return self.promises.call(self.objects.getByName(app_id), "take_lease", wanted)

    def renew(self, app_id: str, lease: int, used: int, wanted: int) -> Any:
        return self.promises.call(self.objects.getByName(app_id), "renew_lease", lease, used, wanted)

    async def settle(self, app_id: str, lease: int, used: int) -> None:
        """Raises JsException when the object can't be reached."""
        await self.objects.getByName(app_id).settle_lease(lease, used)

    async def release(self, app_id: str, count: int) -> None:
        """Raises JsException when the object can't be reached."""
        await self.objects.getByName(app_id).release_requests(count)


@dataclass(frozen=True, slots=True)
class Suspension:
    """There is no grant: the operator has suspended what would serve, for a reason."""

    reason: str


def read_grant(result: Any) -> Grant | Suspension | str:
    """A grant, or why there is none: a suspension, or the object's word."""
    if isinstance(result, str):
        return result
    reason = getattr(result, "suspended", None)
    if isinstance(reason, str):
        return Suspension(reason)
    # A lease without id comes as JavaScript's null, which is not an int.
    lease = result.lease if isinstance(result.lease, int) else None
    worker = getattr(result, "worker", None)  # which an object that runs earlier code doesn't tell
    return Grant(lease, result.requests, result.milliseconds, worker if isinstance(worker, str) else None)
