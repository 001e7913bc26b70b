"""Bar charts as SVG, made on the server: one shape and one colour, with the same numbers in a table.

A reader who sees no picture, or no colours, gets everything from the caption and the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from model.limits import DAY_MS, HOUR_MS

WIDTH, HEIGHT = 480, 220
LEFT, BOTTOM, TOP = 56, 32, 16
FLOOR = HEIGHT - BOTTOM
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT, FLOOR - TOP
GAP = 0.2  # of a bar's width
LOWEST_BAR = 2  # so that a single request is seen beside millions
UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def requests_per_hour(counts: Sequence[int], now: int) -> Markup:
    """A chart of the last hours, the current one last; `now` in milliseconds since 1970."""
    first = now // HOUR_MS - len(counts) + 1
    times = [datetime.fromtimestamp((first + number) * 3600, UTC) for number in range(len(counts))]
    labels = [f"{time.day} {time:%b %H}:00" for time in times]
    return chart(f"Requests per hour, last {len(counts)} hours", "Hour (UTC)", labels, counts)


def requests_per_day(counts: Sequence[int], now: int) -> Markup:
    """A chart of the last days, today last."""
    return per_day("Requests", counts, now)


def apps_per_day(counts: Sequence[int], now: int) -> Markup:
    """How many apps were made on each of the last days, today last."""
    return per_day("New apps", counts, now)


def per_day(what: str, counts: Sequence[int], now: int) -> Markup:
    first = now // DAY_MS - len(counts) + 1
    times = [datetime.fromtimestamp((first + number) * 86_400, UTC) for number in range(len(counts))]
    labels = [f"{time.day} {time:%b}" for time in times]
    return chart(f"{what} per day, last {len(counts)} days", "Day (UTC)", labels, counts)


def chart(title: str, column: str, labels: Sequence[str], counts: Sequence[int]) -> Markup:
    """A figure with a caption, the bars, and a table. Counts are at least 0; labels are as many."""
    total = sum(counts)
    if total == 0:
        return figure(title, "None yet.", Markup())
    summary = f"{total:,} in total, {max(counts):,} at most."
    return figure(title, summary, picture(title, labels, counts) + table(title, column, labels, counts))


def figure(title: str, summary: str, content: Markup) -> Markup:
    return Markup('<figure class="chart"><figcaption><strong>{}</strong>: {}</figcaption>{}</figure>').format(
        title, summary, content
    )


def picture(title: str, labels: Sequence[str], counts: Sequence[int]) -> Markup:
    parts = (*grid(round_up(max(counts))), *bars(labels, counts), *time_labels(labels))
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, f"Bar chart: {title}. The table has the numbers.", Markup().join(parts)
    )


def grid(top: int) -> list[Markup]:
    """Lines at the axis' end, at 0, and halfway where that is a whole number."""
    values = (0, top // 2, top) if top % 2 == 0 else (0, top)
    line = Markup(
        '<line class="line" x1="{}" x2="{}" y1="{y:.2f}" y2="{y:.2f}"/>'
        '<text x="{}" y="{:.2f}" text-anchor="end">{}</text>'
    )
    heights = [(value, FLOOR - PLOT_HEIGHT * value / top) for value in values]
    return [line.format(LEFT, WIDTH, LEFT - 6, y + 4, compact(value), y=y) for value, y in heights]


def bars(labels: Sequence[str], counts: Sequence[int]) -> list[Markup]:
    """A bar for each count but 0; a pointer that rests on one is told its number."""
    top, width = round_up(max(counts)), PLOT_WIDTH / len(counts)
    bar = Markup(
        '<rect class="bar" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}">'
        "<title>{}: {:,}</title></rect>"
    )
    return [
        bar.format(LEFT + number * width, FLOOR - height, width * (1 - GAP), height, label, count)
        for number, (label, count) in enumerate(zip(labels, counts, strict=True))
        if (height := bar_height(count, top))
    ]


def bar_height(count: int, top: int) -> float:
    return max(PLOT_HEIGHT * count / top, LOWEST_BAR) if count else 0


def time_labels(labels: Sequence[str]) -> list[Markup]:
    """The first time, the one in the middle, and the last: as many as there is room for on a phone."""
    last, middle = len(labels) - 1, len(labels) // 2
    places = [(0, LEFT, "start")]
    if last > 1:
        places.append((middle, LEFT + round((middle + 0.5) * PLOT_WIDTH / len(labels)), "middle"))
    if last > 0:
        places.append((last, WIDTH, "end"))
    text = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
    return [text.format(x, HEIGHT - 8, anchor, labels[number]) for number, x, anchor in places]


def table(title: str, column: str, labels: Sequence[str], counts: Sequence[int]) -> Markup:
    row = Markup('<tr><th scope="row">{}</th><td class="number">{:,}</td></tr>')
    rows = Markup("").join(row.format(label, count) for label, count in zip(labels, counts, strict=True))
    return Markup(
        "<details><summary>{} as a table</summary>"
        '<div tabindex="0" role="region" aria-label="{}"><table><thead><tr><th scope="col">{}</th>'
        '<th scope="col" class="number">{}</th></tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(title.partition(",")[0], title, column, title.partition(" per ")[0], rows)


def round_up(highest: int) -> int:
    """The next of 1, 2, 4, 6, 8, 10, 20, 40, …: a readable end of an axis, and half of it as well."""
    power: int = 10 ** (len(str(highest)) - 1)
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= highest)


def compact(count: int) -> str:
    """`1500` is `1.5k`."""
    for unit, letter in UNITS:
        if count >= unit:
            return f"{count / unit:g}{letter}"
    return str(count)
