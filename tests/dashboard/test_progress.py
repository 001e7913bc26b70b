"""Following a workflow run: what GitHub says comes twice, late, in any order, and about other runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.app import App, Source, Status, User
from model.progress import ORDER, RunReport, follow, job_report, run_report

ALICE = User(1, "alice", None)
SOURCE = Source("alice/hello", "main", "a" * 40, "")
PENDING = App("bcdfghjkmnpq", SOURCE, ALICE, "pending", None, None, 1, False, 1, 1, None, None, None, None, 0)
QUEUED = replace(PENDING, status="queued", run_id=7)

RUN = {
    "id": 7,
    "run_attempt": 1,
    "event": "workflow_dispatch",
    "display_title": f"Deploy {PENDING.id}",
    "status": "in_progress",
    "conclusion": None,
}
JOB = {"run_id": 7, "run_attempt": 1, "name": "build", "status": "in_progress", "conclusion": None}

# All that GitHub says of a run that succeeds, in order.
SUCCESS = [
    RunReport(7, 1, "queued", app_id=PENDING.id),
    RunReport(7, 1, "building"),
    RunReport(7, 1, "attesting"),
    RunReport(7, 1, "deploying"),
    RunReport(7, 1, "deployed", "success", PENDING.id),
]
FAILURE = [SUCCESS[0], SUCCESS[1], RunReport(7, 1, "failed", "failure", PENDING.id)]


def follow_all(app: App, reports: list[RunReport]) -> App:
    for report in reports:
        app = follow(app, report)
    return app


def test_an_app_follows_its_run_to_the_end() -> None:
    statuses: list[Status] = [PENDING.status]
    app = PENDING
    for report in SUCCESS:
        app = follow(app, report)
        statuses.append(app.status)
    assert statuses == ["pending", "queued", "building", "attesting", "deploying", "deployed"]
    assert app.run_ended


def test_a_failed_app_says_which_step_it_was() -> None:
    app = follow_all(PENDING, FAILURE)
    assert (app.status, app.failure, app.run_ended) == ("failed", "The build failed.", True)


@pytest.mark.parametrize(
    ("conclusion", "failure"),
    [
        ("cancelled", "The workflow was cancelled."),
        ("timed_out", "The workflow took too long."),
        ("startup_failure", "GitHub could not start the workflow."),
        ("failure", "The workflow failed."),
        ("a new one", "The workflow failed."),
    ],
)
def test_a_run_that_ends_without_success_is_a_failure(conclusion: str, failure: str) -> None:
    app = follow(QUEUED, RunReport(7, 1, "failed", conclusion))
    assert (app.status, app.failure) == ("failed", failure)


@given(st.lists(st.sampled_from(SUCCESS)))
def test_in_any_order_and_number_reports_lead_forwards_only(reports: list[RunReport]) -> None:
    app = QUEUED
    for report in reports:
        followed = follow(app, report)
        assert ORDER.index(followed.status) >= ORDER.index(app.status)
        app = followed
    last = max((ORDER.index(report.status) for report in reports), default=0)
    assert ORDER.index(app.status) == max(last, ORDER.index("queued"))


@given(st.permutations(SUCCESS), st.lists(st.sampled_from(SUCCESS)))
def test_all_reports_in_any_order_end_in_the_same_app(
    reports: list[RunReport], again: list[RunReport]
) -> None:
    app = follow_all(QUEUED, [*reports, *again])
    assert (app.status, app.run_ended, app.failure) == ("deployed", True, None)


@given(st.lists(st.sampled_from(SUCCESS + FAILURE)))
def test_after_its_end_nothing_of_a_run_is_news(reports: list[RunReport]) -> None:
    ended = follow_all(PENDING, FAILURE)
    assert follow_all(ended, reports) == ended


@given(st.sampled_from(SUCCESS + FAILURE), st.integers(1, 6))
def test_an_older_run_is_over(report: RunReport, run_id: int) -> None:
    assert follow(QUEUED, replace(report, run_id=run_id)) == QUEUED


@given(st.sampled_from(SUCCESS + FAILURE), st.sampled_from([None, "another"]))
def test_a_run_that_does_not_name_the_app_is_not_its_own(report: RunReport, app_id: str | None) -> None:
    foreign = replace(report, run_id=8, app_id=app_id)
    assert follow(PENDING, foreign) == PENDING
    assert follow(QUEUED, foreign) == QUEUED


def test_a_run_whose_start_was_not_answered_is_found_by_its_title() -> None:
    unanswered = replace(PENDING, status="failed", failure="GitHub could not be reached.")
    app = follow(unanswered, SUCCESS[0])
    assert (app.status, app.failure, app.run_id) == ("queued", None, 7)


def test_while_a_new_run_is_awaited_the_old_one_says_nothing() -> None:
    again = replace(QUEUED, status="pending")
    assert follow_all(again, SUCCESS) == again
    assert follow(again, replace(SUCCESS[0], run_id=8)).status == "queued"


def test_a_new_attempt_of_a_failed_run_begins_again() -> None:
    app = follow_all(PENDING, FAILURE)
    assert follow(app, RunReport(7, 2, "building")).status == "building"
    assert follow(app, RunReport(7, 2, "building")).run_ended is False


@given(st.lists(st.sampled_from(SUCCESS + FAILURE)), st.integers(7, 9))
def test_what_is_deployed_or_deleted_stays_so(reports: list[RunReport], run_id: int) -> None:
    later = [replace(report, run_id=run_id) for report in reports]
    deployed = replace(QUEUED, status="deployed", deployed_at=2)
    deleted = replace(QUEUED, status="deleted", deleted_at=2)
    assert follow_all(deployed, later).status == "deployed"
    assert follow_all(deleted, later).status == "deleted"


def test_the_end_of_a_deleted_apps_run_is_noticed() -> None:
    deleted = replace(QUEUED, status="deleted", deleted_at=2)
    assert follow(deleted, RunReport(7, 1, "failed", "cancelled")).run_ended


@pytest.mark.parametrize(
    ("changed", "report"),
    [
        ({}, RunReport(7, 1, "queued", None, PENDING.id)),
        ({"status": "queued"}, RunReport(7, 1, "queued", None, PENDING.id)),
        ({"status": "requested"}, RunReport(7, 1, "queued", None, PENDING.id)),
        (
            {"status": "completed", "conclusion": "success"},
            RunReport(7, 1, "deployed", "success", PENDING.id),
        ),
        (
            {"status": "completed", "conclusion": "failure"},
            RunReport(7, 1, "failed", "failure", PENDING.id),
        ),
        ({"status": "completed", "conclusion": None}, RunReport(7, 1, "failed", "failure", PENDING.id)),
        ({"event": "push"}, None),
        ({"event": "pull_request"}, None),
        ({"display_title": "Fix a typo"}, None),
        ({"display_title": None}, None),
        ({"id": "7"}, None),
    ],
    ids=str,
)
def test_a_run_is_read_as_a_report(changed: dict[str, Any], report: RunReport | None) -> None:
    assert run_report(RUN | changed) == report


@pytest.mark.parametrize(
    ("changed", "report"),
    [
        ({}, RunReport(7, 1, "building")),
        ({"name": "deploy"}, RunReport(7, 1, "deploying")),
        ({"name": "attest"}, RunReport(7, 1, "attesting")),
        ({"status": "completed", "conclusion": "failure"}, RunReport(7, 1, "building")),
        ({"status": "completed", "conclusion": "skipped"}, None),
        ({"status": "queued"}, None),
        ({"status": "waiting"}, None),
        ({"name": "notify"}, None),
        ({"run_id": None}, None),
    ],
    ids=str,
)
def test_a_job_is_read_as_a_report(changed: dict[str, Any], report: RunReport | None) -> None:
    assert job_report(JOB | changed) == report


@pytest.mark.parametrize("nonsense", [None, [], "text", {}, 7], ids=repr)
def test_what_is_neither_says_nothing(nonsense: object) -> None:
    assert run_report(nonsense) is None
    assert job_report(nonsense) is None
