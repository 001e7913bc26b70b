"""The dashboard Worker: its requests go to a Starlette application."""

from __future__ import annotations

from typing import Any

from site_app import application
from workers import WorkerEntrypoint, asgi

app = application()


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        return await asgi.fetch(app, request, self.env)
