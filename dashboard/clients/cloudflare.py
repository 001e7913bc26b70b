"""Cloudflare's API, as far as the dashboard needs it: the dispatch namespace's scripts.

After Cloudflare's API reference, "Workers for Platforms: Dispatch namespace scripts".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from clients.http import Fetch, UnreachableError


class CloudflareError(Exception):
    """Cloudflare didn't do what it was asked for, which can be tried again."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """One dispatch namespace. `api_url` is without a slash at its end."""

    fetch: Fetch
    api_url: str
    account_id: str
    token: str = field(repr=False)
    name: str

    async def delete_script(self, script: str) -> None:
        """Delete an app's Worker; one that isn't there is deleted already. Raises CloudflareError."""
        url = (
            f"{self.api_url}/accounts/{quote(self.account_id)}/workers/dispatch/namespaces/{quote(self.name)}"
            f"/scripts/{quote(script)}?force=true"
        )
        try:
            answer = await self.fetch("DELETE", url, {"authorization": f"Bearer {self.token}"})
        except UnreachableError as error:
            raise CloudflareError("Cloudflare could not be reached.") from error
        if not answer.is_success and answer.status != 404:
            raise CloudflareError(f"Cloudflare refused to delete the Worker ({answer.status}).")
