"""Run what an app's own build is: by the scripts of its package.json, as far as its config has no command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from pipeline.commands import CommandError, run
from pipeline.config import Config
from pipeline.dependencies import with_binaries
from pipeline.package_managers import manager_of, place_of, project_of
from pipeline.scripts import OPEN_NEXT, OPEN_NEXT_FOLDER, before_deploying, scripts_of

# A config's build command that is the script `build`, or has it in it.
CALLS_BUILD = re.compile(r"\b(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?build(?![\w:-])")
# What OpenNext has run by the script `build`.
NEXT_BUILD = re.compile(r"\bnext\s+build\b")


def run_build_script(config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Run package.json's script `build`, unless a build command or OpenNext does. Raises PipelineError.

    Beside a build command it is a help: what is missing in the end wrangler says.
    """
    folder = config.path.parent
    build = scripts_of(folder).get("build")
    if build is None or is_made_otherwise(config, build) or (is_open_next(config) and is_of_next(build)):
        return
    command = running_build(folder, checkout)
    try:
        run(*command, cwd=folder, env=env, failure=f"The build script failed ({' '.join(command)})")
    except CommandError:
        if not config.has_build_command:
            raise


def running_build(folder: Path, checkout: Path) -> tuple[str, ...]:
    return (*manager_of(*place_of(folder, checkout)).call, "run", "build")


def is_made_otherwise(config: Config, build: str) -> bool:
    """Whether the config's build command has the place of the script `build`.

    The two may share the work: one makes the entry, the other the static files.
    """
    command = config.build_command
    has_all = config.has_files or bool(CALLS_BUILD.search(command)) or build in command
    return config.has_build_command and has_all


def is_of_next(build: str) -> bool:
    """Whether a script `build` makes what OpenNext makes a Worker of, and not the Worker."""
    return bool(NEXT_BUILD.search(build)) and OPEN_NEXT not in build


def completing(config: Config, checkout: Path) -> list[str]:
    """The commands that may make what the config names and the script `build` didn't.

    They are run in the folder of the nearest package.json, whose own `build` is among them if that is above.
    """
    project = place_of_scripts(config, checkout)
    scripts = scripts_of(project)
    found = [before_deploying(scripts)]
    if project != config.path.parent and "build" in scripts:
        found.insert(0, shlex.join(running_build(project, checkout)))
    if is_open_next(config):
        found.append(f"{OPEN_NEXT} build")
    return [command for command in found if command]


def run_command(command: str, config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Run a command as in a script of the nearest package.json. Raises PipelineError."""
    env = with_binaries(config, checkout, env)
    what = f"{config.main or 'The entry'} or the static files aren't there"
    failure = f"{what}, and what is done before a deployment failed ({command})"
    run("sh", "-c", command, cwd=place_of_scripts(config, checkout), env=env, failure=failure)


def place_of_scripts(config: Config, checkout: Path) -> Path:
    """The folder of the nearest package.json, or the config's own."""
    return project_of(config.path.parent, checkout) or config.path.parent


def is_open_next(config: Config) -> bool:
    """An entry of the author's own may be in front of what OpenNext makes ("Custom Worker")."""
    named = (config.main, str(config.assets.get("directory") or ""))
    return any(Path(path).parts[:1] == (OPEN_NEXT_FOLDER,) for path in named)
