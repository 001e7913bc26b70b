"""Calls to the other Workers that several requests share (runs in the Workers runtime only)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import js
from pyodide.ffi import JsException
from workers import wait_until

from leases import STALE_CALL_MS
from memory import Memory

Value = TypeVar("Value")

MAX_CALLS = 1_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def in_background(work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
    """Go on with it when the request has been answered."""
    begun = asyncio.ensure_future(work)
    wait_until(begun)
    return begun


@dataclass(slots=True)
class Call(Generic[Value]):
    """One that is under way. `ended` is a promise with its resolvers; `value` is None when it failed."""

    ended: Any
    since: int
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """What a call has found, for how long that holds, and how many bytes it takes."""

    value: Value
    milliseconds: int
    size: int = 0


class SharedCalls(Generic[Value]):
    """What is asked for once for all who wait for it, and then kept for a while, by its key."""

    def __init__(self, memory: Memory[Value]) -> None:
        self._memory = memory
        self._calls: dict[str, Call[Value]] = {}

    def is_at_hand(self, key: str) -> bool:
        """Whether no call is needed: it is known, or being asked for."""
        return self._memory.get(key, now_ms()) is not None or self._under_way(key) is not None

    async def get(self, key: str, ask: Callable[[], Awaitable[Found[Value]]]) -> Value | None:
        """The value, which `ask` finds where it isn't known; None when that takes too long."""
        known = self._memory.get(key, now_ms())
        if known is not None:
            return known
        call = self._under_way(key)
        if call is None:
            # A JavaScript promise, as one request may not resume another: the runtime resumes each of
            # those that wait for it in its own context. It is of this request, which makes the call.
            call = self._calls[key] = Call(js.Promise.withResolvers(), now_ms())
            in_background(self._make(key, call, ask))
        try:
            await asyncio.wait_for(call.ended.promise, STALE_CALL_MS / 1000)
        except (TimeoutError, JsException):  # the call takes too long, or longer than its request lives
            return None
        return call.value

    def _under_way(self, key: str) -> Call[Value] | None:
        if len(self._calls) > MAX_CALLS:
            self._calls = {key: call for key, call in self._calls.items() if not is_stale(call)}
        call = self._calls.get(key)
        return None if call is None or is_stale(call) else call

    async def _make(self, key: str, call: Call[Value], ask: Callable[[], Awaitable[Found[Value]]]) -> None:
        try:
            found = await ask()
            call.value = found.value
            self._memory.put(key, found.value, now_ms() + found.milliseconds, found.size)
        finally:
            if self._calls.get(key) is call:
                del self._calls[key]
            call.ended.resolve(None)


def is_stale(call: Call[Any]) -> bool:
    return now_ms() - call.since > STALE_CALL_MS
