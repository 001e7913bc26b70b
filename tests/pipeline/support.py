"""Real servers and repositories for the tests of the deploy workflow."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from local.staging import ROOT
from pipeline.artifact import Artifact

GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "alice",
    "GIT_AUTHOR_EMAIL": "alice@localhost",
    "GIT_COMMITTER_NAME": "alice",
    "GIT_COMMITTER_EMAIL": "alice@localhost",
}
# How an annotation of the run begins, by which a job says why it failed.
ERROR = "::error title=Not deployed::"
NOT_COMMITTED = shutil.ignore_patterns("node_modules", "python_modules", ".wrangler")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, env=GIT_ENVIRONMENT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit_all(folder: Path) -> str:
    """Make a folder a repository whose one commit has everything in it; return the commit."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(folder, "config", "uploadpack.allowFilter", "true")
    git(folder, "config", "http.receivepack", "false")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "All")
    return git(folder, "rev-parse", "HEAD")


def copy_examples(folder: Path) -> None:
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=NOT_COMMITTED)


class GitHandler(BaseHTTPRequestHandler):
    """Git's smart HTTP, by git's own CGI program."""

    root: Path

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["content-length"])))

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"],
            env=GIT_ENVIRONMENT | variables,
            input=body,
            capture_output=True,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


@contextmanager
def git_server(root: Path) -> Iterator[str]:
    """Serve the repositories `<root>/<owner>/<name>`; give the server's address."""
    handler = type("Handler", (GitHandler,), {"root": root})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def served(application: ASGIApp) -> Iterator[str]:
    """Serve an application in a thread; give its address."""
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def start_job(module: str, *arguments: str | Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", f"pipeline.{module}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "OPERATORS_TOKEN": "hush", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_job(module: str, *arguments: str | Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    with start_job(module, *arguments, env=env) as process:
        output, _ = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def inputs(commit: str = "c" * 40, directory: str = "") -> dict[str, str]:
    """The inputs that all jobs read."""
    return {
        "APP_ID": "abc",
        "REPOSITORY": "alice/apps",
        "COMMIT": commit,
        "REF": "main",
        "DIRECTORY": directory,
        "DISPATCH_NAMESPACE": "testing",
    }


class Build:
    """Builds of a repository whose checkout is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder
        self.artifact = folder.parent / "artifact"
        self.inputs: dict[str, str] = {}

    def run(self, directory: str = "", commit: str | None = None) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(self.artifact, ignore_errors=True)
        self.inputs = inputs(commit or commit_all(self.checkout), directory)
        return run_job("build", self.checkout, self.artifact, env=self.inputs)

    def succeed(self, directory: str = "") -> Artifact:
        done = self.run(directory)
        assert done.returncode == 0, done.stdout
        return Artifact.read(self.artifact)

    def fail(self, directory: str = "", commit: str | None = None) -> str:
        """Run a build that fails; return the one line that says why."""
        done = self.run(directory, commit)
        assert done.returncode == 1, done.stdout
        assert not self.artifact.exists()
        errors = [line for line in done.stdout.splitlines() if line.startswith(ERROR)]
        assert len(errors) == 1, done.stdout
        return errors[0].removeprefix(ERROR)


def is_running(process_id: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(process_id)], capture_output=True, text=True)
    return shown.stdout.strip()[:1] not in ("", "Z")


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
