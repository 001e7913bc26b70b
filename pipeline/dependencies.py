"""Install an app's packages and run its build script, by the package manager whose lock file it has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.commands import ROOT, run
from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.package_managers import find_lock, manager_of, project_of, read_json, up_to

# So that a yarn 1 that npm fetched does not stop at a `packageManager` of another version.
YARN_SETTINGS = {"SKIP_YARN_COREPACK_CHECK": "1"}

# Every Python Worker needs Cloudflare's SDK, which pywrangler adds, too: in the version that dispatch has.
SDK_LOCK = ROOT / "locks" / "dispatch.txt"
PYTHON_PROJECTS = ("pylock.toml", "uv.lock", "pyproject.toml")
# The Python of a Worker by compatibility flag or date, newest first, as in workers-py's metadata.py, with the
# wheels' platform. (3.14 has a platform of its own that uv doesn't know yet; pure wheels are the same.)
PYTHONS = (
    ("3.14", "python_workers_314", "2026-09-08", "wasm32-pyodide2025"),
    ("3.13", "python_workers_20250116", "2025-09-29", "wasm32-pyodide2025"),
)
OLDEST_PYTHON = ("3.12", "wasm32-pyodide2024")


def install(config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Install for the Worker of `config` what its project names. Raises PipelineError."""
    project = project_of(config.path.parent, checkout)
    if project is not None:
        install_node_packages(project, checkout, env)
    if config.is_python and not (config.path.parent / "python_modules").exists():
        vendor_python_packages(config, env)


def install_node_packages(project: Path, checkout: Path, env: Mapping[str, str]) -> None:
    lock = find_lock(project, checkout)
    manager = manager_of(lock, project)
    command = (*manager.call, *manager.install)
    reason = "package.json" if lock is None else lock.name
    failure = f"The packages of {reason} could not be installed by {' '.join(command)}"
    run(*command, cwd=project if lock is None else lock.parent, env={**env, **YARN_SETTINGS}, failure=failure)


def run_build_script(config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Run package.json's script `build`, unless the config has a build command. Raises PipelineError."""
    folder = config.path.parent
    scripts = read_json(folder / "package.json").get("scripts")
    if config.has_build_command or not (isinstance(scripts, dict) and isinstance(scripts.get("build"), str)):
        return
    command = (*manager_of(find_lock(folder, checkout), folder).call, "run", "build")
    failure = f"The build script failed ({' '.join(command)})"
    run(*command, cwd=folder, env={**env, **YARN_SETTINGS}, failure=failure)


def with_binaries(config: Config, checkout: Path, env: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the packages' programs are found, as in a script of package.json."""
    folders = [str(parent / "node_modules" / ".bin") for parent in up_to(config.path.parent, checkout)]
    return {**env, "PATH": os.pathsep.join([*folders, env.get("PATH", "")])}


def vendor_python_packages(config: Config, env: Mapping[str, str]) -> None:
    """Install what the project locks, or names, into the `python_modules/` that wrangler uploads."""
    folder = config.path.parent
    target = folder / "python_modules"
    named = next((name for name in PYTHON_PROJECTS if (folder / name).is_file()), None)
    version, platform = python_of(config)
    command = (
        *("uv", "pip", "install", "--target", target, "--link-mode", "copy"),
        *("--python-version", version, "--python-platform", platform),
    )
    # A package without a wheel for Pyodide may still be one of pure Python: it is when no compiler is there.
    env = {**env, "CC": "/bin/false"}
    if named is not None:
        failure = f"The packages of {named} could not be installed for Python {version} in Workers."
        requirements = exported(folder, env, failure) if named == "uv.lock" else named
        run(*command, "--requirements", requirements, cwd=folder, env=env, failure=failure)
    if not (target / "workers").is_dir():
        failure = "workers-runtime-sdk could not be installed."
        run(*command, "--require-hashes", "--requirements", SDK_LOCK, cwd=folder, env=env, failure=failure)
    (target / ".lock").unlink(missing_ok=True)
    shutil.rmtree(target / "bin", ignore_errors=True)


def exported(folder: Path, env: Mapping[str, str], failure: str) -> Path:
    """What uv.lock says, with hashes, in the form that `uv pip` takes."""
    path = Path(env["HOME"]) / "requirements.txt"
    options = ("--frozen", "--no-dev", "--no-emit-project", "--quiet", "--output-file", path)
    run("uv", "export", *options, cwd=folder, env=env, failure=failure)
    return path


def python_of(config: Config) -> tuple[str, str]:
    """The Python version of a Worker, and its platform for wheels."""
    if "python_workers" not in config.compatibility_flags:
        raise PipelineError(f"{config.path.name} lacks the compatibility flag python_workers.")
    for version, flag, date, platform in PYTHONS:
        if flag in config.compatibility_flags or config.compatibility_date >= date:
            return version, platform
    return OLDEST_PYTHON
