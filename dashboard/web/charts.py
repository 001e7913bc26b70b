"""Bar charts as SVG, made on the server: one shape and one colour, with the same numbers in a table.

A reader who sees no picture, or no colours, gets everything from the caption and the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup, escape

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
WIDTH, HEIGHT = 720, 240
LEFT, BOTTOM, TOP = 64, 32, 20
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT, HEIGHT - BOTTOM - TOP
GAP = 0.2  # of a bar's width
AXIS_LABELS = 6  # every second one is left out where there is little room
UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def requests_per_hour(counts: Sequence[int], now: int) -> Markup:
    """A chart of the last hours, the current one last; `now` in milliseconds since 1970."""
    first = now // HOUR_MS - len(counts) + 1
    times = [datetime.fromtimestamp((first + number) * 3600, UTC) for number in range(len(counts))]
    labels = [f"{time.day} {time:%b %H}:00" for time in times]
    return chart(f"Requests per hour, last {len(counts)} hours", "Hour (UTC)", labels, counts)


def requests_per_day(counts: Sequence[int], now: int) -> Markup:
    """A chart of the last days, today last."""
    first = now // DAY_MS - len(counts) + 1
    times = [datetime.fromtimestamp((first + number) * 86_400, UTC) for number in range(len(counts))]
    labels = [f"{time.day} {time:%b}" for time in times]
    return chart(f"Requests per day, last {len(counts)} days", "Day (UTC)", labels, counts)


def chart(title: str, column: str, labels: Sequence[str], counts: Sequence[int]) -> Markup:
    """A figure with a caption, the bars, and a table. Counts are at least 0; labels are as many."""
    total, highest = sum(counts), max(counts, default=0)
    summary = f"{total:,} in all, at most {highest:,}." if total else "None yet."
    return Markup(
        '<figure class="chart"><figcaption><strong>{}</strong>: {}</figcaption>{}{}</figure>'
    ).format(
        title, summary, picture(title, labels, counts) if total else "", table(title, column, labels, counts)
    )


def picture(title: str, labels: Sequence[str], counts: Sequence[int]) -> Markup:
    top = round_up(max(counts))
    width = PLOT_WIDTH / len(counts)
    bars = [
        f'<rect class="bar" x="{LEFT + number * width:.2f}" y="{y:.2f}" width="{width * (1 - GAP):.2f}" '
        f'height="{TOP + PLOT_HEIGHT - y:.2f}"/>'
        for number, y in enumerate(tops(counts, top))
        if counts[number]
    ]
    every = -(-len(labels) // AXIS_LABELS)
    ticks = [
        f'<text x="{LEFT + number * width:.2f}" y="{HEIGHT - 6}"{minor(number // every)}>'
        f"{escape(label)}</text>"
        for number, label in enumerate(labels)
        if number % every == 0
    ]
    lines = [
        f'<line class="line" x1="{LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}"/>'
        f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{compact(value)}</text>'
        for value, y in ((top, TOP), (0, TOP + PLOT_HEIGHT))
    ]
    parts = "".join((*lines, *bars, *ticks))
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH,
        HEIGHT,
        f"Bar chart: {title}. The table has the numbers.",
        Markup(parts),  # noqa: S704
    )


def minor(number: int) -> str:
    return ' class="minor"' if number % 2 else ""


def tops(counts: Sequence[int], top: int) -> list[float]:
    """Where each bar ends, from the picture's upper edge. `top` is the axis' highest value."""
    return [TOP + PLOT_HEIGHT * (1 - count / top) for count in counts]


def table(title: str, column: str, labels: Sequence[str], counts: Sequence[int]) -> Markup:
    row = Markup('<tr><th scope="row">{}</th><td class="number">{:,}</td></tr>')
    rows = Markup("").join(row.format(label, count) for label, count in zip(labels, counts, strict=True))
    return Markup(
        "<details><summary>{} as a table</summary>"
        '<div tabindex="0" role="region" aria-label="{}"><table><thead><tr><th scope="col">{}</th>'
        '<th scope="col" class="number">Requests</th></tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(title.partition(",")[0], title, column, rows)


def round_up(highest: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, …: a readable end of an axis."""
    power: int = 10 ** (len(str(highest)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest)


def compact(count: int) -> str:
    """`1500` is `1.5k`."""
    for unit, letter in UNITS:
        if count >= unit:
            return f"{count / unit:g}{letter}"
    return str(count)
