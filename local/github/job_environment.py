"""What the steps of a job see: its folders, its contexts, its variables."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.github import orphans
from local.github.attestations import Attestations
from local.github.expressions import Contexts, render

# What processes see of this machine's environment: how to find programs and to reach the network.
INHERITED = frozenset(
    {
        *("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("NPM_CONFIG_REGISTRY", "npm_config_registry", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"),
        "NODE_COMPILE_CACHE",
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job runs: its own folder, the run's artifacts, the operator's checkout and attestations."""

    folder: Path
    artifacts: Path
    repository: Path
    attestations: Attestations | None

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def create(self) -> None:
        for folder in (self.work, self.temp, self.home):
            folder.mkdir(parents=True)


@dataclass(slots=True)
class JobEnvironment:
    """`values` are the contexts that don't change (inputs, secrets, vars, github, needs) and `templates` the
    `env:` of workflow and job; the rest is what steps leave for those after them.
    """

    job_id: str
    place: Place
    values: Mapping[str, Any]
    templates: Mapping[str, str]
    status: str = "success"
    env: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    tracking_id: str = field(default_factory=lambda: f"local_{uuid.uuid4()}")

    def contexts(self) -> Contexts:
        values = {
            **self.values,
            "steps": self.steps,
            "runner": {"temp": str(self.place.temp), "os": "Linux"},
            "job": {"status": self.status},
        }
        env = {name: render(value, Contexts(values)) for name, value in self.templates.items()}
        return Contexts({**values, "env": env | self.env}, self.status)

    def render(self, template: str) -> str:
        return render(template, self.contexts())

    def variables(self, step_env: Mapping[str, str]) -> dict[str, str]:
        """Those of "Default environment variables", then the workflow's, the job's, and the step's own."""
        contexts = self.contexts()
        variables = {name: value for name, value in os.environ.items() if name in INHERITED}
        for name, value in self.values.get("github", {}).items():
            variables[f"GITHUB_{name.upper()}"] = str(value)
        variables |= {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_JOB": self.job_id,
            "GITHUB_WORKSPACE": str(self.place.work),
            "HOME": str(self.place.home),
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(self.place.temp),
            orphans.VARIABLE: self.tracking_id,
            **contexts.values["env"],
        }
        variables |= {name: render(value, contexts) for name, value in step_env.items()}
        variables["PATH"] = os.pathsep.join([*self.path, variables["PATH"]])
        return variables
