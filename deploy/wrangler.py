"""Run the repository's wrangler, as an operator would by hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from deploy.configs import Installation, Worker
from deploy.errors import DeployError

TIMEOUT_SECONDS = 600
NOISE = ("If you think", "🪵")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
WARNING = re.compile(r"^.*\[WARNING\].*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wrangler:
    """`warnings` are what its commands warned of so far, each once."""

    installation: Installation
    warnings: list[str] = field(default_factory=list)

    def of(self, worker: Worker, *arguments: str) -> str:
        """Run a command about one of the Workers."""
        environment = "" if worker.environment == "production" else worker.environment
        return self.run(*arguments, "--config", worker.path, f"--env={environment}")

    def json(self, *arguments: str) -> Any:
        return parsed(self.run(*arguments))

    def run(self, *arguments: str, folder: str = ".") -> str:
        """Return what it prints. Raises DeployError with its message."""
        root = self.installation.root
        command = [str(root / "node_modules" / ".bin" / "wrangler"), *arguments]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                cwd=root / folder,
                env=self._environment(root),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DeployError(f"wrangler {arguments[0]} could not be run: {error}") from error
        if done.returncode == 0:
            self.warnings.extend(text for text in warnings_of(done.stderr) if text not in self.warnings)
            return done.stdout
        message = message_of(done.stdout + done.stderr)
        raise DeployError(f"wrangler {' '.join(arguments[:3])} failed: {message}")

    def _environment(self, root: Path) -> dict[str, str]:
        """Its Node.js, and the account that the settings name."""
        return {
            **os.environ,
            "PATH": f"{root / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "CLOUDFLARE_ACCOUNT_ID": self.installation.account_id,
            "CI": "true",
            "FORCE_COLOR": "0",
            "NO_COLOR": "1",
            "WRANGLER_SEND_METRICS": "false",
        }


def parsed(output: str) -> Any:
    """The JSON that a command prints after its banner."""
    start = min((output.find(sign) for sign in "[{" if sign in output), default=-1)
    try:
        return json.JSONDecoder().raw_decode(output[start:])[0]
    except ValueError as error:
        raise DeployError(f"wrangler printed no JSON: {output[-200:]}") from error


def warnings_of(output: str) -> list[str]:
    """What wrangler warns of on stderr, where it prints nothing else when it succeeds."""
    text = ANSI.sub("", output)
    starts = [found.start() for found in WARNING.finditer(text)]
    return [text[start:end].strip() for start, end in pairwise([*starts, len(text)])]


def message_of(output: str) -> str:
    """The lines around wrangler's ERROR, on one line."""
    lines = [ANSI.sub("", line).strip() for line in output.splitlines()]
    start = next((number for number, line in enumerate(lines) if "ERROR" in line), len(lines) - 5)
    said = [line for line in lines[max(start, 0) : start + 6] if line and not line.startswith(NOISE)]
    return " ".join(said)[:600] or "it said nothing"
