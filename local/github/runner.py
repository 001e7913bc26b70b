"""Run a workflow's jobs on this machine, as GitHub's hosted runners would.

After "Workflow syntax for GitHub Actions": jobs run as soon as those that they need are done, a failure
skips what needs it, and a job sees nothing of another but its outputs and artifacts. What a hosted runner
isolates by machines, this isolates by folders and environments: it is for one's own code on one's own
machine.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from local.github.annotations import Annotation
from local.github.attestations import Attestations
from local.github.expressions import Contexts, condition_holds, render
from local.github.job_environment import Place
from local.github.job_run import JobRun
from local.github.workflow import Job, Workflow
from local.staging import ROOT

__all__ = ["Report", "Runner"]


class Report(Protocol):
    """Told of a run as it goes. Conclusions are GitHub's: success, failure, cancelled, skipped.

    A skipped job is only completed, never started. A skipped step is both. Steps are numbered from 1
    ("Set up job") to the last ("Complete job"). `log` is given whole lines; in them, and in annotations,
    secrets are masked.
    """

    async def job_started(self, job_id: str, name: str) -> None: ...
    async def step_started(self, job_id: str, number: int, name: str) -> None: ...
    async def step_completed(self, job_id: str, number: int, conclusion: str) -> None: ...
    def log(self, job_id: str, text: str) -> None: ...
    def annotate(self, job_id: str, annotation: Annotation) -> None: ...
    async def job_completed(self, job_id: str, conclusion: str) -> None: ...


class Runner:
    """One run of a workflow.

    `workspace` is a folder for this run alone: it is made, and removed at the end. `context` has the mappings
    `inputs`, `secrets`, `vars` and `github` (with `server_url`, `repository`, `sha`, `ref`, `run_id`, …), all
    of text. `repository` is the checkout of the operator's own repository, which the workflow belongs to, and
    `attestations` are that repository's.
    """

    def __init__(
        self,
        workflow: Workflow,
        workspace: Path,
        context: Mapping[str, Any],
        repository: Path = ROOT,
        attestations: Attestations | None = None,
    ) -> None:
        self._workflow = workflow
        self._workspace = workspace
        self._repository = repository
        self._attestations = attestations
        defaults = {
            name: value.default for name, value in workflow.inputs.items() if value.default is not None
        }
        self._context = {**context, "inputs": {**defaults, **context.get("inputs", {})}}
        self._results: dict[str, str] = {}
        self._outputs: dict[str, Mapping[str, str]] = {}
        self._done = {job_id: asyncio.Event() for job_id in workflow.jobs}

    async def run(self, report: Report) -> str:
        """Run all jobs; return the run's conclusion: success, failure or cancelled.

        To cancel, cancel the task that awaits this: the processes end, the report is told of each job's
        end, the workspace is removed, and then CancelledError is raised.
        """
        self._workspace.mkdir(parents=True)
        try:
            async with asyncio.TaskGroup() as group:
                for job in self._workflow.jobs.values():
                    group.create_task(self._take_turn(job, report))
        finally:
            for job_id in self._workflow.jobs.keys() - self._results.keys():
                await report.job_completed(job_id, "cancelled")  # before it could begin
            shutil.rmtree(self._workspace)
        return overall(self._results.values())

    async def _take_turn(self, job: Job, report: Report) -> None:
        """Wait for what the job needs, then run or skip it."""
        conclusion = "skipped"
        try:
            await self._wait_for(job.needs)
            if self._wanted(job):
                conclusion = "cancelled"  # unless it comes to an end of its own
                conclusion = await self._run_job(job, report)
        finally:
            await self._wait_for(job.needs)
            await report.job_completed(job.id, conclusion)
            self._results[job.id] = conclusion
            self._done[job.id].set()

    async def _wait_for(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            await self._done[job_id].wait()

    async def _run_job(self, job: Job, report: Report) -> str:
        folder, artifacts = self._workspace / job.id, self._workspace / "artifacts"
        place = Place(folder, artifacts, self._repository, self._attestations)
        run = JobRun(job, self._workflow.env, self._values(job), place, report)
        await report.job_started(job.id, render(job.name, Contexts(self._values(job))))
        try:
            return await run.run()
        finally:
            self._outputs[job.id] = run.outputs
            await asyncio.to_thread(shutil.rmtree, place.folder, ignore_errors=True)

    def _values(self, job: Job) -> dict[str, Any]:
        needs = {
            need: {"result": self._results[need], "outputs": self._outputs.get(need, {})}
            for need in job.needs
        }
        return {**self._context, "needs": needs}

    def _wanted(self, job: Job) -> bool:
        """Whether the job's `if:` holds; without one, all that it needs must have succeeded."""
        if all(self._results[need] == "success" for need in job.needs):
            status = "success"
        else:
            status = overall(self._results[need] for need in ancestors(job, self._workflow.jobs))
            status = "skipped" if status == "success" else status
        return condition_holds(job.condition or "success()", Contexts(self._values(job), status))


def ancestors(job: Job, jobs: Mapping[str, Job]) -> set[str]:
    """All jobs that a job needs, directly or not."""
    return set(job.needs).union(*(ancestors(jobs[need], jobs) for need in job.needs))


def overall(results: Iterable[str]) -> str:
    """The conclusion of many: a failure counts most, then a cancellation; skipped is no failure."""
    found = set(results)
    return next((result for result in ("failure", "cancelled") if result in found), "success")
