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
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import IO

from codius.certificate import Signer
from codius.document import COMMIT, Document, modules_of
from codius.errors import CheckFailedError, UncheckableError
from codius.printing import warn
from codius.processes import end_group, none_left
from codius.provenance import MANIFEST

TIMEOUT_SECONDS = 1200
# Of a program's output, after its end.
READ_SECONDS = 5
MAX_OUTPUT_BYTES = 1 << 16
NODE_MAJOR = 24
GIT = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
# How to find programs and to reach the network. What else is there may be a secret, or mislead git or Python.
PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("NPM_CONFIG_REGISTRY", "npm_config_registry", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "PYODIDE_INDEX_URL"),
)
# Of the programs that fetch the tools; the app's own code could read them.
SETTINGS_OF = ("GIT_CONFIG_", "PIP_", "UV_", "npm_config_", "NPM_CONFIG_")


def rebuild(document: Document, signer: Signer) -> str:
    """Return what was compared. Raises CheckFailedError when bytes differ, UncheckableError without any.

    Warns on stderr that the app's build code runs here.
    """
    tools = signer.repository_url
    if tools is None or signer.signer_commit is None or not COMMIT.fullmatch(signer.signer_commit):
        raise UncheckableError("the certificate names no commit of the workflow")
    warn(f"Warning: code of {tools} and of {document.source.url} runs on this machine now.")
    try:
        # What a build leaves behind may not be removable; that says nothing about the app.
        place = tempfile.TemporaryDirectory(prefix="codius-", ignore_cleanup_errors=True)
    except OSError as error:
        raise UncheckableError(f"there is no place for a build: {error.strerror}") from error
    with place as temporary:
        folder = Path(temporary)
        check_out(tools, signer.signer_commit, folder / "tools")
        check_out(document.source.url, document.source.commit, folder / "app")
        build(document, folder)
        compare(document, folder / "artifact")
    return f"built anew with {tools} at {signer.signer_commit}: the same bytes"


def check_out(url: str, commit: str, folder: Path) -> None:
    folder.mkdir()
    for arguments in (
        ("init", "--quiet"),
        ("remote", "add", "origin", url),  # from which the addresses of submodules may start
        ("fetch", "--quiet", "--depth=1", "--no-tags", url, commit),
        ("checkout", "--quiet", "FETCH_HEAD"),
    ):
        run("git", *arguments, folder=folder, env=GIT)


def build(document: Document, folder: Path) -> None:
    tools, environment = folder / "tools", folder / "venv"
    require_node(folder)
    run("npm", "install", "--no-save", "--no-progress", folder=tools)
    run(sys.executable, "-m", "venv", environment, folder=folder)
    python = environment / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes")
    run(*pip, "--only-binary", ":all:", "--requirement", "locks/pipeline.txt", folder=tools)
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
    run(python, "-m", "pipeline.build", "../app", "../artifact", folder=tools, env=env, settings=())


def require_node(folder: Path) -> None:
    """The pipeline's wrangler runs on Node.js of this version and later."""
    version = run("node", "--version", folder=folder).strip()
    major = version.removeprefix("v").partition(".")[0]
    if not (major.isascii() and major.isdecimal()) or int(major) < NODE_MAJOR:
        raise UncheckableError(f"Node.js {NODE_MAJOR} is needed to build it anew, not {version[:20]}")


def compare(document: Document, artifact: Path) -> None:
    """Raise CheckFailedError naming the modules that came out otherwise, UncheckableError where none did."""
    modules, file = artifact / "modules", artifact / MANIFEST
    try:
        built = {path.relative_to(modules).as_posix(): sha256_of(path) for path in files_in(modules)}
        manifest = sha256_of(file)
    except OSError as error:
        raise UncheckableError(f"the build left no artifact that can be read: {error.strerror}") from error
    signed = {name: sha256 for name, (sha256, _) in modules_of(document.manifest).items()}
    differing = sorted(name for name in built.keys() | signed.keys() if built.get(name) != signed.get(name))
    if differing:
        more = f" and {len(differing) - 10} more" if len(differing) > 10 else ""
        raise CheckFailedError(f"built anew, these modules differ: {', '.join(differing[:10])}{more}")
    if manifest != document.manifest_sha256:
        raise CheckFailedError(f"built anew, the modules are the same and {MANIFEST} (the settings) differs")


def files_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(
    *command: str | Path,
    folder: Path,
    env: Mapping[str, str] | None = None,
    settings: tuple[str, ...] = SETTINGS_OF,
) -> str:
    """Return what a program printed. Raises UncheckableError with the last lines of it where it fails."""
    inherited = {
        name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(settings)
    }
    status, output = finish(command, folder, {**inherited, **(env or {})})
    if status != 0:
        last = " / ".join(output.strip().splitlines()[-3:])
        raise UncheckableError(f"{called(command)} failed: {last}")
    return output


def finish(command: tuple[str | Path, ...], folder: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Run a program to its end, and end whatever it started; return its status and the end of its output."""
    output = bytearray()
    with none_left():
        try:
            process = subprocess.Popen(  # noqa: S603
                [str(part) for part in command],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: an input with a null character
            raise UncheckableError(f"{command[0]} could not be run: {error}") from error
        reader = Thread(target=keep_end, args=(process.stdout, output), daemon=True)
        reader.start()
        try:
            process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            message = f"{called(command)} took more than {TIMEOUT_SECONDS:,} seconds"
            raise UncheckableError(message) from error
        finally:
            end_group(process.pid)
            process.wait()
    # Nobody holds the output open any more, where all that was started is known.
    reader.join(READ_SECONDS)
    return process.returncode, output.decode(errors="replace")


def keep_end(stream: IO[bytes], output: bytearray) -> None:
    """A build may print without end: the last of it is what is told."""
    with stream:
        while piece := os.read(stream.fileno(), MAX_OUTPUT_BYTES):
            output += piece
            del output[:-MAX_OUTPUT_BYTES]


def called(command: tuple[str | Path, ...]) -> str:
    return " ".join((Path(command[0]).name, *map(str, command[1:3])))
