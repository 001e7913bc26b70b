"""One job of a workflow, run step by step in a folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.github.annotations import StepLimit
from local.github.command_files import CommandFileError, CommandFiles
from local.github.expression_values import WorkflowError
from local.github.expressions import condition_holds
from local.github.job_environment import JobEnvironment, Place
from local.github.job_log import JobLog
from local.github.local_actions import ActionCall, ActionError, find_action
from local.github.orphans import end_orphans
from local.github.workflow import Job, Step
from local.processes import ProcessGroup

if TYPE_CHECKING:
    from local.github.runner import Report

# "Workflow syntax", `jobs.<job_id>.steps[*].shell`: only a bash that is named gets pipefail.
SHELLS = {
    None: ("bash", "-e"),
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
    "sh": ("sh", "-e"),
}
POLL_SECONDS = 0.02
# What has left the process group, where it can't be found, may keep its output open for ever.
STOP_SECONDS = 10
DRAIN_SECONDS = 2


class StepFailedError(Exception):
    """The step failed; the message says why, for the log."""


class JobRun:
    """Runs the steps of `job`; `env` is the workflow's, `values` are the contexts that don't change."""

    def __init__(
        self, job: Job, env: Mapping[str, str], values: Mapping[str, Any], place: Place, report: Report
    ) -> None:
        self._job = job
        self._place = place
        self._report = report
        self._limit = StepLimit(partial(report.annotate, job.id))
        secrets = values.get("secrets", {}).values()
        self._log = JobLog(partial(report.log, job.id), secrets, self._limit.take)
        self._environment = JobEnvironment(job.id, place, values, {**env, **job.env})
        self.outputs: Mapping[str, str] = {}

    async def run(self) -> str:
        """Return the job's conclusion. A job that takes too long is cancelled, as on GitHub."""
        try:
            async with asyncio.timeout(self._job.timeout_minutes * 60):
                await self._run_steps()
        except TimeoutError:
            minutes = f"{self._job.timeout_minutes:g} minutes"
            self._log.error(f"The job has exceeded the maximum execution time of {minutes}.")
            return "cancelled"
        return self._environment.status

    async def _run_steps(self) -> None:
        if not await self._take(1, "Set up job", self._set_up):
            return
        for number, step in enumerate(self._job.steps, 2):
            await self._run_step(number, step)
        await self._take(len(self._job.steps) + 2, "Complete job", self._complete)

    async def _run_step(self, number: int, step: Step) -> None:
        if not condition_holds(step.condition or "success()", self._environment.contexts()):
            await self._report.step_started(self._job.id, number, step.name)
            await self._report.step_completed(self._job.id, number, "skipped")
            self._remember(step, "skipped", {})
            return
        files = CommandFiles(self._place.temp / f"commands-{number}")
        succeeded = await self._take(number, step.name, partial(self._perform, step, files))
        self._remember(step, "success" if succeeded else "failure", files.outputs)

    async def _take(self, number: int, name: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Do one step's work and report it; a failure is kept in the job's status."""
        self._limit.begin_step()
        await self._report.step_started(self._job.id, number, name)
        conclusion = "cancelled"  # unless it comes to an end of its own
        try:
            await work()
            conclusion = "success"
        except (StepFailedError, ActionError, WorkflowError, CommandFileError) as error:
            self._log.error(str(error))
            self._environment.status = conclusion = "failure"
        finally:
            self._log.flush()
            await self._report.step_completed(self._job.id, number, conclusion)
        return conclusion == "success"

    def _remember(self, step: Step, conclusion: str, outputs: Mapping[str, str]) -> None:
        if step.id is not None:
            results = {"outputs": outputs, "outcome": conclusion, "conclusion": conclusion}
            self._environment.steps[step.id] = results

    async def _set_up(self) -> None:
        self._place.create()
        for step in self._job.steps:
            if step.uses is not None:
                find_action(step.uses)

    async def _complete(self) -> None:
        render = self._environment.render
        self.outputs = {name: render(value) for name, value in self._job.outputs.items()}

    async def _perform(self, step: Step, files: CommandFiles) -> None:
        files.create()
        variables = self._environment.variables(step.env) | files.variables()
        try:
            async with asyncio.timeout(step.timeout_minutes and step.timeout_minutes * 60):
                if step.uses is not None:
                    await self._use(step.uses, step.parameters, variables)
                else:
                    await self._run_script(step, variables)
        except TimeoutError:
            raise StepFailedError(f"The step has timed out after {step.timeout_minutes:g} minutes.") from None
        files.read()
        self._environment.env |= files.env
        self._environment.path[:0] = reversed(files.path)

    async def _run_script(self, step: Step, variables: Mapping[str, str]) -> None:
        if step.shell not in SHELLS:
            raise StepFailedError(f"The shell {step.shell!r} isn't known here.")
        assert step.run is not None
        script = self._place.temp / "script.sh"
        script.write_text(self._environment.render(step.run) + "\n")
        folder = self._place.work / self._environment.render(step.working_directory or ".")
        if not folder.is_dir():
            raise StepFailedError(f"The working directory {step.working_directory} isn't there.")
        self._log.write(f"##[group]{step.name}")
        self._log.write("##[endgroup]")
        await self._execute(variables, folder, *SHELLS[step.shell], script)

    async def _use(self, uses: str, parameters: Mapping[str, str], variables: Mapping[str, str]) -> None:
        call = ActionCall(
            parameters={name: self._environment.render(value) for name, value in parameters.items()},
            github=self._environment.values.get("github", {}),
            work=self._place.work,
            artifacts=self._place.artifacts,
            repository=self._place.repository,
            attestations=self._place.attestations,
            permissions=self._job.permissions,
            execute=partial(self._execute, variables, self._place.work),
            log=self._log.write,
        )
        await find_action(uses)(call)
        self._environment.path[:0] = map(str, call.path)

    async def _execute(self, variables: Mapping[str, str], folder: Path, *command: str | Path) -> None:
        """Run a program to its end; nothing that it started goes on after that."""
        group = await start_whole(ProcessGroup.start(*command, env=variables, cwd=folder))
        assert group.process.stdout is not None
        copying = asyncio.create_task(self._log.copy(group.process.stdout))
        try:
            # Process.wait() waits for the output's end, too, which what runs in the background keeps open.
            while group.process.returncode is None:
                await asyncio.sleep(POLL_SECONDS)
        finally:
            end_orphans(self._environment.tracking_id)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(group.stop(), STOP_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(copying, DRAIN_SECONDS)
        if group.process.returncode != 0:
            raise StepFailedError(f"Process completed with exit code {group.process.returncode}.")


async def start_whole(start: Coroutine[Any, Any, ProcessGroup]) -> ProcessGroup:
    """Start a program. One that is cancelled amid its start is started and ended, not left to nobody."""
    starting = asyncio.create_task(start)
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await (await starting).stop()
        raise
