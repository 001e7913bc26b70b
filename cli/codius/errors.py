"""What can go wrong in a check."""

from __future__ import annotations


class CheckFailedError(Exception):
    """What was checked isn't so; the message says what isn't."""


class UncheckableError(Exception):
    """It could not be checked: something couldn't be reached, read or run. The message names it."""
