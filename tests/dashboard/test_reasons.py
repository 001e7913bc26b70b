"""Why a run failed: what of its annotations is told, and how."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.github.annotations import read_command
from model.reasons import MAX_LENGTH, MAX_REASONS, PIPELINE_S, plain, reasons_in
from pipeline.errors import MAX_MESSAGE, TITLE, annotation


def failure(message: Any, **more: Any) -> dict[str, Any]:
    return {"annotation_level": "failure", "title": "", "message": message} | more


def test_what_the_pipeline_says_is_told_and_what_github_says_of_every_failure_is_not() -> None:
    annotations = [
        failure("Process completed with exit code 1."),
        failure("No wrangler.json in api."),
        failure("The operation was canceled."),
        failure("No wrangler.json in api."),
        failure("It is odd.", title="Odd"),
        failure("Old Node.js", annotation_level="warning"),
    ]
    assert reasons_in(annotations) == ["No wrangler.json in api.", "It is odd."]
    own = failure("No main.", title=PIPELINE_S)
    assert reasons_in([*annotations, own]) == ["No main."]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_what_the_pipeline_refuses_with_is_told_through_github_as_it_was_said(message: str) -> None:
    """From the workflow command that a job prints, through the runner, to the reason."""
    read = read_command(annotation(message))
    assert read is not None
    _, said = read
    found = {"annotation_level": said.level, "title": said.title, "message": said.message}
    expected = plain(" ".join(message.splitlines()))
    assert " ".join(" ".join(reasons_in([found])).split()) == " ".join(expected.split())
    assert said.title == PIPELINE_S == TITLE
    assert MAX_LENGTH >= MAX_MESSAGE


def test_there_are_so_many_reasons_of_such_a_length() -> None:
    reasons = reasons_in([failure(f"{number} " + "x" * 5_000) for number in range(50)])
    assert len(reasons) == MAX_REASONS
    assert {len(reason) for reason in reasons} == {MAX_LENGTH + 1}


@pytest.mark.parametrize("item", [None, [], "text", {}, failure(None), failure(7), failure(" \n ")])
def test_what_is_no_annotation_says_nothing(item: Any) -> None:
    assert reasons_in([item]) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m✘ \x1b[1;41mERROR\x1b[0m Missing\n\n  entry-point\n", "✘ ERROR Missing\n  entry-point"),
        ("one\r\ntwo\rthree\0four", "one\ntwo\nthree four"),
        ("to the left: \u202eexe.txt", "to the left:  exe.txt"),
    ],
)
def test_control_characters_are_left_out(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_what_is_told_can_all_be_seen(text: str) -> None:
    told = plain(text)
    assert all(line.isprintable() and line.strip() for line in told.split("\n")) or not told
    assert len(told) <= MAX_LENGTH + 1
