"""`make dev` from outside: what it says, what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from tests.system.running import ROOT, RunningStack, soon


def test_it_says_what_it_does_and_leaves_no_process_behind(tmp_path: Path):
    """By SIGTERM here; by SIGKILL and SIGINT in `test_deaths.py`."""
    running = RunningStack(tmp_path / "state", settings={"EXAMPLE": ""}).start()
    lines = [line.strip() for line in running.output]
    assert lines.index("Starting the Workers …") < lines.index("Deploying an example …")
    (said,) = [line for line in lines if line.startswith("Example ")]
    assert lines.index(said) < [line.startswith("Ready") for line in lines].index(True)
    assert f"http://localhost:{running.port}" in lines[-1]
    page = said.split()[1]
    assert page.startswith(f"http://localhost:{running.port}/apps/")
    app = page.rpartition("/")[2]
    assert soon(lambda: running.get(app).text == "Hello, world!\n", seconds=240)
    assert f"http://{app}.localhost:{running.port}" in running.said

    assert len(running.processes()) > 2
    assert not running.is_port_free()
    running.stop(signal.SIGTERM)
    running.assert_nothing_is_left()


def test_it_prints_the_addresses_of_the_folders(stack: RunningStack):
    assert f"  Yours     {stack.origin}/alice/greeter  (to paste into the dashboard's form)\n" in stack.said


def test_a_taken_port_is_said(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = RunningStack(tmp_path / "state", port=taken.getsockname()[1])
        running.launch()
        assert running.stop_waiting() == 1
    assert f"port {running.port} is taken" in running.said


def test_a_port_that_is_none_is_said(tmp_path: Path):
    done = subprocess.run(
        ["make", "dev"],
        cwd=ROOT,
        env={**os.environ, "PORT": "eighty", "STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "PORT must be a number" in done.stderr


def test_a_state_folder_in_use_is_said(stack: RunningStack):
    second = RunningStack(stack.state)
    second.launch()
    assert second.stop_waiting() == 1
    assert "is in use by another run" in second.said


def test_an_edited_worker_is_reloaded_and_a_broken_one_comes_back(tmp_path: Path):
    root = copy_of_the_repository(tmp_path / "repository")
    running = RunningStack(tmp_path / "state", root=root).start()
    page = root / "dashboard" / "web" / "application.py"
    code = page.read_text()
    try:
        edited = code.replace('"home.html"', '"not_found.html"')
        assert edited != code
        page.write_text(edited)
        running.wait_for("Local server updated and ready")
        assert soon(lambda: "This page doesn't exist" in running.request("localhost").text)

        page.write_text("this is no Python")
        running.wait_for("Waiting for a change of their files")
        page.write_text(code)
        running.wait_for("\nReady again")
        assert "Attested hosting" in running.request("localhost").text
    finally:
        running.stop()


def copy_of_the_repository(target: Path) -> Path:
    """The sources, with the installed tools of this checkout."""
    installed = (".venv", "node_modules", ".local")
    # Other tests work in this checkout meanwhile: what they leave for a moment can't be copied.
    passing = (".git", ".wrangler", ".hypothesis", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*installed, *passing))
    for name in (*installed, "local/sigstore/node_modules"):
        (target / name).symlink_to(ROOT / name)
    return target
