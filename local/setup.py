"""Install everything the system needs on one machine, once.

Runs on the system's Python with the standard library alone: `make` calls it before every job. Each
step is skipped while the files it depends on are unchanged, so a second run takes milliseconds. What
a step installs stays inside the repository: `.venv/`, `node_modules/`, `python_modules/` beside each
Worker's config, and `.local/`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMPS = ROOT / ".local" / "setup"
VENV_BIN = ROOT / ".venv" / "bin"
STEP_TIMEOUT_SECONDS = 900


class SetupError(Exception):
    """A step failed; the message says what to do, `output` holds what the command printed."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


@dataclass(frozen=True)
class Step:
    """One installation: `inputs` are the files that decide its result, `product` is what it makes."""

    title: str
    inputs: tuple[str, ...]
    product: str
    install: Callable[[], None]

    @property
    def stamp(self) -> Path:
        return STAMPS / self.product.replace("/", "-").strip(".")

    def fingerprint(self) -> str:
        digest = hashlib.sha256(sys.version.encode())
        for name in self.inputs:
            digest.update((ROOT / name).read_bytes())
        return digest.hexdigest()

    def is_done(self) -> bool:
        try:
            return (ROOT / self.product).exists() and self.stamp.read_text() == self.fingerprint()
        except FileNotFoundError:
            return False


def run(*command: str | Path, hint: str, env: dict[str, str] | None = None) -> None:
    """Run a command inside the repository; its output is shown only when it fails."""
    path = f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}"
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env={**os.environ, "PATH": path, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STEP_TIMEOUT_SECONDS,
        )
    except FileNotFoundError as error:
        raise SetupError(f"{error.filename} is missing: {hint}") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"no end after {STEP_TIMEOUT_SECONDS} s: {hint}") from error
    if done.returncode != 0:
        raise SetupError(hint, done.stdout)


def install_python_tools() -> None:
    run(
        *(sys.executable, "-m", "venv", "--clear", ".venv"),
        hint="Python's venv module is needed (Debian: apt-get install python3-venv).",
    )
    run(
        *(VENV_BIN / "pip", "install", "--disable-pip-version-check", "--no-input"),
        # The lock is complete. Were pip to resolve, a newer release of what an extra asks for would stop it.
        *("--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", "locks/dev.txt"),
        hint="pip could not install locks/dev.txt. Is the Python package index reachable?",
    )
    # `python -m codius` is then the command of cli/, as it is here.
    (packages,) = (ROOT / ".venv" / "lib").glob("python3*/site-packages")
    (packages / "codius.pth").write_text(f"{ROOT / 'cli'}\n")


def install_node_tools() -> None:
    # Not `npm ci`: where a registry has wrangler's workerd for this platform alone, `ci` refuses a
    # lock that `install` accepts. Both check the lock's hashes, and neither changes a lock that fits.
    run(
        *("npm", "install", "--no-progress"),
        hint="npm could not install package-lock.json. Is the npm registry reachable?",
    )
    # `npx wrangler` then runs on the pinned Node.js, too.
    link = ROOT / "node_modules" / ".bin" / "node"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("..", "..", ".venv", "bin", "node"))


def vendor(worker: str, folder: str) -> Callable[[], None]:
    """Install a Worker's dependencies into the `python_modules/` that wrangler uploads with it."""

    def install() -> None:
        target = ROOT / folder / "python_modules"
        shutil.rmtree(target, ignore_errors=True)
        run(
            *("uv", "pip", "install", "--target", target, "--require-hashes", "-r", f"locks/{worker}.txt"),
            *("--python-platform", "wasm32-pyodide2025", "--python-version", "3.14"),
            *("--only-binary", ":all:", "--no-binary", "markupsafe", "--no-deps"),
            hint=f"uv could not install locks/{worker}.txt. Is the Python package index reachable?",
            # MarkupSafe has no wheel for Pyodide; without a C compiler its build gives the pure one.
            env={"CC": "/bin/false", "UV_PYTHON": str(VENV_BIN / "python")},
        )
        remove_scripts(target)

    return install


def remove_scripts(target: Path) -> None:
    """Packages' commands, which no Worker runs, name this machine's Python: clones would differ by them."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    for record in target.glob("*.dist-info/RECORD"):
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith("bin/")))


def copy_static_files() -> None:
    """Put what browsers load beside the dashboard's own static files, with the version in the name."""
    target = ROOT / "dashboard" / "static" / "vendor"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for package, file in BROWSER_LIBRARIES.items():
        folder = ROOT / "node_modules" / package
        version = json.loads((folder / "package.json").read_text())["version"]
        stem, _, suffixes = Path(file).name.partition(".")
        shutil.copyfile(folder / file, target / f"{stem}-{version}.{suffixes}")


def install_signer() -> None:
    run(
        *("npm", "install", "--no-progress", "--prefix", "local/sigstore"),
        hint="npm could not install local/sigstore/package-lock.json. Is the npm registry reachable?",
    )


def install_test_tools() -> None:
    run(
        *("npm", "install", "--no-progress", "--prefix", "tests"),
        hint="npm could not install tests/package-lock.json. Is the npm registry reachable?",
    )


def pack_pyodide() -> None:
    run(
        *(VENV_BIN / "python", "-m", "local.pyodide_bundle"),
        hint="Pyodide could not be packed for workerd.",
    )


def take_snapshot() -> None:
    run(
        *(VENV_BIN / "python", "-m", "local.python_runtime"),
        hint="workerd could not start a Python Worker.",
    )


# What the dashboard's pages load: a style sheet and a script.
BROWSER_LIBRARIES = {"@picocss/pico": "css/pico.min.css", "htmx.org": "dist/htmx.min.js"}

STEPS = (
    Step("Python tools", ("locks/dev.txt", "local/setup.py"), ".venv", install_python_tools),
    Step(
        "Node.js tools", ("package.json", "package-lock.json", ".npmrc"), "node_modules", install_node_tools
    ),
    *(
        Step(
            f"{worker}'s dependencies",
            (f"locks/{worker}.txt", "local/setup.py"),
            product,
            vendor(worker, folder),
        )
        for worker, folder, product in (
            ("dispatch", ".", "python_modules"),
            ("billing", "billing", "billing/python_modules"),
            ("dashboard", "dashboard", "dashboard/python_modules"),
            ("hello-python", "examples/hello-python", "examples/hello-python/python_modules"),
        )
    ),
    Step(
        "Local Sigstore",
        ("local/sigstore/package.json", "local/sigstore/package-lock.json", ".npmrc"),
        "local/sigstore/node_modules",
        install_signer,
    ),
    Step(
        "Style sheet and script",
        ("package-lock.json", "local/setup.py"),
        "dashboard/static/vendor",
        copy_static_files,
    ),
    Step(
        "Pyodide for workerd",
        ("package-lock.json", "local/pyodide_bundle.py", "local/pyodide_bundle.capnp"),
        ".local/pyodide/pyodide_dev.capnp.bin",
        pack_pyodide,
    ),
    Step(
        "Snapshot of Python",
        ("package-lock.json", "local/pyodide_bundle.py", "local/python_runtime.py"),
        ".local/pyodide/snapshot.bin",
        take_snapshot,
    ),
)
# GitHub's own descriptions and axe, which only `make test` needs: 400 MB.
TEST_STEPS = (
    Step(
        "Test tools",
        ("tests/package.json", "tests/package-lock.json", ".npmrc"),
        "tests/node_modules",
        install_test_tools,
    ),
)


def check_tools() -> None:
    if sys.version_info < (3, 11):
        raise SetupError(f"Python 3.11 or later is needed; {sys.executable} is {sys.version.split()[0]}.")
    if os.name != "posix":
        raise SetupError("Linux or macOS is needed (on Windows: WSL).")
    if shutil.which("git") is None:
        raise SetupError("git is needed and is not on the PATH.")


def run_steps(steps: Sequence[Step]) -> None:
    for step in steps:
        if step.is_done():
            continue
        print(f"  {step.title:<28}", end="", flush=True)
        started = time.monotonic()
        step.stamp.unlink(missing_ok=True)
        try:
            step.install()
        except BaseException:
            print("failed", flush=True)
            raise
        step.stamp.write_text(step.fingerprint())
        print(f"{time.monotonic() - started:5.1f} s", flush=True)


def main(*more: str) -> int:
    """Install everything; with "tests" what the tests need, too; with "workers" only what they vendor."""
    steps = (*STEPS, *TEST_STEPS) if "tests" in more else STEPS
    if "workers" in more:
        steps = tuple(step for step in STEPS if "python_modules" in step.product)
    try:
        check_tools()
        STAMPS.mkdir(parents=True, exist_ok=True)
        if not all(step.is_done() for step in steps):
            with open(STAMPS / "lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                print("Setting up (once):", flush=True)
                run_steps(steps)
    except SetupError as error:
        if error.output:
            print("\n".join(error.output.rstrip().splitlines()[-20:]), file=sys.stderr)
        print(f"\nSet-up stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted; run it again to go on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
