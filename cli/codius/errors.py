"""What can go wrong in a check."""

from __future__ import annotations


class CheckFailedError(Exception):
    """What was checked isn't so; the message says what isn't."""


class GoneError(CheckFailedError):
    """There is no script of the app any more, or never was."""


class SwitchedError(Exception):
    """What a site serves changed while it was checked; the message says to what."""


class UncheckableError(Exception):
    """It could not be checked: something couldn't be reached, read or run. The message names it."""


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
