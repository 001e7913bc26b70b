"""A local stack of its own for the tests, driven as a developer drives it: by `python -m local`."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from local.control import Control
from local.plain_http import NO_CERTIFICATES
from local.stack import NODE_BIN, WRANGLER, free_port

ROOT = Path(__file__).resolve().parent.parent.parent
# Generous, as a small machine may be busy: no test waits so long unless it fails.
START_SECONDS = 600
STOP_SECONDS = 60
COMMAND_SECONDS = 240
REQUEST_SECONDS = 120
SOON_SECONDS = 60
# Between two looks at what no event announces; they grow, so that a long wait keeps no processor busy.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0


class RunningStack:
    """Start with `start()`; everything it said is in `output`."""

    def __init__(
        self, state: Path, root: Path = ROOT, port: int | None = None, settings: dict[str, str] | None = None
    ) -> None:
        self.state = state
        self.settings = settings or {}
        self.root = root
        self.port = port or free_port()
        self.output: list[str] = []
        self._said = threading.Condition()
        self._has_ended = False
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> RunningStack:
        self.launch()
        self.wait_for("\nReady")
        return self

    def launch(self) -> None:
        own = {"EXAMPLE": "0", **self.settings, "PORT": str(self.port), "STATE_DIR": str(self.state)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local"],
            cwd=self.root,
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the stack was not started"
        return self._process

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._said:
                    self.output.append(line)
                    self._said.notify_all()
        with self._said:
            self._has_ended = True
            self._said.notify_all()

    @property
    def said(self) -> str:
        return "\n" + "".join(self.output)

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until the stack has said this so often; fail with all it said when it doesn't."""
        with self._said:
            self._said.wait_for(lambda: self._has_ended or self.said.count(text) >= times, START_SECONDS)
        assert self.said.count(text) >= times, f"no {text!r} from the stack:\n{self.said}\n{self.log()}"

    def log(self) -> str:
        path = self.state / "wrangler.log"
        return path.read_text(errors="replace")[-10_000:] if path.exists() else ""

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end; return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.stop_waiting()

    def assert_nothing_is_left(self) -> None:
        # After a kill the watchdog is still at work for a moment.
        assert soon(lambda: self.processes() == []), self.processes()
        assert soon(self.is_port_free), f"port {self.port} is still taken"

    def processes(self) -> list[str]:
        """The command lines of all that it started."""
        listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True)
        return [line for line in listed.stdout.splitlines() if f"{self.state}/" in line]

    def is_port_free(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    def stop_waiting(self) -> int:
        """Wait for the end of it and of all it started; return the exit status."""
        status = self.process.wait(STOP_SECONDS)
        with self._said:
            assert self._said.wait_for(lambda: self._has_ended, STOP_SECONDS), "something of it still runs"
        return status

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(self, host: str, method: str = "GET", path: str = "/", **options: Any) -> httpx.Response:
        """Ask one host of the stack (`<id>.localhost`), without following redirects."""
        headers = {"host": f"{host}:{self.port}", "accept": "*/*", **options.pop("headers", {})}
        with httpx.Client(timeout=REQUEST_SECONDS, verify=NO_CERTIFICATES) as client:
            return client.request(method, f"{self.origin}{path}", headers=headers, **options)

    def get(self, app: str, path: str = "/", **options: Any) -> httpx.Response:
        return self.request(f"{app}.localhost", "GET", path, **options)

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the stand-in for Cloudflare's API."""
        headers = {"authorization": "Bearer local"}
        with httpx.Client(timeout=REQUEST_SECONDS, verify=NO_CERTIFICATES) as client:
            url = f"{self.origin}/client/v4/accounts/local{path}"
            return client.request(method, url, headers=headers, **options)

    def billing(self, app: str, method: str, *parameters: Any) -> Any:
        """Call a method of an app's billing object."""
        return Control.of(self.state).call("billing", app, method, *parameters)

    def stripe(self, do: str, **asked: Any) -> Any:
        """Ask the local Stripe for what no customer does."""
        with httpx.Client(timeout=REQUEST_SECONDS, verify=NO_CERTIFICATES) as client:
            response = client.post(f"{self.origin}/local/stripe", json={"do": do, **asked})
        response.raise_for_status()
        return response.json()

    def wrangler(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run the real wrangler against the stand-in."""
        environment = {
            **os.environ,
            "PATH": f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}",
            "CLOUDFLARE_API_BASE_URL": f"{self.origin}/client/v4",
            "CLOUDFLARE_API_TOKEN": "local",
            "CLOUDFLARE_ACCOUNT_ID": "local",
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_LOG_PATH": str(self.state / "wrangler-logs"),
            "FORCE_COLOR": "0",
        }
        return subprocess.run(
            [WRANGLER, *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def deploy(self, folder: Path, app: str) -> None:
        done = self.wrangler("deploy", "--dispatch-namespace", "testing", "--name", app, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr


def accounts_stored(objects: Path) -> int:
    """How many billing objects have tables; workerd makes an empty file for every one that was called."""
    count = 0
    for path in objects.rglob("*.sqlite"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            tables = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'account'")
            count += tables.fetchone()[0]
    return count


def soon(condition: Callable[[], bool], seconds: float = SOON_SECONDS) -> bool:
    """Whether something becomes true that no event announces."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(LONGEST_PAUSE_SECONDS, 1.2 * pause)
    return True
