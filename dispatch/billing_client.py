"""The billing object of one app, as dispatch calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Grant:
    """See `take_lease` of the billing object."""

    lease: int | None
    requests: int
    milliseconds: int


class BillingClient:
    """Calls by RPC over the object's raw stub; each raises JsException when it can't be reached."""

    def __init__(self, stub: Any) -> None:
        self._object = stub

    async def take(self, wanted: int) -> Grant | str:
        """Return a grant, or the word for why there is none."""
        return grant(await self._object.take_lease(wanted))

    async def renew(self, lease: int, used: int, wanted: int) -> Grant | str:
        return grant(await self._object.renew_lease(lease, used, wanted))

    async def settle(self, lease: int, used: int) -> None:
        await self._object.settle_lease(lease, used)

    async def release(self, count: int) -> None:
        await self._object.release_requests(count)


def grant(result: Any) -> Grant | str:
    if isinstance(result, str):
        return result
    # A lease without id comes as JavaScript's null, which is not an int.
    lease = result.lease if isinstance(result.lease, int) else None
    return Grant(lease, result.requests, result.milliseconds)
