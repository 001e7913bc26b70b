"""Signed deliveries to the operator's endpoint, again and again until one is answered with success.

After Stripe's "Receive Stripe events in your webhook endpoint" and "Verify webhook signatures manually".
Where Stripe waits for hours before it tries again, this waits for seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json

import httpx

from local.plain_http import NO_CERTIFICATES
from local.stripe.objects import Json, Objects, now

TIMEOUT_SECONDS = 10
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class Webhook:
    """Delivers each event by itself: one that fails holds up no other. `copies` is how often each is sent."""

    def __init__(self, url: str, host: str, secret: str, objects: Objects) -> None:
        self._url, self._host, self._secret, self._objects = url, host, secret, objects
        self._tasks: set[asyncio.Task[None]] = set()
        self.copies = 1
        self.is_paused = False

    def resume(self) -> None:
        """Deliver what has not been, and from now on at once."""
        self.is_paused = False
        for event_id in list(self._objects.undelivered):
            self.send(self._objects.all[event_id])

    def send(self, event: Json) -> None:
        if self.is_paused:
            return
        for _ in range(self.copies):
            task = asyncio.create_task(self._deliver(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, event: Json) -> None:
        body = json.dumps(event)
        pause = FIRST_PAUSE_SECONDS
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=NO_CERTIFICATES) as client:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    response = await client.post(self._url, content=body, headers=self._headers(body))
                    if response.is_success:
                        break
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
        with contextlib.suppress(ValueError):  # another copy has been first
            self._objects.undelivered.remove(event["id"])
        self._objects.save()

    def _headers(self, body: str) -> dict[str, str]:
        return {
            "host": self._host,
            "content-type": "application/json; charset=utf-8",
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "stripe-signature": signature(body, self._secret, now()),
        }


def signature(body: str, secret: str, timestamp: int) -> str:
    """The header Stripe-Signature."""
    signed = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={signed}"
