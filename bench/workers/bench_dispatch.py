"""The entry module in front of dispatch: the local one, over the bindings that all systems share."""

# mypy: ignore-errors

from local_dispatch import on_fetch
from workers import WorkerEntrypoint

__all__ = ["Memory", "on_fetch"]


class Memory(WorkerEntrypoint):
    async def read(self):
        """The bytes of Python's linear memory, which grows and never shrinks."""
        from pyodide_js import _module

        return _module.HEAP8.length
