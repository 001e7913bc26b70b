"""Tells the dashboard what apps failed with, in the background (runs in the Workers runtime only).

Nothing of it is on the way of a request that succeeds.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import js

from answers import Asker
from calls import in_background, now_ms
from dashboard_client import DashboardClient
from exchange import MAX_LOGGED
from failures import TRACEBACK, Failures, last_words

ERROR_NAMES = re.compile("^(Error: )+")


class FailureReports:
    def __init__(self, dashboard: DashboardClient) -> None:
        self._dashboard, self._failures = dashboard, Failures()
        # Of an error, as text: an app chooses how long that is, and all of it would be copied into Python.
        self._beginning_of = js.RegExp.new(f"^[^]{{0,{MAX_LOGGED}}}").exec
        self._slice_of = js.String.prototype.slice.call

    def message_of(self, error: Any) -> str:
        """What an error says, cut."""
        message: str = ERROR_NAMES.sub("", self._beginning_of(error)[0])
        return last_words(self._slice_of(error, -MAX_LOGGED)) if message.startswith(TRACEBACK) else message

    def note(self, app_id: str, message: str, asker: Asker) -> None:
        """Note that an app failed to answer a request."""
        now = now_ms()
        self._failures.note(app_id, message, asker.target.partition("?")[0], asker.request_id, now)
        pause_ms = self._failures.begin(now)
        if pause_ms is not None:
            in_background(self._report(pause_ms))

    async def _report(self, pause_ms: int) -> None:
        await asyncio.sleep(pause_ms / 1000)
        # One after the other: in all they may be large.
        for report in self._failures.take(now_ms()):
            await self._dashboard.note_failures(report)
