from __future__ import annotations

import pytest

from bench.figures import Counts, Figure, Load, Summary, Turn, p50_ratio, percentile, throughput_ratio


def turn(durations: list[float], seconds: float = 1.0, calls: int = 0, rows_written: int = 0) -> Turn:
    return Turn(Load(durations, len(durations), seconds), Counts(calls, 0, rows_written))


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (25, 1), (50, 2), (75, 3), (99, 4), (100, 4)])
def test_percentile_is_the_nearest_rank(percent, value):
    assert percentile([4, 1, 3, 2], percent) == value


def test_ratios_are_medians_of_the_rounds_not_ratios_of_medians():
    ours = [turn([1.0] * 4), turn([1.0] * 8), turn([1.0] * 6)]
    source = [turn([2.0] * 4), turn([4.0] * 2), turn([1.0] * 2)]
    assert throughput_ratio(ours, source).value == 3
    assert p50_ratio(ours, source).value == 0.5


def test_counts_are_per_thousand_requests_sent_in_all_rounds():
    turns = [turn([1.0] * 300, calls=2), turn([1.0] * 700, calls=3)]
    assert Summary.of(turns).calls == 5


def test_one_call_and_one_row_for_each_request_cost_their_list_prices():
    summary = Summary.of([turn([1.0] * 10, calls=10, rows_written=10)])
    assert summary.object_cost == pytest.approx(0.15 + 1.00)


def test_a_system_without_an_object_costs_nothing():
    assert Summary.of([turn([1.0])]).object_cost == 0


@pytest.mark.parametrize(
    ("rounds", "bound", "more_is_better", "reached"),
    [
        ([2.1, 2.2, 2.3], 2.2, True, True),
        ([2.1, 2.15, 2.3], 2.2, True, False),
        ([1.0, 1.1], 1.1, False, True),
        ([1.2, 1.3], 1.1, False, False),
        ([1.5, 2.3, 2.4], 2.2, True, None),
        ([2.3, 3.0, 4.0], 2.2, True, True),
        ([0.5, 1.0, 2.0], 2.2, True, False),
    ],
)
def test_rounds_that_differ_too_much_on_both_sides_of_a_bound_tell_nothing(
    rounds, bound, more_is_better, reached
):
    assert Figure(rounds).reaches(bound, more_is_better) is reached


def test_the_processors_time_is_for_each_request_in_microseconds():
    turns = [Turn(Load([1.0] * 500, 500, 1.0), Counts(0, 0, 0), 0.25)] * 2
    assert Summary.of(turns).processor_us == 500
