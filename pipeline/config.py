"""An app's wrangler config: where it is, and what of it counts.

An app is hosted with its code and its plain variables. Everything else that a config can ask for would be
the operator's resource (a database, a route, a secret) and is left out.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError

REDIRECT = ".wrangler/deploy/config.json"
NAMES = ("wrangler.toml", "wrangler.json", "wrangler.jsonc")
# Deployed with the app.
DEPLOYED = {"assets", "main", "compatibility_date", "compatibility_flags", "rules", "vars"}
# How wrangler makes the modules; it has done so when the app is deployed.
BUILD = {
    *("alias", "base_dir", "build", "define", "find_additional_modules", "jsx_factory", "jsx_fragment"),
    *("keep_names", "minify", "no_bundle", "preserve_file_names", "python_modules", "tsconfig"),
}
# What has no meaning for a hosted app, and whose absence changes nothing for it.
SILENT = {
    *("$schema", "account_id", "dev", "name", "send_metrics", "upload_source_maps", "workers_dev"),
    # In a generated config.
    *("configPath", "definedEnvironments", "legacy_env", "topLevelName", "userConfigPath"),
}
# What a Worker can't do without, and can't have: better no app than a broken one.
REFUSED = {
    "containers": "containers",
    "site": "a Workers Site (use assets)",
    "workflows": "workflows",
}
# A string, which may hold what looks like a comment; or a comment; or a comma before a closing bracket.
JSONC_PART = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
JSONC_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Config:
    """`main` is the entry module, relative to the config's folder; "" for static files alone."""

    path: Path
    content: Mapping[str, Any]
    main: str

    @classmethod
    def find(cls, folder: Path, directory: str) -> Config:
        """The config in a folder, which is `directory` of the repository. Raises PipelineError."""
        place = directory or "the repository's root"
        for name in NAMES:
            path = folder / name
            if path.is_file():
                if not path.resolve().is_relative_to(folder):
                    raise PipelineError(f"{name} in {place} is a link that leads outside the directory.")
                return cls.read(path)
        raise PipelineError(f"No wrangler.toml, wrangler.json or wrangler.jsonc in {place}.")

    @classmethod
    def read(cls, path: Path) -> Config:
        try:
            text = path.read_text()
            content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(without_comments(text))
        except (OSError, ValueError) as error:
            raise PipelineError(f"{path.name} can't be read: {error}") from error
        main = content.get("main", "") if isinstance(content, dict) else None
        if not isinstance(main, str) or not (main or content.get("assets")):
            raise PipelineError(f"{path.name} has no main: it must name the Worker's entry module.")
        for key, words in REFUSED.items():
            if not is_empty(content.get(key)):
                raise PipelineError(f"{path.name} has {key}: an app can't have {words} here.")
        return cls(path, content, main)

    @property
    def assets(self) -> Mapping[str, Any]:
        """How static files are served; empty for none."""
        found = self.content.get("assets", {})
        return found if isinstance(found, dict) else {"directory": found}

    def generated(self, checkout: Path) -> Config:
        """The config that the build made from this one, if it did ("Generated Wrangler configuration")."""
        pointer = self.path.parent / REDIRECT
        if not pointer.is_file():
            return self
        try:
            path = (pointer.parent / json.loads(pointer.read_text())["configPath"]).resolve()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PipelineError(f"{REDIRECT}, which the build made, can't be read: {error}") from error
        if not path.is_relative_to(checkout.resolve()):
            raise PipelineError(f"{REDIRECT}, which the build made, leads outside the repository.")
        return Config.read(path)

    @property
    def has_build_command(self) -> bool:
        build = self.content.get("build")
        return isinstance(build, dict) and bool(build.get("command"))

    @property
    def is_python(self) -> bool:
        return self.main.endswith(".py")

    @property
    def compatibility_date(self) -> str:
        return str(self.content.get("compatibility_date", ""))

    @property
    def compatibility_flags(self) -> list[str]:
        return list(self.content.get("compatibility_flags", ()))

    def left_out(self) -> list[str]:
        """The names of what the config asks for and a hosted app doesn't get."""
        named = {key for key, value in self.content.items() if not is_empty(value)}
        return sorted(named - DEPLOYED - BUILD - SILENT)


def is_empty(value: Any) -> bool:
    """Whether a config's value asks for nothing: a generated config has one for each key that there is."""
    if isinstance(value, dict):
        return all(is_empty(item) for item in value.values())
    return value is None or value == []


def without_comments(text: str) -> str:
    """JSON from JSON with comments and trailing commas."""
    return JSONC_COMMA.sub(r"\1", JSONC_PART.sub(r"\1", text))
