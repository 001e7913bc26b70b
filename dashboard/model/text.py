"""Text that comes from others."""

from __future__ import annotations


def seen(text: str) -> str:
    """Text on one line: a space stands for each character that isn't to be seen."""
    return "".join(character if character.isprintable() else " " for character in text)
