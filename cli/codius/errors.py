"""What can go wrong in a check."""

from __future__ import annotations

MOST_CHARACTERS = 500


class CheckFailedError(Exception):
    """What was checked isn't so; the message says what isn't."""


class GoneError(CheckFailedError):
    """There is no script of the app any more, or never was."""


class SwitchedError(Exception):
    """What a site serves changed while it was checked; the message says to what."""


class UncheckableError(Exception):
    """It could not be checked: something couldn't be reached, read or run. The message names it."""


def one_line(error: Exception) -> str:
    """What an error says, in one line: that which names the field may be any of its lines."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= MOST_CHARACTERS else f"{words[:MOST_CHARACTERS]}…"
