"""The pinned workerd, what it needs to run Python Workers here, and the memory that they begin with.

On Cloudflare a Python Worker begins with a snapshot of its memory, taken when it was deployed. Without one
each loads Python anew, for some seconds of processor time. workerd can also take one before a Worker's own
files are there (a baseline), which fits all Workers: set-up takes it once. workerd loads it for Workers with
the flag `LOADS_SNAPSHOT`; those without it expect one of their own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import httpx

from local.pyodide_bundle import BUNDLE, ROOT

SNAPSHOT = BUNDLE.parent / "snapshot.bin"  # workerd's own name of it
LOADS_SNAPSHOT = "disable_python_dedicated_snapshot"
PYTHON_OPTIONS = ("--experimental", f"--pyodide-bundle-disk-cache-dir={BUNDLE.parent}")
SNAPSHOT_OPTIONS = (f"--python-snapshot-dir={SNAPSHOT.parent}", f"--python-load-snapshot={SNAPSHOT.name}")
SECONDS = 240
# An empty Worker, with the SDK that workerd brings.
CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "main.py", pythonModule = "")],
    compatibilityDate = "2026-11-01",
    compatibilityFlags = [
      "python_workers", "python_workers_development", "experimental",
      "disable_python_external_sdk", "%(flag)s",
    ],
  ))],
  sockets = [(name = "main", address = "unix:%(socket)s", http = (), service = "main")],
);
"""


class SnapshotError(Exception):
    """workerd took no snapshot; the message holds what it said."""


@cache
def workerd() -> Path:
    # npm installs the one build for this platform. (bin/workerd of the package `workerd` is a
    # script that keeps wrangler's control pipe from it.)
    (binary,) = (ROOT / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd")
    return binary


def workerd_script(folder: Path, *options: str) -> Path:
    """A program in a folder that is this workerd, told where Python is: wrangler passes on no options."""
    script = folder / "workerd"
    quoted = " ".join(f"'{option}'" for option in (*PYTHON_OPTIONS, *options))
    script.write_text(f"#!/bin/sh\nexec '{workerd()}' \"$@\" {quoted}\n")
    script.chmod(0o755)
    return script


def take_snapshot() -> None:
    """Put the snapshot where workerd is told to load it. Raises SnapshotError."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, socket = folder / "config.capnp", folder / "socket"
        config.write_text(CONFIG % {"flag": LOADS_SNAPSHOT, "socket": socket})
        options = (*PYTHON_OPTIONS, f"--python-snapshot-dir={folder}", "--python-save-baseline-snapshot")
        with open(folder / "log", "w+") as log:
            process = subprocess.Popen([workerd(), "serve", config, *options], stdout=log, stderr=log)
            try:
                is_up = wait_for_answer(process, socket)
            finally:
                process.kill()
                process.wait()
            log.seek(0)
            if not is_up or not (folder / SNAPSHOT.name).exists():
                raise SnapshotError(f"workerd took no snapshot of Python's memory:\n{log.read()[-4000:]}")
        partial = SNAPSHOT.with_suffix(".partial")
        shutil.copyfile(folder / SNAPSHOT.name, partial)
        os.replace(partial, SNAPSHOT)


def wait_for_answer(process: subprocess.Popen[bytes], socket: Path) -> bool:
    """Any answer: the snapshot was taken before it."""
    deadline = time.monotonic() + SECONDS
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=SECONDS) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.get("http://main/")
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return True
    return False


if __name__ == "__main__":
    try:
        take_snapshot()
    except SnapshotError as error:
        raise SystemExit(str(error)) from error
