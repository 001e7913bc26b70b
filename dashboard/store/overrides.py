"""The queries on what an operator has switched; each change is an act in their log."""

from __future__ import annotations

from dataclasses import dataclass

from model.suspension import Operator
from model.switches import Switches
from store.database import Database, Statement
from store.suspensions import LAST


@dataclass(frozen=True, slots=True)
class Overrides:
    database: Database

    async def switches(self) -> Switches:
        rows = await self.database.execute("SELECT setting, value FROM overrides")
        return Switches.of({str(row["setting"]): str(row["value"]) for row in rows})

    async def set(self, name: str, value: str, reason: str, operator: Operator, now: int) -> None:
        await self.database.batch(*setting(name, value, reason, operator, now))


def setting(name: str, value: str, reason: str, operator: Operator, now: int) -> tuple[Statement, ...]:
    """What is set already is no act. The first one returns a row if it changes anything."""
    return (
        (
            "INSERT INTO acts (at, act, kind, name, reason, operator_id, operator) "  # noqa: S608
            f"SELECT max(?6, {LAST} + 1), 'set', ?1, ?2, ?3, ?4, ?5 "
            "WHERE (SELECT value FROM overrides WHERE setting = ?1) IS NOT ?2 RETURNING at",
            (name, value, reason, operator.id, operator.name, now),
        ),
        (
            "INSERT INTO overrides (setting, value) VALUES (?1, ?2) "
            "ON CONFLICT (setting) DO UPDATE SET value = excluded.value",
            (name, value),
        ),
    )
