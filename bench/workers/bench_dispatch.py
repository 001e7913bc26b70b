"""The entry module in front of dispatch: the local one, over the bindings that all systems share."""

# mypy: ignore-errors

import local_dispatch
from local_dispatch import on_fetch
from pyodide.ffi import can_run_sync
from workers import WorkerEntrypoint

import calls
import entry
import settlement

__all__ = ["Leases", "Memory", "on_fetch"]

local_dispatch.main = __name__
LOOK_SECONDS = settlement.LOOK_SECONDS
real_time = calls.time


class PacedTime:
    """A clock that each request moves on, so that leases live as many requests as at that pace."""

    def __init__(self, step_ms):
        self.now, self.step = real_time.time_ns(), int(step_ms * 1_000_000)

    def time_ns(self):
        return self.now


class Leases(WorkerEntrypoint):
    stopping = False

    async def pace(self, step_ms, requests_per_second):
        """Begin to move the clock by so much with each request; `forget` ends it."""
        (dispatcher,) = entry._dispatchers
        calls.time = clock = PacedTime(step_ms)
        # The task that settles sleeps in real time: as often as it would for each request at that pace.
        settlement.LOOK_SECONDS = LOOK_SECONDS * 1_000 / (step_ms * requests_per_second)
        handle = type(dispatcher).handle

        def handle_at_pace(request):
            clock.now += clock.step
            Leases.stopping |= can_run_sync()
            return handle(dispatcher, request)

        dispatcher.handle = handle_at_pace

    async def is_stopping(self):
        """Whether the runtime called it, while it was paced, so that it could stop and wait."""
        return Leases.stopping

    async def forget(self):
        """Settle all leases and forget all apps, as of a new instance."""
        for dispatcher in entry._dispatchers:
            vars(dispatcher).pop("handle", None)
            for key in [*dispatcher._settlement._owed]:
                await dispatcher._settlement._settle_owed(key)
            dispatcher._settlement.watch_from = settlement.NEVER
            dispatcher._settlement._watch_number += 1
            dispatcher._leases.meters.clear()
        calls.time, settlement.LOOK_SECONDS = real_time, LOOK_SECONDS


class Memory(WorkerEntrypoint):
    async def read(self):
        """The bytes of Python's linear memory, which grows and never shrinks."""
        from pyodide_js import _module

        return _module.HEAP8.length
