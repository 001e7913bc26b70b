"""What dispatch asks and tells the dashboard, over its service binding (runs in the Workers runtime only).

It knows what was signed and reads what is deployed, with Cloudflare's token, which dispatch must not hold.
Answers are kept: what visitors ask for again and again costs the dashboard one call.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import js
from pyodide.ffi import JsException

from calls import Found, SharedCalls, now_ms
from exchange import header_of, log, object_of
from memory import Memory

PUBLISHED_HEADERS = ("access-control-allow-origin", "cache-control", "content-type", "retry-after")
MAX_AGE = re.compile(r"\bmax-age=(\d{1,4})\b")
# The dashboard may have to ask Cloudflare and GitHub, each within ten seconds.
TIMEOUT_MS = 30_000
REPORT_TIMEOUT_MS = 10_000
# Of documents; one has 2,000,000 bytes at most ("Limits" of D1, where the dashboard keeps it).
MAX_DOCUMENTS, MAX_DOCUMENT_BYTES = 1_000, 16_000_000
# How long an answer is kept that may not be cached: a crowd asks once, and an app that is new is soon seen.
UNCACHED_MS = 1_000
MAX_VERDICTS = 10_000
MISSING_MS = 60_000
# Not so long: the dashboard may have been unable to ask, and remembers by itself what it was told.
PRESENT_MS = 20_000


@dataclass(frozen=True, slots=True)
class Document:
    """What the dashboard answered, body included (an ArrayBuffer), and when."""

    status: int
    headers: dict[str, str]
    body: Any
    asked_at: int


NO_DOCUMENT = Document(0, {}, None, 0)


class DashboardClient:
    def __init__(self, dashboard: Any, url: str) -> None:
        self._dashboard, self._url = dashboard, url
        self._documents = SharedCalls[Document](Memory(MAX_DOCUMENTS, MAX_DOCUMENT_BYTES))
        self._verdicts = SharedCalls[bool](Memory(MAX_VERDICTS))

    def has_document(self, app_id: str) -> bool:
        """Whether the document is at hand without a further call."""
        return self._documents.is_at_hand(app_id)

    async def document(self, app_id: str) -> Document | None:
        """The document of an app, or the dashboard's error; None when it can't be asked."""
        found = await self._documents.get(app_id, lambda: self._ask_for_document(app_id))
        return None if found is NO_DOCUMENT else found

    async def _ask_for_document(self, app_id: str) -> Found[Document]:
        try:
            return await self._fetch_document(app_id)
        except JsException as error:
            log("dashboard_failed", app_id, None, str(error))
            return Found(NO_DOCUMENT, UNCACHED_MS)

    async def _fetch_document(self, app_id: str) -> Found[Document]:
        options = object_of({"redirect": "manual"})
        options.signal = js.AbortSignal.timeout(TIMEOUT_MS)
        asked_at = now_ms()
        response = await self._dashboard.fetch(f"{self._url}/apps/{app_id}/attestation.json", options)
        body = await response.arrayBuffer()
        headers = {name: header_of(response, name) for name in PUBLISHED_HEADERS}
        given = {name: value for name, value in headers.items() if value is not None}
        document = Document(response.status, given, body, asked_at)
        cacheable = MAX_AGE.search(given.get("cache-control", ""))
        return Found(document, int(cacheable[1]) * 1000 if cacheable else UNCACHED_MS, body.byteLength)

    async def is_missing(self, app_id: str) -> bool:
        """Whether there is no such Worker. Where that can't be found out, there is."""
        return bool(await self._verdicts.get(app_id, lambda: self._look(app_id)))

    async def _look(self, app_id: str) -> Found[bool]:
        try:
            call = self._dashboard.is_script_missing(app_id)
            is_missing = (await asyncio.wait_for(call, TIMEOUT_MS / 1000)) is True
        except Exception as error:  # whatever the runtime raises
            log("dashboard_failed", app_id, None, str(error))
            is_missing = False
        return Found(is_missing, MISSING_MS if is_missing else PRESENT_MS)

    async def note_failures(self, report: str) -> None:
        """Tell what apps failed with; what can't be told is lost."""
        try:
            await asyncio.wait_for(self._dashboard.note_failures(report), REPORT_TIMEOUT_MS / 1000)
        except Exception as error:  # whatever the runtime raises
            log("dashboard_failed", "", None, str(error))
