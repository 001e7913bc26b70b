"""How far an app's deploy is, from what GitHub says of its workflow run.

GitHub tells by webhooks, which may come twice, late or in another order, and by its API when it is asked.
Both become reports. An app follows the newest attempt of its newest run, only forwards: a report that is
not news changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from model.app import UNFINISHED, App, Status

WORKFLOW_TITLE = "Deploy "  # the workflow's run-name, before the app's id
DISPATCHED = "workflow_dispatch"

JOB_STATUS: dict[str, Status] = {"build": "building", "attest": "attesting", "deploy": "deploying"}
# The last job, which is named after the app and the digest of the manifest that was signed.
NOTIFY_JOB = re.compile(r"notify [a-z0-9-]{1,63} ([0-9a-f]{64})")
ORDER: tuple[Status, ...] = (*UNFINISHED, "deployed", "failed")
FINAL: tuple[Status, ...] = ("deployed", "deleted")
STEPS = {"building": "build", "attesting": "attestation", "deploying": "deploy"}
ENDINGS = {
    "cancelled": "The workflow was cancelled.",
    "timed_out": "The workflow took too long.",
    "startup_failure": "GitHub could not start the workflow.",
}
# Failures that say no more than where a run ended.
UNEXPLAINED = (*(f"The {step} failed." for step in (*STEPS.values(), "workflow")), *ENDINGS.values())


@dataclass(frozen=True, slots=True)
class RunReport:
    """One thing that GitHub says. `app_id` where it names the app: what names none is of a known run only.

    `manifest_sha256` where it tells what was signed.
    """

    run_id: int
    attempt: int
    status: Status
    conclusion: str | None = None
    app_id: str | None = None
    manifest_sha256: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.conclusion is not None

    def is_of(self, app: App) -> bool:
        """Whether it is about the attempt that the app follows."""
        return (self.run_id, self.attempt) == (app.run_id, app.run_attempt)


def run_report(run: Any) -> RunReport | None:
    """Read a workflow run, of the API or a webhook; None for what no dispatch for an app began."""
    match run:
        case {
            "id": int(run_id),
            "run_attempt": int(attempt),
            "event": event,
            "display_title": str(title),
            "status": str(status),
            "conclusion": str() | None as conclusion,
        } if event == DISPATCHED and title.startswith(WORKFLOW_TITLE):
            app_id = title.removeprefix(WORKFLOW_TITLE)
            if status != "completed":
                return RunReport(run_id, attempt, "queued", None, app_id)
            ending = conclusion or "failure"
            return RunReport(run_id, attempt, "deployed" if ending == "success" else "failed", ending, app_id)
    return None


def job_report(job: Any) -> RunReport | None:
    """Read a job of a workflow run that has begun; None for others and for those that say nothing new."""
    match job:
        case {"run_id": int(run_id), "run_attempt": int(attempt), "name": str(name), "status": str(status)}:
            if status not in ("in_progress", "completed") or job.get("conclusion") == "skipped":
                return None
            if name in JOB_STATUS:
                return RunReport(run_id, attempt, JOB_STATUS[name])
            if notified := NOTIFY_JOB.fullmatch(name):
                return RunReport(run_id, attempt, "deploying", manifest_sha256=notified[1])
    return None


def follow(app: App, report: RunReport) -> App:
    """The app after a report; the same app when it is no news."""
    known = (app.run_id or 0, app.run_attempt)
    told = (report.run_id, report.attempt)
    if told < known or (report.run_id != app.run_id and report.app_id != app.id):
        return app
    if told == known:
        return app if app.awaits_run else forwards(app, report)
    started = replace(app, run_id=report.run_id, run_attempt=report.attempt, run_ended=False)
    if app.status not in FINAL:
        started = replace(started, status="queued", failure=None)
    return forwards(started, report)


def forwards(app: App, report: RunReport) -> App:
    if app.run_ended:
        return app
    followed = replace(app, run_ended=report.has_ended)
    if app.status in FINAL or ORDER.index(report.status) <= ORDER.index(app.status):
        return followed
    failure = failure_of(app, report) if report.status == "failed" else None
    return replace(followed, status=report.status, failure=failure)


def failure_of(app: App, report: RunReport) -> str:
    if report.conclusion in ENDINGS:
        return ENDINGS[report.conclusion]
    step = STEPS.get(app.status, "workflow")
    return f"The {step} failed."
