"""The one workerd process that everything measured runs in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from pathlib import Path

import httpx

from bench import config
from bench.figures import Counts
from local.plain_http import NO_CERTIFICATES
from local.processes import ProcessGroup
from local.python_runtime import PYTHON_OPTIONS, SNAPSHOT_OPTIONS, workerd
from local.stack import free_port

SOCKETS = ("source", "ours", "bare", "source-far", "ours-far", "control")
START_SECONDS = 300
CALL_SECONDS = 120
LOG_LINES = 20


class WorkerdError(Exception):
    """workerd doesn't start or doesn't answer; the message holds its last lines."""


async def start_workerd(written: Path, *options: str) -> ProcessGroup:
    """Start workerd with a config, in the folder that it is in."""
    command: list[str | Path] = [workerd(), "serve", written, *PYTHON_OPTIONS, *options]
    return await ProcessGroup.start(*command, env=os.environ, cwd=written.parent)


class Workerd:
    """`start()` it and `stop()` it. `folder`, empty, takes the config and the objects' storage.

    `variables` are dispatch's and billing's, beside their own.
    """

    def __init__(self, folder: Path, **variables: int) -> None:
        self._folder, self._variables = folder, variables
        self.ports = {name: free_port() for name in SOCKETS}
        self._lines: deque[str] = deque(maxlen=LOG_LINES)

    async def start(self) -> Workerd:
        written = config.write(self._folder, self.ports, self._variables)
        self._group = await start_workerd(written, *SNAPSHOT_OPTIONS)
        self._reading = asyncio.create_task(self._read_output())
        try:
            await self._wait_until_up()
        except BaseException:
            await self.stop()
            raise
        return self

    async def stop(self) -> None:
        await self._group.stop()
        await self._reading

    async def open_accounts(self, system: str, names: list[str]) -> None:
        await self._count(system, names)

    async def counts(self, system: str) -> Counts:
        return Counts(**await self._count(system, []))

    async def forget_leases(self) -> None:
        """Settle all leases, and have dispatch forget all apps."""
        await self._get("forget")

    async def pace(self, step_ms: float, requests_per_second: float) -> None:
        """Have each request move dispatch's clock on by so much, until the leases are forgotten."""
        await self._get(f"pace?step={step_ms}&rate={requests_per_second}")

    async def charged(self, app: str) -> int:
        """The requests of an app that are charged, or in leases."""
        return int((await self._get(f"charged?app={app}")).text)

    async def methods(self) -> dict[str, list[int]]:
        """Of each of the billing object's methods: its calls, their statements, the rows they wrote."""
        found: dict[str, list[int]] = (await self._get("methods")).json()
        return found

    async def stopping(self) -> dict[str, bool | list[str]]:
        """What the runtime called so that it could stop and wait: paced, dispatch; the object's methods."""
        found: dict[str, bool | list[str]] = (await self._get("stopping")).json()
        return found

    def processor_seconds(self) -> float:
        """The processor time that workerd has used ("proc(5)": utime and stime)."""
        stat = Path(f"/proc/{self._group.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    async def dispatch_memory(self) -> int:
        """The bytes of Python's linear memory in dispatch."""
        return int((await self._get("memory")).text)

    async def _get(self, path: str) -> httpx.Response:
        return await self._ask("GET", path)

    async def _count(self, system: str, names: list[str]) -> dict[str, int]:
        """Open these accounts of a system; return what its objects have counted. See `control.js`."""
        counts: dict[str, int] = (await self._ask("POST", "", {"system": system, "open": names})).json()
        return counts

    async def _ask(self, method: str, path: str, content: object = None) -> httpx.Response:
        try:
            async with httpx.AsyncClient(timeout=CALL_SECONDS, verify=NO_CERTIFICATES) as client:
                answer = await client.request(method, f"{self._control}{path}", json=content)
            return answer.raise_for_status()
        except httpx.HTTPError as error:
            raise WorkerdError(f"the control Worker failed: {error!r}. {self.state()}") from error

    def state(self) -> str:
        """Whether it runs, and its last lines, for messages."""
        code = self._group.process.returncode
        state = "workerd runs" if code is None else f"workerd ended with {code}"
        return "\n".join([f"{state}; its last lines:", *self._lines])

    @property
    def _control(self) -> str:
        return f"http://{config.ADDRESS}:{self.ports['control']}/"

    async def _read_output(self) -> None:
        assert self._group.process.stdout is not None
        async for line in self._group.process.stdout:
            self._lines.append(line.decode(errors="replace").rstrip())

    async def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        async with httpx.AsyncClient(timeout=START_SECONDS) as client:
            while time.monotonic() < deadline and self._group.process.returncode is None:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(self._control)).is_success:
                        return
                await asyncio.sleep(0.1)
        raise WorkerdError(f"no start within {START_SECONDS} s: {self.state()}")
