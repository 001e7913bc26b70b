"""An app's wrangler config: where it is, and what wrangler itself reads there (`read-config.mjs`)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.commands import ROOT, output_of
from pipeline.errors import PipelineError
from pipeline.left_out import ENVIRONMENT, LeftOut, is_empty, left_out
from pipeline.scripts import environment_of, scripts_of

READER = ROOT / "pipeline" / "read-config.mjs"
# In wrangler's order.
NAMES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
# "Generated Wrangler configuration": by it a build tool says which config is to be deployed.
REDIRECT = Path(".wrangler", "deploy", "config.json")
# What a Worker can't do without, and can't have: better no app than a broken one.
REFUSED = {
    "containers": "an app can't have containers here.",
    "pages_build_output_dir": (
        "it is a Pages project's. A Worker serves the same files with `assets = { directory = … }` in its "
        "place, and what is in functions/ from its `main` (wrangler pages functions build makes one)."
    ),
    "site": "an app can't have a Workers Site here: use `assets = { directory = … }`.",
    "wasm_modules": "the service worker format is too old: import the .wasm files in a module.",
    "workflows": "an app can't have workflows here.",
}
# Of wrangler 1, which knew no other way to build.
TYPES = ("javascript", "webpack", "rust")
DEPLOYED_SCRIPT = re.compile(r"\bwrangler\s+(?:deploy|publish|dev)\s+([^\s-][^\s;&|]*\.(?:[cm]?[jt]sx?|py))")


@dataclass(frozen=True, slots=True)
class Config:
    """`main` is the entry module, relative to the config's folder; "" for static files alone.

    `is_generated` where a build made it in the place of the one that the directory has.
    """

    path: Path
    content: Mapping[str, Any]
    main: str
    left_out: tuple[LeftOut, ...] = ()
    is_generated: bool = field(default=False)

    @classmethod
    def find(cls, folder: Path, directory: str, env: Mapping[str, str]) -> Config:
        """The config in a folder, which is `directory` of the repository. Raises PipelineError."""
        path = path_in(folder, directory)
        (found,) = read_by_wrangler([path], folder, env)
        return cls.of(path, found)

    def after_build(self, folder: Path, directory: str, env: Mapping[str, str], before: bytes) -> Config:
        """The config once the app's own build has run, which may have changed it, or made another.

        `before` is what was in the config's file. Raises PipelineError.
        """
        if not os.path.lexists(folder / REDIRECT):
            path = path_in(folder, directory)
            is_same = path == self.path and path.read_bytes() == before
            return self if is_same else Config.find(folder, directory, env)
        (found,) = read_by_wrangler([], folder, env)
        path = Path(str(found.get("path", folder)))
        if "error" not in found and Path(str(found.get("userPath"))) != path_in(folder, directory):
            raise PipelineError(f"wrangler would take {REDIRECT} for another directory's.")
        return self.in_place_of(Config.of(path, found, within=folder))

    def in_place_of(self, made: Config) -> Config:
        """A generated config, of which environments it has left out is known from the one before it."""
        chosen = made.content.get("targetEnvironment")
        others = {one for one in self.left_out if one.kind == ENVIRONMENT and one.name != chosen}
        return replace(made, left_out=tuple(sorted({*made.left_out, *others})))

    @classmethod
    def of(cls, path: Path, found: Mapping[str, Any], within: Path | None = None) -> Config:
        """From what wrangler read. A generated config must lie `within` the directory, with what it names.

        Raises PipelineError.
        """
        content = found.get("content")
        if isinstance(content, dict):
            require_hostable(path, content)
        if "error" in found:
            name = REDIRECT if within else path.name
            raise PipelineError(f"{name} can't be read: {in_one_line(str(found['error']))}")
        content = content if isinstance(content, dict) else {}
        main = os.path.relpath(found["main"], path.parent) if found["main"] else ""
        things = left_out(content, found["bindings"], environment_of(scripts_of(path.parent)))
        config = cls(path, content, main, things, within is not None)
        if within is not None:
            config._require_within(within)
        return config

    def _require_within(self, folder: Path) -> None:
        """Raise PipelineError unless the config, and the code and files that it names, are in a directory."""
        named = {
            "it": self.path,
            "main": self.path.parent / self.main,
            "base_dir": self.path.parent / str(self.content.get("base_dir") or ""),
            "assets.directory": self.path.parent / str(self.assets.get("directory") or ""),
        }
        for key, path in named.items():
            if not path.resolve().is_relative_to(folder):
                what = f"{REDIRECT}, which the build made, leads out of the directory"
                raise PipelineError(f"{what} ({key} is {os.path.relpath(path, folder)}).")

    @property
    def is_complete(self) -> bool:
        """Whether the entry and the static files are there, or the build command may make them."""
        has_code = is_entry(self.path.parent / self.main) if self.main else bool(self.assets.get("directory"))
        return self.has_build_command or (has_code and self.has_files)

    @property
    def has_files(self) -> bool:
        """Whether the directory of static files is there, or none is named."""
        return (self.path.parent / str(self.assets.get("directory") or "")).exists()

    def require_entry(self) -> None:
        """Raise PipelineError where the entry module is nowhere, and nothing is left that could make it."""
        name = self.path.name
        if not self.main and not self.assets:
            raise PipelineError(
                f"{name} has no main: it must name the Worker's entry module.{hint(self.path)}"
            )
        if self.main and not self.has_build_command and not is_entry(self.path.parent / self.main):
            raise PipelineError(
                f"{self.main}, the main of {name}, isn't there: it must be in the repository, or be made by "
                "the script `build` of package.json, by what its script `deploy` does before it deploys, or "
                "by the config's `build.command`."
            )

    @property
    def assets(self) -> Mapping[str, Any]:
        """How static files are served; empty for none."""
        found = self.content.get("assets", {})
        return found if isinstance(found, dict) else {"directory": found}

    @property
    def build_command(self) -> str:
        build = self.content.get("build")
        return str(build.get("command") or "") if isinstance(build, dict) else ""

    @property
    def has_build_command(self) -> bool:
        return bool(self.build_command)

    @property
    def is_python(self) -> bool:
        return self.main.endswith(".py")

    @property
    def compatibility_date(self) -> str:
        return str(self.content.get("compatibility_date", ""))

    @property
    def compatibility_flags(self) -> list[str]:
        return list(self.content.get("compatibility_flags", ()))


def is_entry(path: Path) -> bool:
    """Whether wrangler takes a path for an entry: what it says no ending of may have one of these."""
    endings = ("",) if path.suffix else (".ts", ".tsx", ".js", ".jsx")
    return any(path.with_name(path.name + ending).exists() for ending in endings)


def path_in(folder: Path, directory: str) -> Path:
    """Where the config of a folder is. Raises PipelineError."""
    place = directory or "the repository's root"
    for name in NAMES:
        path = folder / name
        if path.is_file():
            if not path.resolve().is_relative_to(folder):
                raise PipelineError(f"{name} in {place} is a link that leads outside the directory.")
            return path
    raise PipelineError(f"No wrangler.toml, wrangler.json or wrangler.jsonc in {place}.")


def read_by_wrangler(paths: Sequence[Path], folder: Path, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """What wrangler reads of configs; without any, of the one that it takes in a folder by itself."""
    quiet = {**env, "WRANGLER_LOG": "none"}
    failure = "wrangler could not read the config"
    found: list[dict[str, Any]] = json.loads(
        output_of("node", READER, *paths, cwd=folder, env=quiet, failure=failure)
    )
    return found


def remove_redirect(folder: Path) -> bool:
    """Remove a redirect that was there before the build, as only one that it makes counts.

    Returns whether there was one. Raises PipelineError where it is a link.
    """
    for part in (REDIRECT.parent.parent, REDIRECT.parent, REDIRECT):
        if (folder / part).is_symlink():
            raise PipelineError(f"{part} is a link: only what the app's build makes there counts.")
    was_there = (folder / REDIRECT).exists()
    (folder / REDIRECT).unlink(missing_ok=True)
    return was_there


def require_hostable(path: Path, content: Mapping[str, Any]) -> None:
    for key, words in REFUSED.items():
        if not is_empty(content.get(key)):
            raise PipelineError(f"{path.name} has {key}: {words}")
    kind = content.get("type")
    if kind in TYPES and not content.get("main"):
        raise PipelineError(
            f'{path.name} has type = "{kind}", as of wrangler 1: name the entry module as `main`, give a '
            "`compatibility_date`, and what makes the entry, if anything, as `build.command`."
        )


def hint(path: Path) -> str:
    """What package.json's scripts hand to wrangler in the place of a main."""
    scripts = scripts_of(path.parent).values()
    named = next((found[1] for script in scripts if (found := DEPLOYED_SCRIPT.search(script))), "")
    return f" A script of package.json names {named}: put it into {path.name} as main." if named else ""


def in_one_line(words: str) -> str:
    """wrangler's words about a config, without its heading, bullets and colours."""
    lines = [re.sub(r"^[\s-]+|\x1b\[\d*m", "", line).strip() for line in words.splitlines()]
    told = [line for line in lines if line and not re.fullmatch(r"Processing .* configuration:", line)]
    return " ".join(told)[:1_000]
