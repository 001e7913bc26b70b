"""Charts: what the picture shows is what the table says, for any counts."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.charts import (
    FLOOR,
    LEFT,
    LOWEST_BAR,
    TOP,
    WIDTH,
    apps_per_day,
    chart,
    compact,
    requests_per_day,
    requests_per_hour,
    round_up,
)

NOW = 1_800_000_000_000  # 15 January 2027, 08:00 UTC
COUNTS = st.lists(st.integers(0, 10**15), min_size=1, max_size=60)


def figure_of(counts: list[int]) -> ElementTree.Element:
    labels = [f"{number}." for number in range(len(counts))]
    return ElementTree.fromstring(chart("Requests", "Hour", labels, counts))  # noqa: S314


@given(COUNTS)
def test_every_count_is_in_the_table(counts: list[int]) -> None:
    cells = [cell.text or "" for cell in figure_of(counts).iter("td")]
    assert [int(cell.replace(",", "")) for cell in cells] == (counts if any(counts) else [])


@given(COUNTS)
def test_bars_stay_in_the_plot_and_every_request_is_seen(counts: list[int]) -> None:
    bars = list(figure_of(counts).iter("rect"))
    assert len(bars) == sum(count > 0 for count in counts)
    for bar in bars:
        x, y, width, height = (float(bar.get(name, "")) for name in ("x", "y", "width", "height"))
        assert LEFT <= x < x + width <= WIDTH
        # Each of the two is rounded to hundredths.
        assert TOP - 0.02 <= y < y + height <= FLOOR + 0.02
        assert height >= 1


@given(COUNTS)
def test_a_bar_is_as_high_as_its_count(counts: list[int]) -> None:
    heights = [float(bar.get("height", "")) for bar in figure_of(counts).iter("rect")]
    ranked = sorted(zip(filter(None, counts), heights, strict=True))
    assert [height for _, height in ranked] == sorted(heights)
    for (count, height), (next_count, next_height) in pairwise(ranked):
        if height > LOWEST_BAR:
            assert height / next_height == pytest.approx(count / next_count, rel=0.01)


@given(COUNTS)
def test_a_bar_tells_its_number(counts: list[int]) -> None:
    titles = [title.text for title in figure_of(counts).iter("title")]
    assert titles == [f"{number}.: {count:,}" for number, count in enumerate(counts) if count]


@given(st.lists(st.just(0), max_size=60))
def test_without_requests_there_is_no_picture_but_a_word(counts: list[int]) -> None:
    figure = figure_of(counts)
    assert [child.tag for child in figure] == ["figcaption"]
    assert "None yet." in "".join(figure.itertext())


@pytest.mark.parametrize(
    ("counts", "labels"),
    [([1], ["0."]), ([1, 2], ["0.", "1."]), ([1] * 3, ["0.", "1.", "2."]), ([1] * 48, ["0.", "24.", "47."])],
)
def test_times_at_the_axis_are_few(counts: list[int], labels: list[str]) -> None:
    texts = [text.text for text in figure_of(counts).iter("text")]
    assert [text for text in texts if text and text.endswith(".")] == labels


def test_a_reader_without_a_picture_is_told_what_it_shows() -> None:
    figure = figure_of([1, 2, 3])
    (picture,) = figure.iter("svg")
    assert picture.get("role") == "img"
    assert "Requests" in (picture.get("aria-label") or "")
    assert "6 in total, 3 at most." in "".join(figure.itertext())
    assert '<th scope="col" class="number">New apps</th>' in apps_per_day([1, 2], NOW)


def test_hours_and_days_end_with_the_current_one() -> None:
    hours = re.findall(r'<th scope="row">([^<]*)</th>', requests_per_hour([1] * 48, NOW))
    assert (hours[0], hours[-1], len(hours)) == ("13 Jan 09:00", "15 Jan 08:00", 48)
    days = re.findall(r'<th scope="row">([^<]*)</th>', requests_per_day([1] * 30, NOW))
    assert (days[0], days[-1], len(days)) == ("17 Dec", "15 Jan", 30)


def test_labels_can_not_break_out() -> None:
    assert "<script>" not in chart("<script>", "<script>", ["<script>"], [1])


@given(st.integers(1, 10**15))
def test_the_axis_ends_at_a_round_number_that_is_high_enough(highest: int) -> None:
    assert highest <= round_up(highest) <= highest * 10
    assert str(round_up(highest)).rstrip("0") in ("1", "2", "4", "6", "8")


@pytest.mark.parametrize(
    ("highest", "marks"),
    [(1, ["0", "1"]), (2, ["0", "1", "2"]), (57, ["0", "30", "60"]), (1_001, ["0", "1k", "2k"])],
)
def test_an_axis_has_only_whole_numbers(highest: int, marks: list[str]) -> None:
    figure = ElementTree.fromstring(chart("Requests", "Hour", ["now"], [highest]))  # noqa: S314
    assert [text.text for text in figure.iter("text")] == [*marks, "now"]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1_000, "1k"), (20_000, "20k"), (5 * 10**6, "5M"), (10**12, "1T")],
)
def test_large_numbers_are_short_at_the_axis(count: int, text: str) -> None:
    assert compact(count) == text
