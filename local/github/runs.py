"""Workflow runs: what is known of each, and how the API and the webhooks tell it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.github.accounts import account_of
from local.github.annotations import Annotation
from local.github.payloads import EPOCH, Json, Payloads, node_id
from local.github.repositories import Commit, Repository

WORKFLOW_ID = 5_000_001
FIRST_RUN_ID = 18_000_000_000
MAX_LOG_LINES = 5_000


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(slots=True)
class StepRecord:
    number: int
    name: str
    status: str
    conclusion: str | None
    started_at: str
    completed_at: str | None = None


@dataclass(slots=True)
class JobRecord:
    id: int
    name: str
    created_at: str
    status: str = "queued"
    conclusion: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    steps: list[StepRecord] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """A run of a workflow in one attempt. `jobs` are by their ids in the workflow's file."""

    id: int
    number: int
    workflow: str
    title: str
    inputs: dict[str, str]
    actor: str
    branch: str
    sha: str
    created_at: str
    updated_at: str
    attempt: int = 1
    status: str = "queued"
    conclusion: str | None = None
    jobs: dict[str, JobRecord] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        return self.status == "completed"


class RunStore:
    """Runs as files, so that they outlive the local stack."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._runs = {run.id: run for run in map(read_run, sorted(folder.glob("*.json")))}

    def __iter__(self) -> Any:
        """Newest first."""
        return iter(sorted(self._runs.values(), key=lambda run: run.id, reverse=True))

    def get(self, run_id: int) -> Run | None:
        return self._runs.get(run_id)

    def new_number(self) -> int:
        return len(self._runs) + 1

    def save(self, run: Run) -> None:
        run.updated_at = now()
        self._runs[run.id] = run
        path = self._folder / f"{run.id}.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(run)))
        temporary.replace(path)


def read_run(path: Path) -> Run:
    content = json.loads(path.read_text())
    jobs = {name: read_job(job) for name, job in content.pop("jobs").items()}
    return Run(**content, jobs=jobs)


def read_job(content: Json) -> JobRecord:
    steps = [StepRecord(**step) for step in content.pop("steps")]
    annotations = [Annotation(**annotation) for annotation in content.pop("annotations", [])]
    return JobRecord(**content, steps=steps, annotations=annotations)


@dataclass(frozen=True, slots=True)
class RunPayloads:
    """The objects of runs and jobs, of the repository that holds the workflow."""

    payloads: Payloads
    repository: Repository
    head: Commit

    def run(self, run: Run) -> Json:
        api = f"{self.payloads.api}/repos/{self.repository.full_name}/actions"
        url = f"{api}/runs/{run.id}"
        actor = account_of(run.actor)
        assert actor is not None
        suite = f"{self.payloads.api}/repos/{self.repository.full_name}/check-suites/{run.id}"
        return {
            "id": run.id,
            "name": run.workflow.removesuffix(".yml"),
            "node_id": node_id("WorkflowRun", run.id),
            "check_suite_id": run.id,
            "check_suite_node_id": node_id("CheckSuite", run.id),
            "check_suite_url": suite,
            "head_branch": run.branch,
            "head_sha": run.sha,
            "path": f".github/workflows/{run.workflow}",
            "display_title": run.title,
            "run_number": run.number,
            "run_attempt": run.attempt,
            "run_started_at": run.created_at,
            "event": "workflow_dispatch",
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": WORKFLOW_ID,
            "workflow_url": f"{api}/workflows/{WORKFLOW_ID}",
            "url": url,
            "html_url": f"{self.payloads.web}/{self.repository.full_name}/actions/runs/{run.id}",
            "jobs_url": f"{url}/jobs",
            "logs_url": f"{url}/logs",
            "artifacts_url": f"{url}/artifacts",
            "cancel_url": f"{url}/cancel",
            "rerun_url": f"{url}/rerun",
            "previous_attempt_url": None,
            "pull_requests": [],
            "referenced_workflows": [],
            "created_at": run.created_at,
            "updated_at": run.updated_at,
            "actor": self.payloads.user(actor),
            "triggering_actor": self.payloads.user(actor),
            "head_commit": self.payloads.simple_commit(self.head),
            "repository": self.payloads.minimal_repository(self.repository),
            "head_repository": self.payloads.minimal_repository(self.repository),
        }

    def job(self, run: Run, job: JobRecord) -> Json:
        repository = f"{self.payloads.api}/repos/{self.repository.full_name}"
        html_url = f"{self.payloads.web}/{self.repository.full_name}/actions/runs/{run.id}#{job.name}"
        is_running = job.started_at is not None
        return {
            "id": job.id,
            "run_id": run.id,
            "workflow_name": run.workflow.removesuffix(".yml"),
            "head_branch": run.branch,
            "run_url": f"{repository}/actions/runs/{run.id}",
            "run_attempt": run.attempt,
            "node_id": node_id("CheckRun", job.id),
            "head_sha": run.sha,
            "url": f"{repository}/actions/jobs/{job.id}",
            "html_url": html_url,
            "status": job.status,
            "conclusion": job.conclusion,
            "created_at": job.created_at,
            "started_at": job.started_at or job.created_at,
            "completed_at": job.completed_at,
            "name": job.name,
            "steps": [asdict(step) for step in job.steps],
            "check_run_url": f"{repository}/check-runs/{job.id}",
            "labels": ["ubuntu-latest"],
            "runner_id": 1 if is_running else None,
            "runner_name": "Local" if is_running else None,
            "runner_group_id": 1 if is_running else None,
            "runner_group_name": "GitHub Actions" if is_running else None,
        }

    def annotation(self, run: Run, annotation: Annotation) -> Json:
        """Columns and details are only in what checks of other kinds say."""
        blob = f"{self.payloads.web}/{self.repository.full_name}/blob/{run.sha}/{annotation.path}"
        return {
            "path": annotation.path,
            "blob_href": blob,
            "start_line": annotation.line,
            "start_column": None,
            "end_line": annotation.line,
            "end_column": None,
            "annotation_level": annotation.level,
            "title": annotation.title,
            "message": annotation.message,
            "raw_details": "",
        }

    def run_event(self, action: str, run: Run) -> Json:
        return {
            "action": action,
            "workflow_run": self.run(run),
            "workflow": self.workflow(run.workflow, run.branch, run.created_at),
            **self._more(run),
        }

    def job_event(self, action: str, run: Run, job: JobRecord) -> Json:
        return {"action": action, "workflow_job": self.job(run, job), **self._more(run)}

    def workflow(self, file: str, branch: str, created_at: str = EPOCH) -> Json:
        url = f"{self.payloads.api}/repos/{self.repository.full_name}/actions/workflows/{WORKFLOW_ID}"
        web = f"{self.payloads.web}/{self.repository.full_name}"
        return {
            "id": WORKFLOW_ID,
            "node_id": node_id("Workflow", WORKFLOW_ID),
            "name": file.removesuffix(".yml"),
            "path": f".github/workflows/{file}",
            "state": "active",
            "created_at": created_at,
            "updated_at": created_at,
            "url": url,
            "html_url": f"{web}/blob/{branch}/.github/workflows/{file}",
            "badge_url": f"{web}/workflows/{file}/badge.svg",
        }

    def _more(self, run: Run) -> Json:
        sender = account_of(run.actor)
        assert sender is not None
        return {
            "repository": self.payloads.repository(self.repository),
            "sender": self.payloads.user(sender),
        }
