"""The dispatch Worker: every request to an app comes through here.

The path of a request: host → app's id → one request off the lease in hand → the app's Worker. With a lease
in hand nothing is awaited here: no call of the billing object, no asyncio task, no copy of the request;
what is returned is the promise of the app's own response. Handlers take the runtime's raw objects, as
wrapping them costs more than all the rest.
"""

from __future__ import annotations

import sys
from typing import Any

from at_once import called_at_once
from dispatcher import Dispatcher

_dispatchers: list[Dispatcher] = []


def begin(env: Any, main: str) -> Dispatcher:
    """This instance's dispatcher, which has all further requests of the Worker with this main module."""
    # Not made at import: what that would hold of JavaScript can't be kept in a memory snapshot.
    if not _dispatchers:
        dispatcher = Dispatcher(env)
        _dispatchers.append(dispatcher)
        sys.modules[main].on_fetch = called_at_once(lambda request, *_: dispatcher.handle(request))  # type: ignore[attr-defined]
    return _dispatchers[0]


def on_fetch(request: Any, env: Any, ctx: Any) -> Any:
    """Handle the first request."""
    return begin(env, __name__).handle(request)
