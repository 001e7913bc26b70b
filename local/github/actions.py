"""GitHub Actions: dispatched workflows, run here, and told of by webhooks as they go."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.github.annotations import Annotation
from local.github.attestations import Attestations
from local.github.runner import Runner
from local.github.runs import (
    FIRST_RUN_ID,
    MAX_LOG_LINES,
    JobRecord,
    Run,
    RunPayloads,
    RunStore,
    StepRecord,
    now,
)
from local.github.webhooks import Webhook
from local.github.workflow import Workflow, WorkflowError


class DispatchRefusedError(Exception):
    """GitHub answers 422 with this message."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where workflows come from and run: the operator's checkout, and what the runs know of the world."""

    repository: Path
    workspaces: Path
    server_url: str
    api_url: str
    full_name: str
    attestations: Attestations
    secrets: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, str]


class Actions:
    """Starts runs and keeps them going; `run_payloads` tells of them."""

    def __init__(self, place: Place, store: RunStore, payloads: RunPayloads, webhook: Webhook) -> None:
        self.store = store
        self.payloads = payloads
        self._place = place
        self._webhook = webhook
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._groups: dict[str, int] = {}

    def workflow(self, file: str) -> Workflow | None:
        path = self._place.repository / ".github" / "workflows" / file
        return Workflow.read(path) if path.is_file() and path.parent.name == "workflows" else None

    def dispatch(self, file: str, workflow: Workflow, inputs: Mapping[str, str], actor: str) -> Run:
        """Begin a run. Raises DispatchRefusedError."""
        unknown = [name for name in inputs if name not in workflow.inputs]
        if unknown:
            raise DispatchRefusedError(f"Unexpected inputs provided: {unknown}".replace("'", '"'))
        for name, declared in workflow.inputs.items():
            if declared.required and not inputs.get(name):
                raise DispatchRefusedError(f"Required input '{name}' not provided")
        try:
            title = workflow.title(inputs)
        except WorkflowError as error:
            raise DispatchRefusedError(str(error)) from error
        head = self.payloads.head
        run = Run(
            id=new_id(self.store),
            number=self.store.new_number(),
            workflow=file,
            title=title,
            inputs=dict(inputs),
            actor=actor,
            branch=self.payloads.repository.default_branch,
            sha=head.sha,
            created_at=now(),
            updated_at=now(),
        )
        self._begin(run, workflow)
        return run

    def rerun(self, run: Run) -> None:
        workflow = self.workflow(run.workflow)
        assert workflow is not None
        run.attempt += 1
        run.status, run.conclusion, run.jobs = "queued", None, {}
        self._begin(run, workflow)

    def cancel(self, run: Run) -> None:
        task = self._tasks.get(run.id)
        if task is not None:
            task.cancel()

    async def ended(self, run_id: int) -> None:
        """Wait until a run is over."""
        task = self._tasks.get(run_id)
        if task is not None:
            await asyncio.wait({task})

    def end_interrupted(self) -> None:
        """What was going when the stack ended is cancelled, as far as the world is told."""
        for run in self.store:
            if not run.has_ended and run.id not in self._tasks:
                for job in run.jobs.values():
                    if job.status != "completed":
                        self._end_job(run, job, "cancelled")
                self._end(run, "cancelled")

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, run: Run, workflow: Workflow) -> None:
        group = workflow.concurrency(run.inputs)
        before = self._tasks.get(self._groups.get(group[0], 0)) if group else None
        if group:
            self._groups[group[0]] = run.id
            if before is not None and group[1]:
                before.cancel()
        self._save(run, "requested")
        task = asyncio.create_task(self._execute(run, workflow, before))
        self._tasks[run.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run.id, None))

    async def _execute(self, run: Run, workflow: Workflow, before: asyncio.Task[None] | None) -> None:
        conclusion = "cancelled"
        try:
            if before is not None:
                await asyncio.wait({before})
            for job_id, job in workflow.jobs.items():
                if not job.needs:
                    self._queue_job(run, job_id, job.name)
            run.status = "in_progress"
            self._save(run, "in_progress")
            workspace = self._place.workspaces / f"{run.id}-{run.attempt}"
            place = self._place
            runner = Runner(workflow, workspace, self._context(run), place.repository, place.attestations)
            with contextlib.suppress(asyncio.CancelledError):
                conclusion = await runner.run(JobReports(self, run, workflow))
        except WorkflowError:
            conclusion = "startup_failure"
        finally:
            self._end(run, conclusion)

    def _context(self, run: Run) -> dict[str, Mapping[str, str]]:
        workflow = f"{self._place.full_name}/.github/workflows/{run.workflow}"
        github = {
            "server_url": self._place.server_url,
            "api_url": self._place.api_url,
            "repository": self._place.full_name,
            "sha": run.sha,
            "ref": f"refs/heads/{run.branch}",
            "ref_name": run.branch,
            "run_id": str(run.id),
            "run_number": str(run.number),
            "run_attempt": str(run.attempt),
            "actor": run.actor,
            "event_name": "workflow_dispatch",
            "workflow": run.workflow,
            "workflow_ref": f"{workflow}@refs/heads/{run.branch}",
        }
        return {
            "inputs": run.inputs,
            "secrets": self._place.secrets,
            "vars": self._place.variables,
            "github": github,
        }

    # What is kept and told at each turn.

    def _save(self, run: Run, action: str) -> None:
        self.store.save(run)
        self._webhook.send("workflow_run", self.payloads.run_event(action, run))

    def _end(self, run: Run, conclusion: str) -> None:
        run.status, run.conclusion = "completed", conclusion
        self._save(run, "completed")

    def _queue_job(self, run: Run, job_id: str, name: str) -> JobRecord:
        job = JobRecord(run.id + run.attempt * 100 + len(run.jobs) + 1, name, now())
        run.jobs[job_id] = job
        self._save_job(run, job, "queued")
        return job

    def _start_job(self, run: Run, job: JobRecord) -> None:
        job.status, job.started_at = "in_progress", now()
        self._save_job(run, job, "in_progress")

    def _end_job(self, run: Run, job: JobRecord, conclusion: str) -> None:
        job.status, job.conclusion, job.completed_at = "completed", conclusion, now()
        self._save_job(run, job, "completed")

    def _save_job(self, run: Run, job: JobRecord, action: str) -> None:
        self.store.save(run)
        self._webhook.send("workflow_job", self.payloads.job_event(action, run, job))


class JobReports:
    """The runner's `Report`: each turn of a job is kept, and told."""

    def __init__(self, actions: Actions, run: Run, workflow: Workflow) -> None:
        self._actions, self._run, self._workflow = actions, run, workflow

    def _job(self, job_id: str, name: str | None = None) -> JobRecord:
        """A job that never starts keeps the name that the workflow's file has for it."""
        known = self._run.jobs.get(job_id)
        name = name or self._workflow.jobs[job_id].name
        return known or self._actions._queue_job(self._run, job_id, name)

    async def job_started(self, job_id: str, name: str) -> None:
        self._actions._start_job(self._run, self._job(job_id, name))

    async def step_started(self, job_id: str, number: int, name: str) -> None:
        self._job(job_id).steps.append(StepRecord(number, name, "in_progress", None, now()))

    async def step_completed(self, job_id: str, number: int, conclusion: str) -> None:
        step = next(step for step in self._job(job_id).steps if step.number == number)
        step.status, step.conclusion, step.completed_at = "completed", conclusion, now()

    def log(self, job_id: str, text: str) -> None:
        log = self._job(job_id).log
        log.extend(text.splitlines())
        del log[:-MAX_LOG_LINES]

    def annotate(self, job_id: str, annotation: Annotation) -> None:
        self._job(job_id).annotations.append(annotation)

    async def job_completed(self, job_id: str, conclusion: str) -> None:
        self._actions._end_job(self._run, self._job(job_id), conclusion)


def new_id(store: RunStore) -> int:
    """Ids that increase, also over runs of the stack: by the time, as GitHub's do."""
    newest = max((run.id for run in store), default=0)
    return max(newest + 1_000, FIRST_RUN_ID + time.time_ns() // 1_000_000 % 10**10 * 1_000)
