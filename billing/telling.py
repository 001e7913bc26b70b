"""Telling objects what the operator has suspended: D1 knows it first, and which accounts don't know it yet.

Each is told all that holds for it, as of the newest act: so calls may be repeated and come in any order. An
account is untold until it was told of the act that it waits for, whoever tells it: the dashboard has it done
after an act, and a cron trigger of this Worker does what was left. So it needs no dashboard.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

AT_ONCE = 50
MOST_ROUNDS = 20  # a call of an object is a subrequest: there are 1,000 at least ("Limits" of Workers)
TIMEOUT_SECONDS = 10
# How long one is left alone that could not be told.
PAUSE_MS = 60_000
# More than a site's schedule has, which are its latest.
SWITCHES = 40

DUE = f"""
SELECT account, (SELECT max(at) FROM acts) AS version,
    (SELECT json_group_array(json_array(worker, reason)) FROM (
        SELECT '' AS worker, reason FROM suspended_apps WHERE app_id = account
        UNION ALL
        SELECT '', reason FROM suspended_sites WHERE site = account
        UNION ALL
        SELECT suspended_apps.app_id, reason FROM suspended_apps WHERE app_id IN (
            SELECT app_id FROM site_events AS planned WHERE site = account AND serves_from IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM site_events AS withdrawal
                WHERE withdrawal.site = planned.site AND withdrawal.withdraws = planned.at)
            ORDER BY serves_from DESC, at DESC LIMIT {SWITCHES})
    )) AS reasons
FROM untold_suspensions WHERE try_at <= ? ORDER BY try_at LIMIT ?
"""  # noqa: S608
TOLD = "DELETE FROM untold_suspensions WHERE account IN (SELECT value FROM json_each(?)) AND version <= ? "
LATER = "UPDATE untold_suspensions SET try_at = ? WHERE account IN (SELECT value FROM json_each(?))"
LEFT = "SELECT count(*) AS accounts FROM untold_suspensions"

# Told which account could not be told, and why.
OnFailure = Callable[[str, Exception], None]
# An account, the version of what is known of it, and its [Worker, reason]; see the object's `set_suspension`.
SetSuspension = Callable[[str, int, list[list[str]]], Awaitable[Any]]


class Rows(Protocol):
    """What is needed of D1."""

    async def execute(self, sql: str, *values: int | str | None) -> list[dict[str, Any]]:
        """Run one statement; return its rows."""


@dataclass(frozen=True, slots=True)
class Telling:
    rows: Rows
    set_suspension: SetSuspension

    async def run(self, now: int, on_failure: OnFailure) -> int:
        """Tell all accounts whose turn it is; return how many are left that could not be told."""
        for _ in range(MOST_ROUNDS):
            due = await self.rows.execute(DUE, now, AT_ONCE)
            if not due:
                break
            failures = await asyncio.gather(*(self._tell(row, on_failure) for row in due))
            told = [row["account"] for row, failed in zip(due, failures, strict=True) if not failed]
            untold = [row["account"] for row, failed in zip(due, failures, strict=True) if failed]
            await self.rows.execute(TOLD, json.dumps(told), due[0]["version"])
            if untold:
                await self.rows.execute(LATER, now + PAUSE_MS, json.dumps(untold))
        (row,) = await self.rows.execute(LEFT)
        return int(row["accounts"])

    async def _tell(self, row: dict[str, Any], on_failure: OnFailure) -> bool:
        """Whether it failed."""
        try:
            call = self.set_suspension(row["account"], row["version"], json.loads(row["reasons"]))
            await asyncio.wait_for(call, TIMEOUT_SECONDS)
        except Exception as error:  # whatever the runtime raises
            on_failure(row["account"], error)
            return True
        return False
