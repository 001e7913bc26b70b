"""`make bench`: this system beside one object call per request, under one workerd, turn by turn.

Prints tables, and writes them to docs/performance.md and all figures to bench/results.json. Settings, from
the environment: BENCH_ROUNDS (default 5; at most 3 but for one hot app) and
BENCH_SECONDS (default 2), how long a turn is; BENCH_STORAGE, "memory" (default) or "disk": where the objects
of both systems keep their rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import dashboard, starts
from bench.cases import CASES, CONNECTIONS, MAX_ROUNDS, Bench
from bench.load import LoadError
from bench.report import RESULTS, Report
from bench.tables import PAGE
from bench.workerd import Workerd, WorkerdError
from local.staging import ROOT

MAX_SECONDS = 60
START_ROUNDS = 3
# A folder in memory has the same files as one on disk, and nobody waits for them.
STORAGES = {"memory": Path("/dev/shm"), "disk": ROOT / ".local"}  # noqa: S108 - a new folder in it, of a name that is new


class BenchError(Exception):
    """The bench can't run as asked; the message says why."""


def number_setting(name: str, default: int, most: int) -> int:
    value = os.environ.get(name) or str(default)
    if not (value.isascii() and value.isdecimal()) or not 0 < int(value) <= most:
        raise BenchError(f"{name} must be a number from 1 to {most}; it is {value!r}")
    return int(value)


def storage_setting() -> Path:
    """The folder for the run's folder, in memory or on disk."""
    storage = os.environ.get("BENCH_STORAGE") or "memory"
    if storage not in STORAGES:
        raise BenchError(f"BENCH_STORAGE must be memory or disk; it is {storage!r}")
    folder = STORAGES[storage]
    if not os.access(folder, os.W_OK):
        raise BenchError(f"{folder} can't be written to: set BENCH_STORAGE=disk")
    return folder


async def measure(storage: Path, rounds: int, seconds: int, setting: Mapping[str, str | int]) -> Report:
    turns = {}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=storage) as folder:
        with step("starting workerd"):
            workerd = await Workerd(Path(folder)).start()
        try:
            bench = Bench(workerd, Path(folder))
            with step("opening accounts"):
                await bench.open_accounts()
            for case in CASES:
                with step(case.title):
                    turns[case] = await bench.measure(case, rounds, seconds)
            methods = await workerd.methods()
        finally:
            await workerd.stop()
        with step("cold starts"):
            cold = await starts.measure(Path(folder), min(rounds, START_ROUNDS))
        with step("the dashboard's pages"):
            pages = await dashboard.page_times(Path(folder) / "state")
    return Report(turns, methods, cold, pages, setting)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep a second run out: each would measure the other."""
    with open(ROOT / ".local" / "bench.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another `make bench` runs here: wait until it has ended") from None
        yield


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    print(f"  {title:<36}", end="", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - started:5.1f} s", flush=True)


def workerd_version() -> str:
    package = json.loads((ROOT / "node_modules" / "workerd" / "package.json").read_text())
    return str(package["version"])


async def run() -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    rounds = number_setting("BENCH_ROUNDS", 5, MAX_ROUNDS)
    seconds = number_setting("BENCH_SECONDS", 2, MAX_SECONDS)
    storage = storage_setting()
    setting = {
        "rounds": rounds,
        "seconds": seconds,
        "storage": "disk" if storage == STORAGES["disk"] else "memory",
        "connections": CONNECTIONS,
        "cores": os.cpu_count() or 0,
        "workerd": workerd_version(),
    }
    print(f"Measuring on {os.cpu_count()} cores, for about 6 minutes unless shortened:", flush=True)
    with alone():
        report = await measure(storage, rounds, seconds, setting)
    report.save()
    print(f"\n{report.tables()}\n\nWritten to {RESULTS.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}.")


def main() -> int:
    try:
        asyncio.run(run())
    except (BenchError, WorkerdError, LoadError) as error:
        print(f"\nStopped: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
