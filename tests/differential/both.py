"""Each project twice: built by the pipeline and deployed to the local namespace, and left to wrangler alone.

Both are served by one `wrangler dev`; `front.js` gives a request to the one or the other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.cloudflare.namespace_store import NamespaceStore
from local.cloudflare.namespaces import DispatchNamespaces
from local.python_runtime import workerd_script
from local.stack import NODE_BIN, WRANGLER, free_port
from local.staging import (
    COMPATIBILITY_DATE,
    DEVELOPMENT_FLAGS,
    NAMESPACE_SERVICE,
    Addresses,
    namespace_config,
)
from pipeline.artifact import MANIFEST, Artifact
from pipeline.manifest import digest
from pipeline.upload_form import UploadForm
from tests.differential.asking import Answer, ask
from tests.differential.projects import HERE, Project, Request
from tests.pipeline.support import commit_all, inputs, run_job, served

PARALLEL = 2
READY, START_SECONDS = "Ready on", 120
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}",
    "CI": "true",
    "CLOUDFLARE_CF_FETCH_ENABLED": "false",
    "FORCE_COLOR": "0",
    "WRANGLER_SEND_METRICS": "false",
    "X_LOCAL_OBSERVABILITY": "false",
}


@dataclass(frozen=True, slots=True)
class Built:
    """What the pipeline deployed, what wrangler would upload, and the config with which wrangler serves."""

    artifact: Artifact
    upload: UploadForm
    config: Path


@dataclass(frozen=True, slots=True)
class Both:
    """Every project built, and served at `port`."""

    port: int
    built: dict[str, Built]

    def ask(self, side: str, project: Project, request: Request) -> Answer:
        return ask(self.port, request, f"{side} {project.name}")


@contextmanager
def both(found: Sequence[Project], folder: Path) -> Iterator[Both]:
    async def on_change(name: str) -> None:
        pass

    store = NamespaceStore(folder / "namespaces")
    with served(DispatchNamespaces(store, ("testing",), on_change).application()) as api:
        with ThreadPoolExecutor(PARALLEL) as pool:
            made = pool.map(lambda project: build(project, folder / project.name, api), found)
            built = dict(zip((project.name for project in found), made, strict=True))
        with serving(built, folder, int(api.rpartition(":")[2])) as port:
            yield Both(port, built)


def build(project: Project, folder: Path, api: str) -> Built:
    checkout = project.copy(folder / "ours")
    artifact = deployed(project, checkout, folder / "artifact", api)
    theirs = project.copy(folder / "theirs")
    if project.is_python:  # as pywrangler would
        (checkout / "python_modules").rename(theirs / "python_modules")
    if (theirs / "package.json").exists():
        wrangler_s_side("npm", "run", "build", cwd=theirs)
    upload = folder / "upload"
    wrangler_s_side(str(WRANGLER), "deploy", "--dry-run", "--outfile", str(upload), cwd=theirs)
    return Built(artifact, UploadForm.parse(upload.read_bytes()), config_of(theirs))


def deployed(project: Project, checkout: Path, artifact: Path, api: str) -> Artifact:
    variables = {**inputs(commit_all(checkout)), "APP_ID": project.name}
    done = run_job("build", checkout, artifact, env=variables)
    assert done.returncode == 0, done.stdout
    credentials = {
        "CLOUDFLARE_API_BASE_URL": f"{api}/client/v4",
        "CLOUDFLARE_ACCOUNT_ID": "local",
        "CLOUDFLARE_API_TOKEN": "local",
        "MANIFEST_SHA256": digest((artifact / MANIFEST).read_bytes()),
    }
    done = run_job("deploy", artifact, env=variables | credentials)
    assert done.returncode == 0, done.stdout
    return Artifact.read(artifact)


def wrangler_s_side(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def config_of(folder: Path) -> Path:
    """The config that wrangler takes; a Python Worker's with the local Pyodide."""
    pointer = folder / ".wrangler" / "deploy" / "config.json"
    if pointer.exists():
        return (pointer.parent / json.loads(pointer.read_text())["configPath"]).resolve()
    (config,) = folder.glob("wrangler.*")
    flags = ", ".join(f'"{flag}"' for flag in ("python_workers", *DEVELOPMENT_FLAGS))
    config.write_text(config.read_text().replace('"python_workers"', flags))
    return config


@contextmanager
def serving(built: dict[str, Built], folder: Path, stand_in: int) -> Iterator[int]:
    """Serve both sides of all projects; give the port."""
    port = free_port()
    front = {
        "name": "front",
        "main": str(HERE / "front.js"),
        "compatibility_date": COMPATIBILITY_DATE,
        "services": [NAMESPACE_SERVICE, *({"binding": name, "service": name} for name in built)],
    }
    configs = {"front": front, "namespace": namespace_config(Addresses(port, stand_in, ""))}
    for name, config in configs.items():
        (folder / name).mkdir()
        (folder / name / "wrangler.json").write_text(json.dumps(config))
    paths = [
        *(folder / name / "wrangler.json" for name in configs),
        *(item.config for item in built.values()),
    ]
    with subprocess.Popen(
        [
            *(WRANGLER, "dev", *(f"--config={path}" for path in paths)),
            *("--ip", "127.0.0.1", "--port", str(port), "--inspector-port", "0"),
            *("--persist-to", folder / "storage", "--show-interactive-dev-session=false"),
        ],
        cwd=folder,
        env={**ENVIRONMENT, "MINIFLARE_WORKERD_PATH": str(workerd_script(folder))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        said: list[str] = []
        is_ready = threading.Event()
        reader = threading.Thread(target=read, args=[process.stdout, said, is_ready])
        reader.start()
        try:
            is_ready.wait(START_SECONDS)
            assert READY in "".join(said), "".join(said)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            reader.join()


def read(output: Iterable[str], said: list[str], is_ready: threading.Event) -> None:
    for line in output:
        said.append(line)
        if READY in line:
            is_ready.set()
    is_ready.set()
