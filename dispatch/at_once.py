"""Have the runtime call a handler at once (runs in the Workers runtime only).

The runtime calls a handler so that its Python could stop and wait for a promise (`run_sync` of Pyodide,
`callWithOptions` with `promising`): each call waits for a turn of the event loop first and gets a stack of
its own, which is a fifth of what a request costs. Dispatch never stops so. What a handler returns may be a
promise or a coroutine as before. A runtime that calls handlers in another way finds a usual proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import create_proxy


def called_at_once(function: Callable[..., Any]) -> Any:
    """The handler to export in the place of a function. Make it in a request, not at import."""
    handler = create_proxy(function)
    # JavaScript's `call` takes its first argument, the options, for `this`, which Python is not given.
    handler.callWithOptions = js.Function.prototype.call.bind(create_proxy(function))
    return handler
