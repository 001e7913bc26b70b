"""`make dev` from outside: what it says, what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.repositories import write_repositories
from tests.system.running import ROOT, RunningStack, soon

DEPLOY_SECONDS = 240


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A first run, from a copy of the repository. It ends by SIGTERM, in `test_deaths.py` by others."""
    root = copy_of_the_repository(tmp_path_factory.mktemp("copy") / "repository")
    settings = {"EXAMPLE": "", "REPOSITORIES": write_repositories(tmp_path_factory.mktemp("repositories"))}
    stack = RunningStack(tmp_path_factory.mktemp("state"), root=root, settings=settings)
    try:
        yield stack.start()
        assert len(stack.processes()) > 2
        assert not stack.is_port_free()
    finally:
        stack.stop(signal.SIGTERM)
    stack.assert_nothing_is_left()


def test_it_says_what_it_does_and_deploys_an_example(running: RunningStack):
    said, _, _ = running.said.partition("(Ctrl-C to stop)")
    assert said.index("Starting the Workers …") < said.index("Deploying an example …")
    assert said.endswith(f"Ready: http://localhost:{running.port}  ")
    page = said.partition("  Example   ")[2].split()[0]
    assert page.startswith(f"http://localhost:{running.port}/apps/")
    app = page.rpartition("/")[2]
    assert f"http://{app}.localhost:{running.port}\n" in said
    assert soon(lambda: running.get(app).text == "Hello, world!\n", DEPLOY_SECONDS)


def test_it_prints_the_addresses_of_the_folders(running: RunningStack):
    assert (
        f"  Yours     {running.origin}/alice/greeter  (to paste into the dashboard's form)\n" in running.said
    )


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


def test_a_state_folder_in_use_is_said(running: RunningStack):
    second = RunningStack(running.state)
    second.launch()
    assert second.stop_waiting() == 1
    assert "is in use by another run" in second.said


def test_an_edited_worker_is_reloaded_and_a_broken_one_comes_back(running: RunningStack):
    page = running.root / "dashboard" / "web" / "application.py"
    code = page.read_text()
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


def copy_of_the_repository(target: Path) -> Path:
    """The sources, with the installed tools of this checkout."""
    installed = (".venv", "node_modules", ".local")
    # Other tests work in this checkout meanwhile: what they leave for a moment can't be copied.
    passing = (".git", ".wrangler", ".hypothesis", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*installed, *passing))
    for name in (*installed, "local/sigstore/node_modules"):
        (target / name).symlink_to(ROOT / name)
    return target
