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
        self._array_of = js.Array.of
        self._bind_fetch: Any = None
        # Pyodide's own `then` of a promise makes proxies; this is JavaScript's.
        self._bind_then = js.Reflect.get(js.Promise.prototype, "then").bind
        self._bind_this = js.Function.prototype.call.bind
        self._bind_race = js.Promise.race.bind
        self._bind_all_settled = js.Promise.allSettled.bind
        self._bind_wait = js.scheduler.wait.bind
        self._bind_try = getattr(js.Promise, "try").bind
        self._with_resolvers = js.Promise.withResolvers.bind(js.Promise)
        self._apply = js.Reflect.apply

    def fetch(self, worker: Any, request: Any, fulfilled: Any, rejected: Any) -> Any:
        """`worker.fetch(request).then(fulfilled, error => rejected(request, error))`, a JavaScript promise.

        `fulfilled` is a JavaScript function or None, `rejected` a `lasting_callback`.
        """
        if self._bind_fetch is None:
            self._bind_fetch = worker.fetch.bind  # one method for all Workers of a namespace
        response = self._call(self._bind_fetch(worker, request))[0]
        then = self._bind_then(response, fulfilled, self._bind_this(rejected, request))
        return self._call(then)[0]

    def call(self, stub: Any, method: str, *arguments: Any) -> Any:
        """The promise of a method of another Worker's (RPC), which itself is no `Promise`."""
        function = getattr(stub, method)
        begin = self._bind_try(js.Promise, self._apply, function, stub, self._array_of(*arguments))
        return self._call(begin)[0]

    def then(self, promise: Any, fulfilled: Any, rejected: Any, *context: Any) -> Any:
        """`promise.then` with two `lasting_callback`s that are given the context before their argument."""
        bind = self._bind_this
        then = self._bind_then(promise, bind(fulfilled, *context), bind(rejected, *context))
        return self._call(then)[0]

    def within(self, promise: Any, milliseconds: int) -> Any:
        """The promise, or None where it takes longer."""
        time_is_up = self._call(self._bind_wait(js.scheduler, milliseconds))[0]
        return self._call(self._bind_race(js.Promise, self._array_of(promise, time_is_up)))[0]

    def ended(self, promise: Any) -> Any:
        """A promise that is fulfilled when this one has ended, in whatever way."""
        return self._call(self._bind_all_settled(js.Promise, self._array_of(promise)))[0]

    def with_resolvers(self) -> Any:
        """A promise of this request's, and the functions that settle it."""
        return self._with_resolvers()

    def with_context(self, callback: Any, context: Any) -> Any:
        """A JavaScript function that calls a `lasting_callback` with `context` before its argument."""
        return self._bind_this(callback, context)


def lasting_callback(function: Callable[..., Any]) -> Any:
    """A callback for all requests: one made for each would have to be destroyed with each.

    It is given `this` first, to which its context is bound.
    """
    return create_proxy(function, capture_this=True)
