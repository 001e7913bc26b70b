"""Install an app's packages, by the package manager whose lock file it has."""

from __future__ import annotations

import os
import re
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

# In front of rustc, by cargo's RUSTC_WRAPPER.
RUSTC = "rustc-anywhere"
# A token that packages are fetched with, in the settings of a package manager.
TOKEN = re.compile(r"\$\{?\w*(?:TOKEN|AUTH|SECRET|PASSWORD|_KEY|PAT)\b")
SETTINGS = (".npmrc", ".yarnrc.yml", ".yarnrc", "bunfig.toml", "pnpm-workspace.yaml")


def install(config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Install for the Worker of `config` what its project names. Raises PipelineError."""
    project = project_of(config.path.parent, checkout)
    folder, lock = place_of(project or config.path.parent, checkout)
    home = Path(env["HOME"])
    provide_managers(managers_of(folder, lock), home)
    provide_rustc(home, checkout)
    if project is not None:
        install_node_packages(folder, lock, env)
    if config.is_python and not (config.path.parent / "python_modules").exists():
        vendor(config, checkout, env)


def provide_managers(managers: Mapping[str, PackageManager], home: Path) -> None:
    """Put package managers where scripts and build commands find them by name."""
    for name, manager in managers.items():
        provide(home, name, f'{shlex.join(manager.call)} "$@"')


def provide_rustc(home: Path, checkout: Path) -> None:
    """Have Rust compiled alike in each build: rustc names the folders of what it compiles."""
    names = {home: "/home", checkout: "/app"}
    places = [f"--remap-path-prefix={place}={name}" for place, name in names.items()]
    provide(home, RUSTC, f'"$@" {shlex.join(places)}')


def provide(home: Path, name: str, command: str) -> None:
    """Put a program that runs a command of the shell's into a home."""
    file = home / COMMANDS / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\nexec {command}\n")
    file.chmod(0o755)


def install_node_packages(folder: Path, lock: Path | None, env: Mapping[str, str]) -> None:
    manager = manager_of(folder, lock)
    command = (*manager.call, *manager.install)
    reason = "package.json" if lock is None else named_with_others(lock)
    failure = f"The packages of {reason} could not be installed by {' '.join(command)}{without_token(folder)}"
    run(*command, cwd=folder, env=env, failure=failure)


def without_token(folder: Path) -> str:
    """What to tell where a project's packages ask for a secret."""
    files = [name for name in SETTINGS if (folder / name).is_file()]
    naming = [name for name in files if TOKEN.search((folder / name).read_text(errors="replace"))]
    return f" ({naming[0]} names a token: a build has none, its packages must be public)" if naming else ""


def named_with_others(lock: Path) -> str:
    """A lock, and those of other package managers beside it, of which one may be out of date."""
    beside = [name for name in LOCKS if LOCKS[name] != LOCKS[lock.name] and (lock.parent / name).is_file()]
    if not beside:
        return lock.name
    others = ", ".join(beside)
    return f"{lock.name} (there is {others}, too: remove what isn't used, or name the one as packageManager)"


def with_binaries(config: Config, checkout: Path, env: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the packages' programs are found, as in a script of package.json."""
    folders = [str(parent / "node_modules" / ".bin") for parent in up_to(config.path.parent, checkout)]
    return {**env, "PATH": os.pathsep.join([*folders, env.get("PATH", "")])}
