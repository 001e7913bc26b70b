"""What one instance keeps of failures is bounded, whatever apps throw and visitors ask for."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failures import (
    KINDS_PER_REPORT,
    LOST_MS,
    MAX_APPS,
    MAX_KINDS,
    MAX_MESSAGE,
    MAX_REQUESTS,
    OTHERS,
    PERIOD_MS,
    Failures,
    kind_of,
    last_words,
    plain,
)

D1_VALUE_BYTES = 2_000_000
NOW = 1_000_000


def taken(failures: Failures, now: int = NOW) -> list[dict[str, Any]]:
    return [failure for report in failures.take(now) for failure in json.loads(report)]


def test_a_failure_that_comes_again_is_counted_and_the_latest_is_told() -> None:
    failures = Failures()
    for number in range(3):
        failures.note("app", f"no user {number}", f"/users/{number}", f"request-{number}", NOW + number)
    assert taken(failures) == [
        {
            "app": "app",
            "kind": "no user #",
            "message": "no user 2",
            "path": "/users/2",
            "requests": "request-2 request-1 request-0",
            "times": 3,
            "first_at": NOW,
            "last_at": NOW + 2,
        }
    ]
    assert taken(failures) == []


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("x is not a function", "x is not a function"),
        ("no user 17 of 2,000", "no user # of #,#"),
        ("550e8400-e29b-41d4-a716-446655440000 is gone", "#-#-#-#-# is gone"),
        ("utf8 isn't ascii", "# isn't ascii"),
        ("", ""),
    ],
)
def test_messages_that_differ_in_ids_and_amounts_are_of_one_kind(message: str, kind: str) -> None:
    assert kind_of(message) == kind


def test_an_app_that_says_always_something_else_keeps_few_kinds_and_no_count_is_lost() -> None:
    failures = Failures()
    for number in range(1_000):
        failures.note("app", "x" * (number % 200), "/", str(number), NOW)
    found = taken(failures)
    assert [failure["kind"] for failure in found] == [
        "(an error without a message)",
        "x",
        "xx",
        "xxx",
        OTHERS,
    ]
    assert sum(failure["times"] for failure in found) == 1_000
    assert found[-1]["kind"] == OTHERS
    assert found[-1]["requests"].split() == [str(number) for number in range(999, 999 - MAX_REQUESTS, -1)]


def test_many_apps_with_long_messages_take_bounded_memory_and_reports_that_d1_takes() -> None:
    failures = Failures()
    for app in range(2 * MAX_APPS):
        for kind in "abcdef":
            for request in range(MAX_REQUESTS):
                text = kind + "\U0001f600" * 2_000
                failures.note(f"app-{app}", text, text, f"{request:0128}", NOW)
    reports = list(failures.take(NOW))
    found = [json.loads(report) for report in reports]
    apps = Counter(failure["app"] for report in found for failure in report)
    assert len(apps) == MAX_APPS
    assert set(apps.values()) == {MAX_KINDS + 1}
    assert max(len(failure["message"]) for report in found for failure in report) == MAX_MESSAGE
    assert all(len(report.encode()) < D1_VALUE_BYTES * 3 / 4 for report in reports)
    assert all(len(report) <= KINDS_PER_REPORT for report in found)
    # No app's kinds are in two of them.
    assert sum(len({failure["app"] for failure in report}) for report in found) == MAX_APPS


def test_one_report_is_begun_at_once_and_the_next_ten_seconds_after_it() -> None:
    failures = Failures()
    assert failures.begin(NOW) == 0
    assert failures.begin(NOW) is None
    failures.take(NOW)
    assert failures.begin(NOW + 1) == PERIOD_MS - 1
    assert [failures.begin(NOW + passed) for passed in (2, PERIOD_MS)] == [None, None]
    failures.take(NOW + PERIOD_MS)
    assert failures.begin(NOW + 3 * PERIOD_MS) == 0


def test_a_report_whose_request_was_ended_is_begun_anew() -> None:
    failures = Failures()
    failures.begin(NOW)
    assert failures.begin(NOW + LOST_MS - 1) is None
    assert failures.begin(NOW + LOST_MS) == 0


@given(st.lists(st.integers(0, 60_000), max_size=60))
def test_reports_are_never_less_than_ten_seconds_apart(pauses: list[int]) -> None:
    """By a clock that each failure moves on; a report is taken when it is due."""
    failures, now, due, times = Failures(), NOW, None, []
    for pause in pauses:
        now += pause
        if due is not None and due <= now:
            failures.take(due)
            times.append(due)
            due = None
        failures.note("app", "message", "/", "id", now)
        wait = failures.begin(now)
        due = due if wait is None else now + wait
    assert all(later - earlier >= PERIOD_MS for earlier, later in itertools.pairwise(times))


@given(st.text(st.characters(codec=None)))
def test_what_is_told_can_be_stored(text: str) -> None:
    assert plain(text).isprintable()
    plain(text).encode()


def test_a_python_exception_is_told_by_its_last_words() -> None:
    traceback = (
        'PythonError: Traceback (most recent call last):\n  File "entry.py", line 4, in inner\n    raise '
    )
    assert (
        last_words(f"{traceback}ValueError\nValueError: no -5\nbut more\n") == "ValueError: no -5\nbut more"
    )
    assert last_words('File "x", line 1\n    it was cut here') == "    it was cut here"
