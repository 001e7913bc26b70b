"""Checks of what a caller gives."""

from __future__ import annotations


class LedgerError(ValueError):
    """An argument is wrong; nothing was changed."""


def require_integer(name: str, value: object, least: int, most: int) -> None:
    """Raise LedgerError, naming the argument, for anything but an integer in the range."""
    if type(value) is not int:
        raise LedgerError(f"{name} must be an integer; it is {value!r}")
    if not least <= value <= most:
        raise LedgerError(f"{name} must be from {least} to {most}; it is {value}")


def require_id(name: str, value: object, most: int) -> None:
    """Raise LedgerError for anything but text of 1 to `most` characters."""
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise LedgerError(f"{name} must be text of 1 to {most} characters")
