"""Tables as Markdown, and their place in docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"

Row = Sequence[str]


def insert(tables: str, begin: str, end: str) -> None:
    """Write them into the page between two of its lines."""
    before, rest = PAGE.read_text().split(begin)
    PAGE.write_text(f"{before}{begin}\n\n{tables}\n\n{end}{rest.split(end)[1]}")


def table(header: Row, rows: Sequence[Row], names: int = 1) -> str:
    """Aligned Markdown; the first columns hold names, the others figures."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Row) -> str:
        padded = (
            cell.ljust(width) if number < names else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if number < names else "-" * (width - 1) + ":" for number, width in enumerate(widths)]
    return "\n".join(map(line, (header, rule, *rows)))
