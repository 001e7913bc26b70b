"""Build an app anew, as the workflow did that signed it, and compare what comes out byte for byte.

The operator's repository is taken at the workflow's own commit, which the certificate names, and its pipeline
builds the app's commit. The app's build runs on this machine: only for sources that you would run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path

from codius.document import Document, modules_of
from codius.errors import CheckFailedError, UncheckableError
from codius.provenance import Signer

TIMEOUT_SECONDS = 1200
NODE_MAJOR = 24
GIT = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def rebuild(document: Document, signer: Signer) -> str:
    """Return what was compared. Raises CheckFailedError when bytes differ, UncheckableError without any."""
    tools = signer.repository_url
    if tools is None or signer.commit is None:
        raise UncheckableError("the certificate names no commit of the workflow")
    print(f"Building {document.source.url} on this machine …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        check_out(tools, signer.commit, folder / "tools")
        check_out(document.source.url, document.source.commit, folder / "app")
        build(document, folder)
        compare(document, folder / "artifact")
    return f"built anew with {tools} at {signer.commit}: the same bytes"


def check_out(url: str, commit: str, folder: Path) -> None:
    folder.mkdir()
    for arguments in (
        ("init", "--quiet"),
        ("fetch", "--quiet", "--depth=1", "--no-tags", url, commit),
        ("checkout", "--quiet", "FETCH_HEAD"),
    ):
        run("git", *arguments, folder=folder, env=GIT)


def build(document: Document, folder: Path) -> None:
    tools, environment = folder / "tools", folder / "venv"
    require_node()
    run("npm", "install", "--no-save", "--no-progress", folder=tools)
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:")
    run(*pip, "--requirement", "locks/pipeline.txt", folder=tools)
    path = (environment / "bin", tools / "node_modules" / ".bin", os.environ.get("PATH", ""))
    source = document.source
    env = {
        "PATH": os.pathsep.join(map(str, path)),
        "APP_ID": document.app_id,
        "REPOSITORY": source.repository,
        "COMMIT": source.commit,
        "REF": source.ref,
        "DIRECTORY": source.directory,
    }
    run(python, "-m", "pipeline.build", "../app", "../artifact", folder=tools, env=env)


def require_node() -> None:
    """The pipeline's wrangler runs on Node.js of this version and later."""
    try:
        found = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=60)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UncheckableError("Node.js is needed to build it anew") from error
    major = found.stdout.removeprefix("v").partition(".")[0]
    if not major.isdecimal() or int(major) < NODE_MAJOR:
        raise UncheckableError(f"Node.js {NODE_MAJOR} is needed to build it anew, not {found.stdout.strip()}")


def compare(document: Document, artifact: Path) -> None:
    """Raise CheckFailedError naming the modules that came out otherwise."""
    modules = artifact / "modules"
    built = {
        path.relative_to(modules).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in modules.rglob("*")
        if path.is_file()
    }
    signed = {name: sha256 for name, (sha256, _) in modules_of(document.manifest).items()}
    differing = sorted(name for name in built.keys() | signed.keys() if built.get(name) != signed.get(name))
    if differing:
        raise CheckFailedError(f"built anew, these modules differ: {', '.join(differing[:10])}")
    manifest = hashlib.sha256((artifact / "manifest.json").read_bytes()).hexdigest()
    if manifest != document.manifest_sha256:
        raise CheckFailedError("built anew, the modules are the same and their settings differ")


def run(*command: str | Path, folder: Path, env: Mapping[str, str] | None = None) -> None:
    """Raises UncheckableError with the last lines of what it printed."""
    try:
        done = subprocess.run(  # noqa: S603
            [str(part) for part in command],
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UncheckableError(f"{command[0]} could not be run: {error}") from error
    if done.returncode != 0:
        last = " / ".join(done.stdout.strip().splitlines()[-3:])
        raise UncheckableError(f"{' '.join(map(str, command[:3]))} failed: {last}")
