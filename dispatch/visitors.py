"""Visitors who ask for apps that aren't there: each question starts an object, or asks the dashboard.

So these are counted by the visitor's address, with Cloudflare's rate limiting binding ("Rate Limiting" of
Workers' docs), and who has asked too often gets no answer to further ones for a while. Apps that this
instance knows cost nothing here. Times are milliseconds of one clock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address
from typing import TypeVar

from memory import Memory

# How long an address has to wait that was over its limit.
WAIT_MS = 10_000
# Questions of one address that wait for their answer at the same time, before any of them could be counted.
MAX_WAITING = 32
# One that has not been answered after this long never will: its request is gone.
STALE_MS = 40_000
MAX_ADDRESSES = 10_000
MAX_LENGTH = 64
# Whatever Workers of other zones ask comes from one address, with the name of their zone in a header that
# nobody else can send ("CF-Connecting-IP in Worker subrequests", "CF-Worker": Cloudflare's HTTP headers).
WORKERS = "2a06:98c0:3600:0000"

Answer = TypeVar("Answer")


class TooManyInVainError(Exception):
    """The question isn't asked: its network has asked for too many apps that aren't there."""


def network_of(address: str | None) -> str:
    """Whom an address belongs to: itself, or of IPv6 its first 64 bits, as a visitor has all of the rest.

    WORKERS is no visitor's: see `workers_of`.
    """
    if not address:
        return ""
    if ":" not in address:  # to find that out by an exception takes longer than all else here
        return address[:MAX_LENGTH]
    try:
        return IPv6Address(address).packed[:8].hex(":", 2)
    except ValueError:
        return address[:MAX_LENGTH]


def workers_of(zone: str | None) -> str:
    """The network of a zone's Workers."""
    return f"Workers of {(zone or '')[:MAX_LENGTH]}"


class Visitors:
    """`count` counts a question of a network and says whether it was one too many; `now` is the clock."""

    def __init__(self, count: Callable[[str], Awaitable[bool]], now: Callable[[], int]) -> None:
        self._count, self._now = count, now
        self._over: Memory[bool] = Memory(MAX_ADDRESSES)
        self._waiting: dict[str, list[int]] = {}

    async def ask(
        self, network: str, question: Callable[[], Awaitable[Answer]], is_in_vain: Callable[[Answer], bool]
    ) -> Answer:
        """The answer to a question. Raises TooManyInVainError."""
        began_at, was_in_vain = self.begin(network), False
        try:
            answer = await question()
            was_in_vain = is_in_vain(answer)
        finally:
            if was_in_vain:
                await self.end_in_vain(network, began_at)
            else:
                self.end(network, began_at)
        return answer

    def begin(self, network: str) -> int:
        """Begin a question, which is to be ended with the number returned. Raises TooManyInVainError.

        Who asks without an address isn't counted (0): they would keep all others without one waiting.
        """
        if not network:
            return 0
        now = self._now()
        waiting = [since for since in self._waiting.get(network, ()) if now - since < STALE_MS]
        if self._over.get(network, now) or len(waiting) >= MAX_WAITING:
            raise TooManyInVainError
        if len(self._waiting) >= MAX_ADDRESSES:
            self._forget_stale(now)
        self._waiting[network] = [*waiting, now]
        return now

    def end(self, network: str, began_at: int) -> None:
        waiting = self._waiting.get(network, [])
        if began_at in waiting:
            waiting.remove(began_at)
        if not waiting:
            self._waiting.pop(network, None)

    async def end_in_vain(self, network: str, began_at: int) -> None:
        """End a question that was in vain, after it was counted: so that few are asked meanwhile."""
        try:
            if network and await self._count(network):
                self._over.put(network, True, self._now() + WAIT_MS)
        finally:
            self.end(network, began_at)

    def _forget_stale(self, now: int) -> None:
        stale = [network for network, since in self._waiting.items() if now - max(since) >= STALE_MS]
        for network in stale:
            del self._waiting[network]
