"""A stand-in for "Workers: Domains" of Cloudflare's API reference (v4), as far as wrangler goes."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.cloudflare.answers import ApiError, envelope
from local.cloudflare.changes import Changes


class Domains:
    """`owners` are the Workers that have custom domains, by host."""

    def __init__(self, changes: Changes) -> None:
        self.owners: dict[str, str] = {}
        self._changes = changes

    def routes(self) -> list[Route]:
        """Below the account."""
        path = "/workers/scripts/{name}/domains"
        return [
            Route(f"{path}/changeset", self.compare, methods=["POST"]),
            Route(f"{path}/records", self.replace, methods=["PUT"]),
            Route("/workers/domains/records/{host}", self.get_domain),
        ]

    def _described(self, host: str) -> dict[str, Any]:
        return {"id": host, "hostname": host, "service": self.owners.get(host), "previews_enabled": False}

    async def get_domain(self, request: Request) -> Response:
        return envelope(self._described(request.path_params["host"]))

    async def compare(self, request: Request) -> Response:
        """What replacing a Worker's domains would change."""
        name = request.path_params["name"]
        wanted = [origin["hostname"] for origin in await request.json()]
        had = [host for host, owner in self.owners.items() if owner == name]
        return envelope(
            {
                "added": [self._described(host) for host in wanted if host not in self.owners],
                "updated": [
                    {**self._described(host), "modified": self.owners[host] != name}
                    for host in wanted
                    if host in self.owners
                ],
                "removed": [self._described(host) for host in had if host not in wanted],
                "conflicting": [],
            }
        )

    async def replace(self, request: Request) -> Response:
        """Take the domains, also from another Worker where that is asked for."""
        self._changes.note(request)
        name, content = request.path_params["name"], await request.json()
        wanted = [origin["hostname"] for origin in content["origins"]]
        others = [host for host in wanted if self.owners.get(host, name) != name]
        if others and not content["override_existing_origin"]:
            raise ApiError(409, 100116, f"The domain {others[0]} is another Worker's.")
        kept = {host: owner for host, owner in self.owners.items() if owner != name}
        self.owners = kept | dict.fromkeys(wanted, name)
        return envelope([self._described(host) for host in wanted])
