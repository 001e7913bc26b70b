"""The operator's deploy workflow on GitHub Actions: started, asked for, cancelled.

After GitHub's REST API reference: "Workflows", "Workflow runs", "Workflow jobs", "Check runs" (a job is one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clients.github_api import GitHubApi, GitHubRefusedError, items, list_in, message_of, unreadable
from model.progress import RunReport, job_report, run_report

RUNS_ASKED_FOR = 50
# A job has at most as many annotations; two of the workflow's jobs fail at once at most.
ANNOTATIONS_ASKED_FOR = 50
JOBS_ASKED_FOR = 3


@dataclass(frozen=True, slots=True)
class GitHubActions:
    """`repository` (owner/name) is the operator's, `workflow` a file's name, `ref` the branch it runs from.
    `public` asks for what everyone may see.

    Raises GitHubError where GitHub can't be asked.
    """

    api: GitHubApi
    public: GitHubApi
    repository: str
    workflow: str
    ref: str

    async def dispatch(self, inputs: dict[str, str]) -> int | None:
        """Start the workflow; return the run's id, None from a server that doesn't tell.

        After a GitHubUnreachableError a run may have begun; after other errors it has not.
        """
        content = {"ref": self.ref, "inputs": inputs, "return_run_details": True}
        answer = await self.api.post(f"{self._workflow}/dispatches", content)
        if not answer.is_success:
            raise GitHubRefusedError(f"GitHub did not start the deploy workflow: {message_of(answer)}")
        match answer.json():
            case {"workflow_run_id": int(run_id)}:
                return run_id
        return None

    async def find(self, app_id: str) -> RunReport | None:
        """The newest run for an app, by its title; None when it isn't among the latest."""
        path = f"{self._workflow}/runs?event=workflow_dispatch&per_page={RUNS_ASKED_FOR}"
        runs = list_in(await self.api.get(path), "workflow_runs")
        reports = [report for run in runs if (report := run_report(run)) and report.app_id == app_id]
        return max(reports, key=lambda report: (report.run_id, report.attempt), default=None)

    async def reports(self, run_id: int) -> list[RunReport]:
        """How far a run is, by its jobs and then as a whole; nothing when it is gone."""
        # The run first: of one that has ended, no job is missing then.
        run = await self.api.get(f"{self._runs}/{run_id}")
        if run.status == 404:
            return []
        jobs = await self.api.get(f"{self._runs}/{run_id}/jobs?per_page=100")
        whole = run_report(run.json())
        if whole is None:
            raise unreadable()
        found = [job_report(job) for job in list_in(jobs, "jobs")]
        return [*(report for report in found if report is not None), whole]

    async def annotations(self, run_id: int, attempt: int) -> list[dict[str, Any]]:
        """What the jobs of a run say that didn't succeed; nothing where not everyone may see that."""
        jobs = await self.api.get(f"{self._runs}/{run_id}/jobs?per_page=100")
        if not jobs.is_success:
            return []
        failed = [job["id"] for job in list_in(jobs, "jobs") if has_failed(job, attempt)]
        repository = f"/repos/{quote(self.repository)}"
        asked = f"annotations?per_page={ANNOTATIONS_ASKED_FOR}"
        answers = [
            await self.public.get(f"{repository}/check-runs/{job_id}/{asked}")
            for job_id in failed[:JOBS_ASKED_FOR]
        ]
        return [annotation for answer in answers for annotation in items(answer)]

    async def require(self) -> None:
        """Raise GitHubError unless the deploy workflow is there for the token."""
        if not (await self.api.get(self._workflow)).is_success:
            raise GitHubRefusedError(f"GitHub has no workflow {self.workflow} in {self.repository}.")

    async def cancel(self, run_id: int) -> None:
        """Ask for a run's end; one that has ended stays as it is."""
        await self.api.post(f"{self._runs}/{run_id}/cancel")

    @property
    def _runs(self) -> str:
        return f"/repos/{quote(self.repository)}/actions/runs"

    @property
    def _workflow(self) -> str:
        return f"/repos/{quote(self.repository)}/actions/workflows/{quote(self.workflow)}"


def has_failed(job: Any, attempt: int) -> bool:
    match job:
        case {"id": int(), "run_attempt": int(of), "conclusion": str(conclusion)}:
            return of == attempt and conclusion not in ("success", "skipped", "neutral")
    return False
