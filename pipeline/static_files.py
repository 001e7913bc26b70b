"""An app's static files (wrangler's `assets`), as modules of its Worker.

Cloudflare gives a Worker's modules out again, but not its assets: what is served could not be compared with
what was signed. So each file becomes a module, signed and read back as all others are, and Cloudflare's own
asset Worker, which wrangler brings for local runs, serves them from there, in front of the app's Worker.
Which files there are, their types, and what `_headers` and `_redirects` mean is for wrangler's own code to
say (`site/describe.mjs`). After "Static Assets" of the Workers documentation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.artifact import SDK, Artifact
from pipeline.commands import ROOT, no_commands, output_of
from pipeline.config import Config
from pipeline.errors import PipelineError

SITE = ROOT / "pipeline" / "site"
# Of the modules that are added. (Wrangler would call a main module in a folder as if it were in none.)
MAIN, PYTHON_MAIN, FOLDER, FILES = "codius-site.js", "codius_site.py", "codius", "codius/files"
ASSET_WORKERS = ROOT / "node_modules" / "miniflare" / "dist" / "src" / "workers" / "assets"
LICENSE = b"// Of miniflare (MIT), by Cloudflare.\n"
# Wrangler's names of the settings, and miniflare's.
SETTINGS = {
    "base_path": "basePath",
    "html_handling": "htmlHandling",
    "not_found_handling": "notFoundHandling",
    "run_worker_first": "runWorkerFirst",
}
RULES = ("_headers", "_redirects")
# A longer name would not fit a file's, in the artifact.
MAX_MODULE_NAME = 200


@dataclass(frozen=True, slots=True)
class StaticFile:
    """`name` is its path in the directory; `type` the one that it is served as, None for none."""

    name: str
    type: str | None
    content: bytes

    @property
    def module(self) -> str:
        """The name of its module, in which only letters, digits and `_.-~/` stand for themselves."""
        encoded = quote(self.name, safe="/").replace("%", "=")
        if len(encoded) > MAX_MODULE_NAME:
            encoded = f"={hashlib.sha256(self.name.encode()).hexdigest()}"
        return f"{FILES}/{encoded}"

    def described(self) -> dict[str, str | None]:
        """`tag` is what the ETag is made of: two of the same bytes may be of different types."""
        tag = hashlib.sha256(f"{self.type}\0".encode() + self.content).hexdigest()[:32]
        return {"path": f"/{self.name}", "tag": tag, "type": self.type}


@dataclass(frozen=True, slots=True)
class Site:
    """`settings` are what the site's script, and Cloudflare's two Workers, are told."""

    files: tuple[StaticFile, ...]
    settings: Mapping[str, Any]

    def modules(self, folder: str) -> dict[str, bytes]:
        """The scripts that serve the files, in a folder."""
        return {
            f"{folder}/asset-worker.js": LICENSE + (ASSET_WORKERS / "assets.worker.js").read_bytes(),
            f"{folder}/files.js": self._script("../" * (folder.count("/") + 1)),
            f"{folder}/router-worker.js": LICENSE + (ASSET_WORKERS / "router.worker.js").read_bytes(),
            f"{folder}/site.js": (SITE / "site.js").read_bytes(),
        }

    def _script(self, root: str) -> bytes:
        imports = [
            f"import file{number} from {json.dumps(root + file.module)};"
            for number, file in enumerate(self.files)
        ]
        described = [
            f"  {{ ...{json.dumps(file.described())}, content: file{number} }},"
            for number, file in enumerate(self.files)
        ]
        settings = f"export const settings = {json.dumps(self.settings)};"
        return "\n".join([*imports, settings, "export const files = [", *described, "];", ""]).encode()


def add_static_files(artifact: Artifact, config: Config, checkout: Path, env: Mapping[str, str]) -> Artifact:
    """The artifact with the files of the config's `assets`, in front of its Worker if it has one.

    Raises PipelineError.
    """
    modules, types = (artifact.modules, artifact.types) if config.main else ({}, {})
    taken = [name for name in modules if name in (MAIN, PYTHON_MAIN) or name.startswith(f"{FOLDER}/")]
    if taken:
        raise PipelineError(f"The Worker has a module {taken[0]}, a name that static files need here.")
    site = site_of(config, checkout.resolve(), env)
    data = {file.module: file.content for file in site.files}
    if config.is_python:
        name = artifact.main.removesuffix(".py").replace("/", ".")
        main = (SITE / "site.py").read_bytes().replace(b"codius_app", name.encode())
        added = {PYTHON_MAIN: main, **site.modules(f"{SDK}{FOLDER}")}
        scripts = {}
    else:
        scripts = {MAIN: main_script(artifact.main if config.main else None), **site.modules(FOLDER)}
        added = scripts
    return replace(
        artifact,
        main=PYTHON_MAIN if config.is_python else MAIN,
        modules={**modules, **added, **data},
        types={**types, **dict.fromkeys(scripts, "ESModule"), **dict.fromkeys(data, "Data")},
    )


def main_script(app: str | None) -> bytes:
    """The main module in front of an app's, whose other exports are its own; None for no Worker."""
    begin = f'import {{ inFrontOf }} from "./{FOLDER}/site.js";\n'
    if app is None:
        return f"{begin}export default inFrontOf({{}});\n".encode()
    path = json.dumps(f"./{app}")
    exports = f"import * as app from {path};\nexport * from {path};\nexport default inFrontOf(app.default);\n"
    return (begin + exports).encode()


def site_of(config: Config, checkout: Path, env: Mapping[str, str]) -> Site:
    """The static files of a config, and how they are served. Raises PipelineError."""
    root = directory_of(config, checkout)
    for name in RULES:
        require_inside(root / name, name, checkout)
    described = json.loads(
        output_of(
            *("node", SITE / "describe.mjs", json.dumps(asked(config, root))),
            cwd=ROOT,
            env=env,
            failure="The static files can't be listed.",
        )
    )
    if "error" in described:
        raise PipelineError(described["error"].replace(str(root), root.name))
    with no_commands():
        for note in described["notes"]:
            print(note)
    files = tuple(static_file(root, name, kind, checkout) for name, kind in sorted(described["files"]))
    settings = {key: described[key] for key in ("assets", "router")}
    return Site(files, {"binding": config.assets.get("binding"), **settings})


def asked(config: Config, root: Path) -> dict[str, Any]:
    """The part of miniflare's options that `describe.mjs` needs; wrangler has checked the values."""
    settings = {SETTINGS[key]: value for key, value in config.assets.items() if key in SETTINGS}
    return {
        "name": "app",
        "compatibilityDate": config.compatibility_date,
        "compatibilityFlags": config.compatibility_flags,
        "assets": {"directory": str(root), "hasUserWorker": bool(config.main), **settings},
    }


def directory_of(config: Config, checkout: Path) -> Path:
    root = (config.path.parent / str(config.assets.get("directory", ""))).resolve()
    if not is_committable(root, checkout) or not root.is_dir():
        raise PipelineError(f"{config.path.name}: assets.directory is not a directory in the repository.")
    return root


def static_file(root: Path, name: str, kind: str | None, checkout: Path) -> StaticFile:
    require_inside(root / name, name, checkout)
    return StaticFile(name, kind, (root / name).read_bytes())


def require_inside(path: Path, name: str, checkout: Path) -> None:
    if not is_committable(path.resolve(), checkout):
        raise PipelineError(f"The static file {name} is a link that leads outside the repository.")


def is_committable(path: Path, checkout: Path) -> bool:
    """Whether a path is in a repository, and not among what git keeps of it: that differs with each clone."""
    return path.is_relative_to(checkout) and ".git" not in path.relative_to(checkout).parts
