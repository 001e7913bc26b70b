"""Vendor a Python Worker's packages into the `python_modules/` that wrangler uploads, as pywrangler does.

Wheels are asked of the Python index and of Pyodide's own, which has those that have to be compiled; nothing
is compiled here.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.commands import ROOT, CommandError, output_of, run
from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.package_managers import up_to

# Every Python Worker needs Cloudflare's SDK, which pywrangler adds, too: in the version that dispatch has.
SDK_LOCK = ROOT / "locks" / "dispatch.txt"
PROJECTS = ("pylock.toml", "uv.lock", "pyproject.toml")
REQUIREMENTS, OLD_REQUIREMENTS = "requirements.txt", "cf-requirements.txt"
# Pyodide's index, by its releases; another address, or none (""), is a setting.
INDEX_SETTING = "PYODIDE_INDEX_URL"
INDEX = "https://index.pyodide.org"
UNREACHABLE = re.compile(r"error sending request for url|Request failed after")


@dataclass(frozen=True, slots=True)
class Python:
    """The Python of Workers from a compatibility date on, or by a flag; `release` is Pyodide's."""

    version: str
    flag: str
    date: str
    release: str
    options: tuple[str | Path, ...]


# As in workers-py's metadata.py and utils.py.
PYTHONS = (
    Python(
        "3.14",
        "python_workers_314",
        "2026-09-08",
        "314.0.7",
        ("--python", ROOT / "pipeline" / "pyodide_314.py"),
    ),
    Python(
        "3.13",
        "python_workers_20250116",
        "2025-09-29",
        "0.28.3",
        ("--python-version", "3.13", "--python-platform", "wasm32-pyodide2025"),
    ),
    Python(
        "3.12",
        "python_workers",
        "",
        "0.27.7",
        ("--python-version", "3.12", "--python-platform", "wasm32-pyodide2024"),
    ),
)


def vendor(config: Config, checkout: Path, env: Mapping[str, str]) -> None:
    """Install what the project locks, or names. Raises PipelineError."""
    python, folder = python_of(config), config.path.parent
    target = folder / "python_modules"
    project = python_project_of(folder, checkout)
    refuse_requirements(project, folder)
    # What has to be compiled has no wheel; what is in the repository may be built, without a compiler.
    env = {**env, "CC": "/bin/false"}
    install = ("uv", "pip", "install", "--target", target, "--link-mode", "copy", *python.options)
    if project is not None:
        install_project(project, checkout, (*install, *wheels_only(project)), target, python, env)
    if not (target / "workers").is_dir():
        failure = "workers-runtime-sdk could not be installed"
        run(*install, "--require-hashes", "--requirements", SDK_LOCK, cwd=folder, env=env, failure=failure)
    (target / ".lock").unlink(missing_ok=True)
    shutil.rmtree(target / "bin", ignore_errors=True)


def install_project(
    project: Path,
    checkout: Path,
    install: Sequence[str | Path],
    target: Path,
    python: Python,
    env: Mapping[str, str],
) -> None:
    """By what is locked, or else the newest that there are in both indexes."""
    lock = uv_lock_of(project, checkout)
    named = next(name for name in PROJECTS if (project / name).is_file() or (lock and name == "uv.lock"))
    failure = f"The packages of {named} could not be installed for Python {python.version} in Workers"

    def install_from(requirements: str | Path, *more: str) -> None:
        # Of a workspace, what is exported names folders from its root.
        folder = lock.parent if lock else project
        run(*install, *more, "--requirements", requirements, cwd=folder, env=env, failure=failure)

    if named == "pylock.toml":
        install_from(project / named)
    elif named == "uv.lock":
        try:
            install_from(exported(project, env, failure))
        except CommandError:
            # Of a package that has to be compiled the lock has the hashes of other platforms' wheels.
            install_from(exported(project, env, failure, "--no-hashes"), *pyodides_index(python))
    elif "project" in read_toml(project / named):  # otherwise it is the settings of tools alone
        try:
            install_from(project / named, *pyodides_index(python))
        except CommandError as error:
            if not UNREACHABLE.search(error.output):
                raise
            install_from(project / named)
            require_newest(project / named, target, python, env, str(error))


def require_newest(
    pyproject: Path, target: Path, python: Python, env: Mapping[str, str], failure: str
) -> None:
    """Raise PipelineError(`failure`) unless all packages are the newest: another index had no other ones."""
    options = ("--quiet", "--no-header", "--no-annotate", "--python-version", python.version)
    command = ("uv", "pip", "compile", *options, pyproject)
    newest = output_of(*command, cwd=pyproject.parent, env=env, failure=failure).splitlines()
    versions = dict(line.split("==") for line in newest if "==" in line)
    for path in target.glob("*.dist-info"):
        name, _, version = path.name.removesuffix(".dist-info").rpartition("-")
        if versions.get(name.replace("_", "-").lower(), version) != version:
            shutil.rmtree(target)
            raise PipelineError(failure)


def python_project_of(folder: Path, checkout: Path) -> Path | None:
    """The folder of the nearest pyproject.toml, or of a lock beside the config."""
    if any((folder / name).is_file() for name in PROJECTS):
        return folder
    return next((parent for parent in up_to(folder, checkout) if (parent / "pyproject.toml").is_file()), None)


def refuse_requirements(project: Path | None, folder: Path) -> None:
    """As pywrangler does; wrangler's own old file is a fault where nothing else names packages."""
    names = (REQUIREMENTS,) if project else (REQUIREMENTS, OLD_REQUIREMENTS)
    for name in (name for name in names if ((project or folder) / name).is_file()):
        raise PipelineError(
            f"{name} is not read: name the packages in pyproject.toml ([project] dependencies), as "
            "pywrangler wants them, and remove the file."
        )


def uv_lock_of(project: Path, checkout: Path) -> Path | None:
    """The uv.lock of a project, or of the workspace above that it belongs to."""
    for parent in up_to(project, checkout):
        lock = parent / "uv.lock"
        if lock.is_file() and (parent == project or project.relative_to(parent).as_posix() in members(lock)):
            return lock
    return None


def members(lock: Path) -> set[str]:
    """The folders of a uv.lock's own packages."""
    packages = read_toml(lock).get("package")
    sources = [package.get("source") for package in packages or () if isinstance(package, dict)]
    return {
        str(path)
        for source in sources
        if isinstance(source, dict)
        for kind, path in source.items()
        if kind in ("editable", "virtual", "directory")
    }


def wheels_only(project: Path) -> list[str]:
    """No package is built but those that are in the repository."""
    options = ["--only-binary", ":all:"]
    sources = read_toml(project / "pyproject.toml").get("tool", {}).get("uv", {}).get("sources", {})
    for name, source in sources.items():
        if isinstance(source, dict) and (source.get("workspace") or source.get("path")):
            options += ["--no-binary", name]
    return options


def pyodides_index(python: Python) -> list[str]:
    """Of both indexes the newest wheel counts, as for pywrangler."""
    index = os.environ.get(INDEX_SETTING, INDEX)
    if not index:
        return []
    return ["--extra-index-url", f"{index}/{python.release}", "--index-strategy", "unsafe-best-match"]


def exported(project: Path, env: Mapping[str, str], failure: str, *more: str) -> Path:
    """What uv.lock says, in the form that `uv pip` takes."""
    path = Path(env["HOME"]) / "requirements.txt"
    options = ("--frozen", "--no-dev", "--no-emit-project", "--no-editable", "--quiet", "--output-file", path)
    run("uv", "export", *options, *more, cwd=project, env=env, failure=failure)
    return path


def python_of(config: Config) -> Python:
    """The Python of a Worker."""
    if "python_workers" not in config.compatibility_flags:
        raise PipelineError(f"{config.path.name} lacks the compatibility flag python_workers.")
    dated = config.compatibility_date
    found = (
        python for python in PYTHONS if python.flag in config.compatibility_flags or dated >= python.date
    )
    return next(found)


def read_toml(path: Path) -> dict[str, Any]:
    """Raises PipelineError."""
    try:
        return tomllib.loads(re.sub("^\ufeff", "", path.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path.name} can't be read: {error}") from error
