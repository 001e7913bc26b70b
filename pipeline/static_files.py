"""An app's static files (wrangler's `assets`), as modules of its Worker.

Cloudflare gives a Worker's modules out again, but not its assets: what is served could not be compared with
what was signed. So each file becomes a module, signed and read back as all others are, and Cloudflare's own
asset Worker, which wrangler brings for local runs, serves them from there: `site.js` is the main module then.
Which files there are, and their types, is for wrangler's own code to say (`list-assets.mjs`). After "Static
Assets" of the Workers documentation; `_headers` and `_redirects` have no effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.artifact import Artifact
from pipeline.commands import ROOT, output_of
from pipeline.config import Config
from pipeline.errors import PipelineError

# Of the modules that are added. (Wrangler would call a main module in a folder as if it were in none.)
MAIN, FOLDER = "codius-site.js", "codius"
ASSET_WORKERS = ROOT / "node_modules" / "miniflare" / "dist" / "src" / "workers" / "assets"
WITHOUT_EFFECT = ("_headers", "_redirects")
HANDLING = ("html_handling", "not_found_handling")
LICENSE = b"// Of miniflare (MIT), by Cloudflare.\n"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """`name` is its path in the directory; `type` the one that it is served as, None for none."""

    name: str
    type: str | None
    content: bytes

    def described(self) -> dict[str, str | None]:
        """`tag` is what the ETag is made of: two of the same bytes may be of different types."""
        tag = hashlib.sha256(f"{self.type}\0".encode() + self.content).hexdigest()[:32]
        return {"path": f"/{self.name}", "tag": tag, "type": self.type}


def add_static_files(artifact: Artifact, config: Config, checkout: Path, env: Mapping[str, str]) -> Artifact:
    """The artifact with the files of the config's `assets`, in front of its Worker if it has one.

    Raises PipelineError.
    """
    modules, types = (artifact.modules, artifact.types) if config.main else ({}, {})
    taken = [name for name in modules if name == MAIN or name.startswith(f"{FOLDER}/")]
    if taken:
        raise PipelineError(f"The Worker has a module {taken[0]}, a name that static files need here.")
    files = static_files_in(directory_of(config, checkout), checkout.resolve(), env)
    app = f"import * as app from {json.dumps(f'../{artifact.main}')};" if config.main else "const app = {};"
    scripts = {
        MAIN: (ROOT / "pipeline" / "site.js").read_bytes(),
        f"{FOLDER}/site-files.js": script_of(app, files, settings_of(config)),
        f"{FOLDER}/asset-worker.js": LICENSE + (ASSET_WORKERS / "assets.worker.js").read_bytes(),
        f"{FOLDER}/router-worker.js": LICENSE + (ASSET_WORKERS / "router.worker.js").read_bytes(),
    }
    data = {f"{FOLDER}/files/{file.name}": file.content for file in files}
    return replace(
        artifact,
        main=MAIN,
        modules={**modules, **scripts, **data},
        types={**types, **dict.fromkeys(scripts, "ESModule"), **dict.fromkeys(data, "Data")},
    )


def settings_of(config: Config) -> dict[str, Any]:
    """What `site.js` and Cloudflare's two Workers are told; wrangler has checked the values."""
    first = config.assets.get("run_worker_first", False)
    rules = first if isinstance(first, list) else []
    router = {
        "has_user_worker": bool(config.main),
        "invoke_user_worker_ahead_of_assets": first is True,
        "static_routing": {
            "asset_worker": [rule[1:] for rule in rules if rule.startswith("!")],
            "user_worker": [rule for rule in rules if not rule.startswith("!")],
        },
    }
    assets = {
        **{key: config.assets[key] for key in HANDLING if key in config.assets},
        "compatibility_date": config.compatibility_date,
        "compatibility_flags": config.compatibility_flags,
        "has_static_routing": bool(rules),
    }
    return {"binding": config.assets.get("binding"), "router": router, "assets": assets}


def directory_of(config: Config, checkout: Path) -> Path:
    root = (config.path.parent / str(config.assets.get("directory", ""))).resolve()
    if not root.is_relative_to(checkout.resolve()) or not root.is_dir():
        raise PipelineError(f"{config.path.name}: assets.directory is not a directory in the repository.")
    return root


def without_effect(config: Config, checkout: Path) -> list[str]:
    """The files by which Cloudflare would set headers and redirects, and which do nothing here."""
    root = directory_of(config, checkout)
    return [name for name in WITHOUT_EFFECT if (root / name).is_file()]


def static_files_in(root: Path, checkout: Path, env: Mapping[str, str]) -> list[StaticFile]:
    failure = "The static files can't be listed: is one larger than 25 MiB, or .assetsignore not valid?"
    script = ROOT / "pipeline" / "list-assets.mjs"
    listed = json.loads(output_of("node", script, root, cwd=ROOT, env=env, failure=failure))
    files = []
    for name, kind in sorted(listed):
        path = root / name
        if not path.resolve().is_relative_to(checkout):
            raise PipelineError(f"The static file {name} is a link that leads outside the repository.")
        files.append(StaticFile(name, kind, path.read_bytes()))
    return files


def script_of(app: str, files: Sequence[StaticFile], settings: Mapping[str, Any]) -> bytes:
    """The module `site-files.js`: the app's Worker, its files, and how they are served."""
    imports = [f"import file{n} from {json.dumps(f'./files/{file.name}')};" for n, file in enumerate(files)]
    described = [
        f"  {{ ...{json.dumps(file.described())}, content: file{number} }},"
        for number, file in enumerate(files)
    ]
    exports = ["export { app };", f"export const settings = {json.dumps(settings)};"]
    return "\n".join([app, *imports, *exports, "export const files = [", *described, "];", ""]).encode()
