"""Deliveries to `/webhooks/github`: signed, once or more, in order or not, for this system or for others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from model.app import App
from tests.dashboard.dashboard_site import Site, signed
from web.bodies import MAX_BYTES, refusal_of_body, refusal_of_head

APP = "bcdfghjkmnpq"
REPOSITORY = {"full_name": "Codius/codius-workers"}
RUN: dict[str, Any] = {
    "id": 7,
    "run_attempt": 1,
    "event": "workflow_dispatch",
    "display_title": f"Deploy {APP}",
    "path": ".github/workflows/deploy-worker.yml",
    "status": "in_progress",
    "conclusion": None,
}
JOB: dict[str, Any] = {
    "run_id": 7,
    "run_attempt": 1,
    "name": "build",
    "status": "in_progress",
    "conclusion": None,
}


def run_event(**changed: Any) -> tuple[str, dict[str, Any]]:
    return "workflow_run", {"repository": REPOSITORY, "workflow_run": RUN | changed}


def job_event(**changed: Any) -> tuple[str, dict[str, Any]]:
    return "workflow_job", {"repository": REPOSITORY, "workflow_job": JOB | changed}


def deliver(*events: tuple[str, Any]) -> tuple[list[int], App]:
    """Send signed events to a site with one pending app; return the answers and the app."""

    async def run() -> tuple[list[int], App]:
        site = Site()
        await site.add_app(APP)
        answers = []
        for event, payload in events:
            body, headers = signed(payload)
            response = await site.visitor().ask(
                "POST", "/webhooks/github", headers | {"x-github-event": event}, body
            )
            answers.append(response.status_code)
        return answers, await site.app(APP)

    return asyncio.run(run())


def answer_to(body: str, headers: dict[str, str]) -> tuple[int, App]:
    async def run() -> tuple[int, App]:
        site = Site()
        await site.add_app(APP)
        response = await site.visitor().ask("POST", "/webhooks/github", headers, body)
        return response.status_code, await site.app(APP)

    return asyncio.run(run())


def test_a_run_is_followed_to_its_end() -> None:
    answers, app = deliver(
        run_event(status="queued"),
        job_event(),
        job_event(name="deploy"),
        run_event(status="completed", conclusion="success"),
    )
    assert answers == [204] * 4
    assert (app.status, app.run_id, app.run_ended) == ("deployed", 7, True)
    assert app.deployed_at is not None


def test_a_delivery_that_comes_again_or_late_changes_nothing() -> None:
    ending = run_event(status="completed", conclusion="failure")
    once = deliver(run_event(), job_event(), ending)[1]
    again = deliver(run_event(), job_event(), ending, ending, job_event(), run_event())[1]
    assert again == once
    assert again.failure == "The build failed."


@pytest.mark.parametrize(
    "event",
    [
        run_event(path=".github/workflows/other.yml"),
        run_event(path=None),
        run_event(event="pull_request"),
        run_event(display_title="Deploy another"),
        job_event(),  # of a run that no app has
        ("workflow_run", {"repository": {"full_name": "mallory/codius-workers"}, "workflow_run": RUN}),
        ("workflow_run", {"repository": {}, "workflow_run": RUN}),
        ("workflow_run", {"workflow_run": RUN}),
        ("workflow_run", {"repository": REPOSITORY}),
        ("workflow_run", []),
        ("check_run", {"repository": REPOSITORY, "workflow_run": RUN}),
        ("ping", {"zen": "Keep it logically awesome.", "repository": REPOSITORY}),
    ],
    ids=str,
)
def test_what_is_not_about_a_deploy_changes_nothing(event: tuple[str, Any]) -> None:
    answers, app = deliver(event)
    assert answers == [204]
    assert app.status == "pending"
    assert app.run_id is None


def test_a_delivery_without_a_valid_signature_is_refused() -> None:
    event = {"x-github-event": "workflow_run"}
    body, headers = signed(run_event()[1])
    good = headers["x-hub-signature-256"]
    _, wrong = signed(run_event()[1], "another-secret")
    for signature in (
        "",
        "sha256=",
        good[:-1],
        good.upper(),
        wrong["x-hub-signature-256"],
        "sha1=" + good,
        "ü",
    ):
        status, app = answer_to(body, event | {"x-hub-signature-256": signature})
        assert (status, app.status) == (401, "pending")
    assert answer_to(body, event)[0] == 401
    assert answer_to(body + " ", event | headers)[0] == 401
    assert answer_to(body, event | headers)[0] == 204


def test_a_signed_body_that_is_not_json_is_refused() -> None:
    for text in ("", "{", "not json"):
        body, headers = signed(text)
        assert answer_to(body, headers | {"x-github-event": "workflow_run"})[0] == 400


def test_a_body_that_is_too_large_is_refused() -> None:
    body, headers = signed(" " * (MAX_BYTES + 1))
    assert answer_to(body, headers)[0] == 413


@pytest.mark.parametrize(
    ("method", "length", "status"),
    [
        ("GET", None, None),
        ("POST", "0", None),
        ("POST", str(MAX_BYTES), None),
        ("POST", str(MAX_BYTES + 1), 413),
        ("POST", "9" * 5_000, 413),
        ("POST", None, 411),
        ("POST", "many", 411),
        ("PUT", "-1", 411),
    ],
)
def test_a_body_is_refused_by_its_length_before_it_is_read(
    method: str, length: str | None, status: int | None
) -> None:
    assert refusal_of_body(method, length) == status


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [(8_000, 16_000, None), (8_001, 0, 414), (0, 16_001, 431), (60_000, 60_000, 414)],
)
def test_an_address_or_headers_that_are_too_long_are_refused_before_they_are_read(
    url: int, headers: int, status: int | None
) -> None:
    assert refusal_of_head(url, headers) == status
