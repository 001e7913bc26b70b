"""Read a GitHub Actions workflow file, as far as this repository's own workflows go.

After "Workflow syntax for GitHub Actions" of GitHub's documentation. A key or an expression that the
local runner would not honour is refused here, with its name, instead of being ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from local.github.expression_values import WorkflowError
from local.github.expressions import Contexts, render
from local.github.workflow_fields import check_expressions, mapping, minutes, only, required, texts, truth

__all__ = ["Input", "Job", "Step", "Workflow", "WorkflowError"]

DEFAULT_TIMEOUT_MINUTES = "360"
# "jobs.<job_id>" in "Workflow syntax".
ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
WORKFLOW_KEYS = {"name", "run-name", "on", "permissions", "concurrency", "env", "defaults", "jobs"}
# An environment's variables and secrets are here the repository's own.
JOB_KEYS = {
    *("name", "needs", "if", "runs-on", "environment", "permissions", "timeout-minutes"),
    *("env", "defaults", "outputs", "steps"),
}
STEP_KEYS = {
    "name",
    "id",
    "if",
    "uses",
    "with",
    "run",
    "shell",
    "working-directory",
    "env",
    "timeout-minutes",
}


@dataclass(frozen=True, slots=True)
class Input:
    """One input of `workflow_dispatch`."""

    required: bool
    default: str | None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Text fields are templates: their expressions are evaluated when the step runs."""

    name: str
    id: str | None
    condition: str | None
    uses: str | None
    parameters: Mapping[str, str]  # its `with:`
    run: str | None
    shell: str | None
    working_directory: str | None
    env: Mapping[str, str]
    timeout_minutes: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """One job; `name` is what GitHub shows."""

    id: str
    name: str
    needs: tuple[str, ...]
    condition: str | None
    permissions: Mapping[str, str]
    env: Mapping[str, str]
    outputs: Mapping[str, str]
    timeout_minutes: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Workflow:
    """A workflow that is dispatched with inputs; `jobs` are in an order in which they can run."""

    name: str
    inputs: Mapping[str, Input]
    jobs: Mapping[str, Job]
    run_name: str | None = None
    group: str | None = None
    cancel_in_progress: bool = False
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Workflow:
        """Read a workflow file. Raises WorkflowError naming the file and what is wrong with it."""
        try:
            # BaseLoader: all scalars stay text, so that `on` isn't true and 1.10 isn't 1.1.
            content = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506
            return workflow_of(mapping(content, "the workflow"), path.name)
        except (OSError, yaml.YAMLError, WorkflowError) as error:
            raise WorkflowError(f"{path.name}: {error}") from error

    def title(self, inputs: Mapping[str, str]) -> str:
        """The run's title: `run-name` with its inputs, or the workflow's name."""
        return render(self.run_name, Contexts({"inputs": inputs})) if self.run_name else self.name

    def concurrency(self, inputs: Mapping[str, str]) -> tuple[str, bool] | None:
        """The concurrency group of a run, and whether a new run cancels the one in progress."""
        if self.group is None:
            return None
        return render(self.group, Contexts({"inputs": inputs})), self.cancel_in_progress


def workflow_of(content: Mapping[str, Any], file_name: str) -> Workflow:
    only(content, WORKFLOW_KEYS, "the workflow")
    check_expressions(content)
    dispatch = mapping(mapping(content.get("on"), "on").get("workflow_dispatch"), "on.workflow_dispatch")
    concurrency = content.get("concurrency")
    if isinstance(concurrency, str):
        concurrency = {"group": concurrency}
    concurrency = mapping(concurrency, "concurrency")
    only(concurrency, {"group", "cancel-in-progress"}, "concurrency")
    shared = defaults_of(content, "the workflow")
    jobs = {
        job_id: job_of(job_id, mapping(job, f"the job {job_id}"), shared)
        for job_id, job in mapping(content.get("jobs"), "jobs").items()
    }
    required(content, {"on", "jobs"}, "the workflow")
    return Workflow(
        name=content.get("name", file_name),
        inputs={
            name: input_of(mapping(value, name))
            for name, value in mapping(dispatch.get("inputs"), "inputs").items()
        },
        jobs=in_order(jobs),
        run_name=content.get("run-name"),
        group=concurrency.get("group"),
        cancel_in_progress=truth(concurrency.get("cancel-in-progress", "false"), "cancel-in-progress"),
        env=texts(content, "env"),
    )


def input_of(content: Mapping[str, Any]) -> Input:
    only(content, {"description", "required", "default", "type"}, "an input")
    if content.get("type", "string") != "string":
        raise WorkflowError(f"inputs of type {content['type']} aren't known here")
    required = truth(content.get("required", "false"), "required")
    return Input(required, content.get("default"), content.get("description", ""))


def job_of(job_id: str, content: Mapping[str, Any], shared: Mapping[str, str]) -> Job:
    place = f"the job {job_id}"
    only(content, JOB_KEYS, place)
    if not ID.fullmatch(job_id):
        raise WorkflowError(f"{job_id!r} can't be the id of a job")
    needs = content.get("needs", [])
    defaults = {**shared, **defaults_of(content, place)}
    steps = [step_of(mapping(step, f"a step of {place}"), defaults) for step in content.get("steps", ())]
    for step_id in (step.id for step in steps if step.id):
        if sum(step.id == step_id for step in steps) > 1:
            raise WorkflowError(f"two steps of {place} have the id {step_id}")
    required(content, {"runs-on"}, place)
    return Job(
        id=job_id,
        name=content.get("name", job_id),
        needs=(needs,) if isinstance(needs, str) else tuple(needs),
        condition=content.get("if"),
        permissions=texts(content, "permissions"),
        env=texts(content, "env"),
        outputs=texts(content, "outputs"),
        timeout_minutes=minutes(content.get("timeout-minutes", DEFAULT_TIMEOUT_MINUTES)),
        steps=tuple(steps),
    )


def step_of(content: Mapping[str, Any], defaults: Mapping[str, str]) -> Step:
    only(content, STEP_KEYS, f"the step {content.get('name', content)}")
    uses, run = content.get("uses"), content.get("run")
    if (uses is None) == (run is None):
        raise WorkflowError(f"the step {content.get('name', content)} must have either uses or run")
    if uses is None and "with" in content:
        raise WorkflowError(f"the step {content.get('name', content)} has with, but no uses")
    timeout = content.get("timeout-minutes")
    return Step(
        name=content.get("name") or f"Run {uses or str(run).splitlines()[0]}",
        id=content.get("id"),
        condition=content.get("if"),
        uses=uses,
        parameters=texts(content, "with"),
        run=run,
        shell=content.get("shell", defaults.get("shell")),
        working_directory=content.get("working-directory", defaults.get("working-directory")),
        env=texts(content, "env"),
        timeout_minutes=None if timeout is None else minutes(timeout),
    )


def defaults_of(content: Mapping[str, Any], place: str) -> Mapping[str, str]:
    defaults = mapping(content.get("defaults"), f"defaults of {place}")
    only(defaults, {"run"}, f"defaults of {place}")
    run = mapping(defaults.get("run"), f"defaults.run of {place}")
    only(run, {"shell", "working-directory"}, f"defaults.run of {place}")
    return run


def in_order(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """The jobs, each after those that it needs."""
    ordered: dict[str, Job] = {}
    while len(ordered) < len(jobs):
        ready = {
            job_id: job
            for job_id, job in jobs.items()
            if job_id not in ordered and all(need in ordered for need in job.needs)
        }
        if not ready:
            waiting = ", ".join(job_id for job_id in jobs if job_id not in ordered)
            raise WorkflowError(f"these jobs need one that isn't there, or each other: {waiting}")
        ordered |= ready
    return ordered
