"""Have the runtime call the object's methods at once (runs in the Workers runtime only).

The runtime calls a method by a coroutine (`wrapper_func` of its module `_cloudflare.introspection_…`), in a
way in which Python could stop and wait (`run_sync` of Pyodide): five turns of the event loop for each call,
an asyncio task, and a stack of its own, together more than all that the method does. The object's methods
wait for nothing, and return what JSON can hold. So here the runtime is given another function, which does
the same without waiting, and without a look at each result. Where the runtime's function doesn't take and use
exactly what the known one does, it stays, and all is as slow as before.
"""

from __future__ import annotations

import sys
from functools import cache
from inspect import isfunction, signature
from typing import Any

import js
from pyodide.ffi import create_proxy, jsnull, to_js
from workers import python_from_rpc

RUNTIMES_MODULE, NAME = "_cloudflare.introspection_", "wrapper_func"
KNOWN = "(relaxed, inst, prop, *args, **kwargs)"
KNOWN_NAMES = {"getattr", "python_from_rpc", "items", "relaxed_call", "isawaitable", "python_to_rpc"}


@cache
def call_methods_at_once(kind: type) -> None:
    """Of objects of this kind, whose methods are no coroutines. Once, in a call and not at import."""
    found = [module for name, module in sys.modules.items() if name.startswith(RUNTIMES_MODULE)]
    runtimes: Any = getattr(found[0], NAME, None) if found else None
    if not isfunction(runtimes) or str(signature(runtimes)) != KNOWN:
        return
    if set(runtimes.__code__.co_names) != KNOWN_NAMES:
        return

    def call(relaxed: bool, inst: Any, prop: str, *args: Any, **kwargs: Any) -> Any:
        if relaxed or kwargs or not isinstance(inst, kind):
            return runtimes(relaxed, inst, prop, *args, **kwargs)
        result = with_nulls(getattr(inst, prop)(*map(python_from_rpc, args)))
        return to_js(result, dict_converter=from_entries)

    from_entries = js.Object.fromEntries
    wrapper = create_proxy(call)
    # JavaScript's `call` takes its first argument, the options, for `this`, which Python is not given.
    wrapper.callWithOptions = js.Function.prototype.call.bind(create_proxy(call))
    setattr(found[0], NAME, wrapper)


def with_nulls(result: Any) -> Any:
    """As the runtime's function does: None is null, also in an object. JSON would drop `undefined`."""
    if isinstance(result, dict):
        return {name: jsnull if value is None else value for name, value in result.items()}
    return jsnull if result is None else result
