"""The entry module in front of dispatch: gives it the bindings that all systems share."""

# mypy: ignore-errors

import entry
from workers import WorkerEntrypoint
from workers.utils import import_sdk_javascript_module_async

_envs = []


async def _first(request, env, ctx):
    module = await import_sdk_javascript_module_async("bindings.js")
    if not _envs:
        _envs.append(module.withBindings(env))
    result = entry.on_fetch(request, _envs[0], ctx)
    return await result if hasattr(result, "__await__") else result


def on_fetch(request, env, ctx):
    if not _envs:
        return _first(request, env, ctx)
    return entry.on_fetch(request, _envs[0], ctx)


on_fetch.__signature__ = entry.on_fetch.__signature__


class Memory(WorkerEntrypoint):
    async def read(self):
        """The bytes of Python's linear memory, which grows and never shrinks."""
        from pyodide_js import _module

        return _module.HEAP8.length
