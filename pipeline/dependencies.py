"""Install an app's packages and run its build script, by the package manager whose lock file it has."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from pipeline.commands import COMMANDS, run
from pipeline.config import Config
from pipeline.package_managers import (
    LOCKS,
    PackageManager,
    manager_of,
    managers_of,
    place_of,
    project_of,
    up_to,
)
from pipeline.python_packages import vendor
from pipeline.scripts import OPEN_NEXT, OPEN_NEXT_FOLDER, before_deploying, scripts_of


def install(config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Install for the Worker of `config` what its project names. Raises PipelineError."""
    project = project_of(config.path.parent, checkout)
    folder, lock = place_of(project or config.path.parent, checkout)
    provide_managers(managers_of(folder, lock), Path(env["HOME"]) / COMMANDS)
    if project is not None:
        install_node_packages(folder, lock, env)
    if config.is_python and not (config.path.parent / "python_modules").exists():
        vendor(config, checkout, env)


def provide_managers(managers: Mapping[str, PackageManager], folder: Path) -> None:
    """Put package managers where scripts and build commands find them by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, manager in managers.items():
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {shlex.join(manager.call)} "$@"\n')
        file.chmod(0o755)


def install_node_packages(folder: Path, lock: Path | None, env: Mapping[str, str]) -> None:
    manager = manager_of(folder, lock)
    command = (*manager.call, *manager.install)
    reason = "package.json" if lock is None else named_with_others(lock)
    failure = f"The packages of {reason} could not be installed by {' '.join(command)}"
    run(*command, cwd=folder, env=env, failure=failure)


def named_with_others(lock: Path) -> str:
    """A lock, and those of other package managers beside it, of which one may be out of date."""
    beside = [name for name in LOCKS if LOCKS[name] != LOCKS[lock.name] and (lock.parent / name).is_file()]
    if not beside:
        return lock.name
    others = ", ".join(beside)
    return f"{lock.name} (there is {others}, too: remove what isn't used, or name the one as packageManager)"


def run_build_script(config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Run package.json's script `build`, unless a build command or OpenNext does. Raises PipelineError."""
    folder = config.path.parent
    build = scripts_of(folder).get("build")
    if build is None or config.has_build_command or (is_open_next(config) and OPEN_NEXT not in build):
        return
    command = (*manager_of(*place_of(folder, checkout)).call, "run", "build")
    run(*command, cwd=folder, env=env, failure=f"The build script failed ({' '.join(command)})")


def completing(config: Config) -> list[str]:
    """The commands that may make what the config names and the script `build` didn't."""
    found = [before_deploying(scripts_of(config.path.parent))]
    if is_open_next(config):
        found.append(f"{OPEN_NEXT} build")
    return [command for command in found if command]


def run_command(command: str, config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Run a command as in a script of package.json. Raises PipelineError."""
    env = with_binaries(config, checkout, env)
    failure = f"What comes before the deployment failed ({command})"
    run("sh", "-c", command, cwd=config.path.parent, env=env, failure=failure)


def is_open_next(config: Config) -> bool:
    return Path(config.main).parts[:1] == (OPEN_NEXT_FOLDER,)


def with_binaries(config: Config, checkout: Path, env: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the packages' programs are found, as in a script of package.json."""
    folders = [str(parent / "node_modules" / ".bin") for parent in up_to(config.path.parent, checkout)]
    return {**env, "PATH": os.pathsep.join([*folders, env.get("PATH", "")])}
