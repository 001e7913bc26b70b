"""Start programs that are never left behind, whatever happens to the launcher."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TERMINATE_SECONDS = 5

# Reads until the launcher's end of the pipe closes, however the launcher ended; then ends the group.
WATCHDOG = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdin.buffer.read()
try:
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
except ProcessLookupError:
    pass
"""


class ProcessGroup:
    """A program with all its children in a process group of its own.

    A small watchdog process ends the group when the launcher is gone, also after `kill -9`.
    """

    def __init__(self, process: asyncio.subprocess.Process, watchdog: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._watchdog = watchdog

    @classmethod
    async def start(cls, *command: str | os.PathLike[str], env: Mapping[str, str], cwd: Path) -> ProcessGroup:
        process = await asyncio.create_subprocess_exec(
            *(str(part) for part in command),
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watchdog = subprocess.Popen(
            [sys.executable, "-c", WATCHDOG, str(process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return cls(process, watchdog)

    async def stop(self) -> None:
        """End the group: politely first, then not."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), TERMINATE_SECONDS)
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.close()
        self._watchdog.wait()
        await self.process.wait()
