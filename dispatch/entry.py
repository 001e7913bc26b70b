"""The dispatch Worker: every request to an app comes through here.

The path of a request: host → app's id → one request off the lease in hand → the app's Worker. With a lease
in hand nothing is awaited here: no call of the billing object, no asyncio task, no copy of the request;
what is returned is the promise of the app's own response. Handlers take the runtime's raw objects, as
wrapping them costs more than all the rest.
"""

from __future__ import annotations

from typing import Any

from dispatcher import Dispatcher

_dispatchers: list[Dispatcher] = []


def on_fetch(request: Any, env: Any, ctx: Any) -> Any:
    # Not made at import: what that would hold of JavaScript can't be kept in a memory snapshot.
    if not _dispatchers:
        _dispatchers.append(Dispatcher(env))
    return _dispatchers[0].handle(request)


# Pyodide binds the arguments of each call to the handler's signature, in Python, which takes a tenth of the
# whole request. A function whose signature can't be read is called as it is.
on_fetch.__signature__ = 0  # type: ignore[attr-defined]
