"""End what a job left behind, as GitHub's runner does ("Cleaning up orphan processes")."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

VARIABLE = "RUNNER_TRACKING_ID"  # in the environment of everything that a job starts
PROCESSES = Path("/proc")


def end_orphans(tracking_id: str) -> None:
    """Kill the processes that carry a job's id, also those that left its process group (on Linux)."""
    mark = f"{VARIABLE}={tracking_id}".encode()
    for folder in PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
