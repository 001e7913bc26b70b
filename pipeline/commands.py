"""Run the programs of a job, with no more of its environment than they need."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

ROOT = Path(__file__).resolve().parent.parent
WRANGLER = ROOT / "node_modules" / ".bin" / "wrangler"
# How to find programs and to reach the network. Tokens are not among them: a package's install script, or a
# build command, sees all of this.
PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("NPM_CONFIG_REGISTRY", "npm_config_registry", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"),
)
FIXED = {
    "CI": "true",
    "FORCE_COLOR": "0",
    "NO_COLOR": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "UV_PYTHON": sys.executable,
    "UV_PYTHON_DOWNLOADS": "never",
    "WRANGLER_SEND_METRICS": "false",
}
TIMEOUT_SECONDS = 600


def environment(home: Path) -> dict[str, str]:
    """What a program sees; its home is an empty folder of this job."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**passed, **FIXED, "HOME": str(home), "WRANGLER_LOG_PATH": str(home / "wrangler-logs")}


@contextmanager
def no_commands() -> Iterator[None]:
    """What is printed meanwhile is no workflow command ("Stopping and starting workflow commands").

    A program that a build leaves behind can still print later: only jobs that run no app's code rely on it.
    """
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}", flush=True)
    try:
        yield
    finally:
        print(f"\n::{word}::", flush=True)


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str], failure: str, timeout: int = TIMEOUT_SECONDS
) -> None:
    """Run a program, its output going to the log. Raises PipelineError(`failure`) when it doesn't succeed."""
    with no_commands():
        finish(command, cwd, env, failure, timeout, stderr=subprocess.STDOUT)


def output_of(*command: str | Path, cwd: Path, env: Mapping[str, str], failure: str) -> str:
    """What a program prints. Raises PipelineError(`failure`) when it doesn't succeed."""
    return finish(command, cwd, env, failure, TIMEOUT_SECONDS, capture_output=True).stdout.strip()


def finish(
    command: Sequence[str | Path],
    cwd: Path,
    env: Mapping[str, str],
    failure: str,
    timeout: int,
    **streams: Any,
) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(  # noqa: S603
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout,
            **streams,
        )
    except FileNotFoundError as error:
        raise PipelineError(f"{command[0]} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise PipelineError(f"{failure} It took more than {timeout} seconds.") from error
    if done.returncode != 0:
        raise PipelineError(failure)
    return done
