"""Telling the operator which limits refuse what: counted where it is refused, written down later."""

from __future__ import annotations

from dataclasses import dataclass

from model.app import User
from model.refusals import Tally
from store.refusals import Refusals


@dataclass(frozen=True, slots=True)
class Refusing:
    """`tally` is that of this instance."""

    tally: Tally
    store: Refusals

    def note(self, limit: str, user: User) -> None:
        self.tally.note(limit, str(user.id))

    async def write(self, now: int) -> None:
        """Write down what was counted, if it is time."""
        refusals = self.tally.take(now)
        if refusals:
            await self.store.note(refusals, now)
