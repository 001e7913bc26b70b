"""End what a program started, wherever it went: in its group, in a session of its own, orphaned.

On Linux a process can adopt the orphans below it (prctl(2), PR_SET_CHILD_SUBREAPER); elsewhere only a
program's group is known.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PROCESSES = Path("/proc")


@contextlib.contextmanager
def none_left() -> Iterator[None]:
    """Kill what was started in the body and still runs when it ends."""
    if sys.platform != "linux":
        yield
        return
    before = children()
    adopt_orphans(True)
    try:
        yield
    finally:
        # Whoever is killed leaves its own children to this process.
        while left := children() - before:
            for process in left:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)
        adopt_orphans(False)


def adopt_orphans(is_on: bool) -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(is_on), 0, 0, 0)


def children() -> set[int]:
    """The processes whose parent this one is: proc(5), the fourth field of `stat`."""
    found = set()
    for folder in PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):  # gone meanwhile
            # The second field is the program's name, which may have any characters in it.
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.add(int(folder.name))
    return found


def end_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
