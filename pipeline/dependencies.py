"""Install an app's packages and run its build script, by the package manager whose lock file it has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pipeline.commands import run
from pipeline.config import Config
from pipeline.package_managers import find_lock, manager_of, project_of, read_json, up_to
from pipeline.python_packages import vendor

# So that a yarn 1 that npm fetched does not stop at a `packageManager` of another version.
YARN_SETTINGS = {"SKIP_YARN_COREPACK_CHECK": "1"}


def install(config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Install for the Worker of `config` what its project names. Raises PipelineError."""
    project = project_of(config.path.parent, checkout)
    if project is not None:
        install_node_packages(project, checkout, env)
    if config.is_python and not (config.path.parent / "python_modules").exists():
        vendor(config, checkout, env)


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
