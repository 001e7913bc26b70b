"""Use JavaScript's promises as they are (runs in the Workers runtime only).

Pyodide turns a promise that a JavaScript function returns into an asyncio future: an object on either side
and a turn of the event loop for each request, about half of what dispatch costs. It does so only for what is
returned directly. So the call is made inside JavaScript (`[undefined].map(call)`) and its promise
taken out of the array; callbacks are attached by JavaScript's own functions, bound to their arguments there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import create_proxy


class Promises:
    """Bound functions of JavaScript, looked up once. Make it in a request, not at import."""

    def __init__(self) -> None:
        self._call = js.Array.of(None).map
        self._bind_fetch: Any = None
        # Pyodide's own `then` of a promise makes proxies; this is JavaScript's.
        self._bind_then = js.Reflect.get(js.Promise.prototype, "then").bind
        self._bind_this = js.Function.prototype.call.bind

    def fetch(self, worker: Any, request: Any, fulfilled: Any, rejected: Any) -> Any:
        """`worker.fetch(request).then(fulfilled, error => rejected(request, error))`, a JavaScript promise.

        `fulfilled` is a JavaScript function or None, `rejected` a `lasting_callback`.
        """
        if self._bind_fetch is None:
            self._bind_fetch = worker.fetch.bind  # one method for all Workers of a namespace
        response = self._call(self._bind_fetch(worker, request))[0]
        then = self._bind_then(response, fulfilled, self._bind_this(rejected, request))
        return self._call(then)[0]

    def with_context(self, callback: Any, context: Any) -> Any:
        """A JavaScript function that calls a `lasting_callback` with `context` before its argument."""
        return self._bind_this(callback, context)


def lasting_callback(function: Callable[[Any, Any], Any]) -> Any:
    """A callback for all requests: one made for each would have to be destroyed with each."""
    return create_proxy(function, capture_this=True)
