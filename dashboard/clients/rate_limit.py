"""A rate limiting binding (runs in the Workers runtime only)."""

from __future__ import annotations

from typing import Any

from js import Object
from pyodide.ffi import JsException, to_js

from model.rates import UncountedError


class RateLimit:
    """Cloudflare counts each key for itself, up to the limit in wrangler.toml."""

    def __init__(self, binding: Any) -> None:
        # The SDK's wrapper would convert argument and result.
        self._binding = binding._binding

    async def has_room(self, key: str) -> bool:
        try:
            outcome = await self._binding.limit(to_js({"key": key}, dict_converter=Object.fromEntries))
        except JsException as error:
            raise UncountedError(str(error)) from None
        return bool(outcome.success)
