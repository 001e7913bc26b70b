"""What was paid into an account, and what was taken back: a book that is only ever added to.

A payment is booked once under its id. What a reversal (a refund or a dispute) takes back can change later, to
more, to less, or to nothing. So a reversal is told as the amount that it takes back in all, with the version
of that knowledge, and what is booked is the difference to what has been booked of it: the newest version
counts, however often and in whatever order the versions arrive.
"""

from __future__ import annotations

from dataclasses import dataclass

from arguments import LedgerError, require_id, require_integer
from database import Database, Value

MAX_PAYMENT_CENTS = 10**12
# Bounded only by what JavaScript's numbers hold exactly: the money has moved, whatever is booked here.
MAX_FUNDING_CENTS = 2**53 - 1
MAX_VERSION = 2**53 - 1
MAX_ID_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Payment:
    """A booking; one of a reversal has its id, followed by `-` and more where it isn't its first."""

    id: str
    amount_cents: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Funds:
    """The tables `payment` and `reversal`, and the sum of all bookings in `account`, which must be there."""

    database: Database

    def add(self, now: int, payment: str, amount_cents: int) -> None:
        """Book a payment, once. Raises LedgerError for the same id with another amount."""
        known = self._execute("SELECT amount_cents FROM payment WHERE id = ?", payment)
        if known:
            if known != [(amount_cents,)]:
                raise LedgerError(f"payment {payment!r} was recorded with another amount")
            return
        self._require_room(amount_cents)
        self.database.transaction(lambda: self._book(now, payment, amount_cents))

    def set_reversal(self, now: int, reversal: str, cents: int, version: int) -> None:
        """Have a reversal take back so much in all, unless a version at least as new has been told."""
        known = self._execute("SELECT version FROM reversal WHERE id = ?", reversal)
        if known and known[0][0] >= version:  # type: ignore[operator]
            return
        ((bookings, booked),) = self._execute(
            "SELECT count(*), coalesce(sum(amount_cents), 0) FROM payment "
            "WHERE id = ? OR (id > ? AND id < ?)",
            *(reversal, f"{reversal}-", f"{reversal}."),  # '.' is the character after '-'
        )
        assert isinstance(booked, int)
        difference = -cents - booked
        self._require_room(difference)

        def book() -> None:
            self._execute(
                "INSERT INTO reversal VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET version = excluded.version",
                *(reversal, version),
            )
            if difference != 0:
                self._book(now, f"{reversal}-{version}" if bookings else reversal, difference)

        self.database.transaction(book)

    def payments(self, limit: int) -> list[Payment]:
        """The latest bookings, newest first."""
        rows = self._execute(
            "SELECT id, amount_cents, created_at FROM payment ORDER BY created_at DESC, rowid DESC LIMIT ?",
            limit,
        )
        return [Payment(*row) for row in rows]  # type: ignore[arg-type]

    def _book(self, now: int, id_: str, amount_cents: int) -> None:
        self._execute("INSERT INTO payment VALUES (?, ?, ?)", id_, amount_cents, now)
        self._execute("UPDATE account SET funding_cents = funding_cents + ?", amount_cents)

    def _require_room(self, cents: int) -> None:
        ((funding,),) = self._execute("SELECT funding_cents FROM account")
        assert isinstance(funding, int)
        if abs(funding + cents) > MAX_FUNDING_CENTS:
            raise LedgerError(f"the account's funding can't exceed {MAX_FUNDING_CENTS} cents")

    def _execute(self, sql: str, *values: Value) -> list[tuple[Value, ...]]:
        return self.database.execute(sql, *values)


def require_payment(payment: object, amount_cents: int) -> None:
    """Raise LedgerError for what can be no payment."""
    require_id("a payment's id", payment, MAX_ID_LENGTH)
    require_integer("amount_cents", amount_cents, -MAX_PAYMENT_CENTS, MAX_PAYMENT_CENTS)
    if amount_cents == 0:
        raise LedgerError("amount_cents must not be 0")


def require_reversal(reversal: object, cents: int, version: int) -> None:
    """Raise LedgerError for what can be no reversal."""
    require_id("a reversal's id", reversal, MAX_ID_LENGTH)
    require_integer("cents", cents, 0, MAX_PAYMENT_CENTS)
    require_integer("version", version, 1, MAX_VERSION)
