"""Signed deliveries to the operator's webhook.

After GitHub's "Webhook events and payloads" and "Handling failed webhook deliveries": what isn't answered
within 10 seconds has failed, and is not sent again unless somebody asks for it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from local.plain_http import NO_CERTIFICATES

TIMEOUT_SECONDS = 10
HOOK_ID = 4_000_001


@dataclass(slots=True)
class Delivery:
    """One event on its way; `status` is the answer's, None before it or without one."""

    guid: str
    event: str
    body: bytes
    status: int | None = None


class Webhook:
    """Delivers events in their order. While `is_paused`, they are only kept in `deliveries`."""

    def __init__(self, url: str, host: str, secret: str, repository_id: int) -> None:
        self._url, self._host, self._secret = url, host, secret
        self._repository_id = repository_id
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self.deliveries: list[Delivery] = []
        self.is_paused = False

    def send(self, event: str, payload: dict[str, Any]) -> None:
        delivery = Delivery(str(uuid.uuid4()), event, json.dumps(payload).encode())
        self.deliveries.append(delivery)
        if not self.is_paused:
            self._queue.put_nowait(delivery)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=NO_CERTIFICATES) as client:
            while True:
                await self.deliver(client, await self._queue.get())

    async def deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        try:
            response = await client.post(self._url, content=delivery.body, headers=self._headers(delivery))
            delivery.status = response.status_code
        except httpx.HTTPError:
            delivery.status = None

    def _headers(self, delivery: Delivery) -> dict[str, str]:
        def signature(algorithm: str) -> str:
            return f"{algorithm}={hmac.new(self._secret.encode(), delivery.body, algorithm).hexdigest()}"

        return {
            "host": self._host,
            "user-agent": "GitHub-Hookshot/local",
            "content-type": "application/json",
            "x-github-event": delivery.event,
            "x-github-delivery": delivery.guid,
            "x-github-hook-id": str(HOOK_ID),
            "x-github-hook-installation-target-id": str(self._repository_id),
            "x-github-hook-installation-target-type": "repository",
            "x-hub-signature": signature("sha1"),
            "x-hub-signature-256": signature("sha256"),
        }
