"""An app's static files (wrangler's `assets`), as modules of its Worker.

Cloudflare gives a Worker's modules out again, but not its assets: what is served could not be compared with
what was signed. So each file becomes a module, signed and read back as all others are, and Cloudflare's own
asset Worker, which wrangler brings for local runs, serves them from there: `site.js` is the main module then.
After "Static Assets" of the Workers documentation; `_headers` and `_redirects` have no effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pathspec import GitIgnoreSpec

from pipeline.artifact import Artifact
from pipeline.commands import ROOT
from pipeline.config import Config
from pipeline.errors import PipelineError

# Of the modules that are added. (Wrangler would call a main module in a folder as if it were in none.)
MAIN, FOLDER = "codius-site.js", "codius"
ASSET_WORKERS = ROOT / "node_modules" / "miniflare" / "dist" / "src" / "workers" / "assets"
IGNORE_FILE = ".assetsignore"
WITHOUT_EFFECT = ("_headers", "_redirects")
HANDLING = ("html_handling", "not_found_handling")
LICENSE = b"// Of miniflare (MIT), by Cloudflare.\n"
# Browsers know a file by its type; those without one here come without one, as at Cloudflare.
TYPES = {
    "css": "text/css",
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "js": "text/javascript",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "txt": "text/plain",
    "vtt": "text/vtt",
    "xml": "text/xml",
    "yaml": "text/yaml",
    "yml": "text/yaml",
    "gz": "application/gzip",
    "json": "application/json",
    "jsonld": "application/ld+json",
    "map": "application/json",
    "pdf": "application/pdf",
    "rss": "application/rss+xml",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
    "zip": "application/zip",
    "apng": "image/apng",
    "avif": "image/avif",
    "gif": "image/gif",
    "ico": "image/vnd.microsoft.icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "otf": "font/otf",
    "ttf": "font/ttf",
    "woff": "font/woff",
    "woff2": "font/woff2",
}


def add_static_files(artifact: Artifact, config: Config, checkout: Path) -> Artifact:
    """The artifact with the files of the config's `assets`, in front of its Worker if it has one.

    Raises PipelineError.
    """
    modules, types = (artifact.modules, artifact.types) if config.main else ({}, {})
    taken = [name for name in modules if name == MAIN or name.startswith(f"{FOLDER}/")]
    if taken:
        raise PipelineError(f"The Worker has a module {taken[0]}, a name that static files need here.")
    files = dict(static_files_in(directory_of(config, checkout)))
    app = f"import * as app from {json.dumps(f'../{artifact.main}')};" if config.main else "const app = {};"
    scripts = {
        MAIN: (ROOT / "pipeline" / "site.js").read_bytes(),
        f"{FOLDER}/site-files.js": script_of(app, files, settings_of(config)),
        f"{FOLDER}/asset-worker.js": LICENSE + (ASSET_WORKERS / "assets.worker.js").read_bytes(),
        f"{FOLDER}/router-worker.js": LICENSE + (ASSET_WORKERS / "router.worker.js").read_bytes(),
    }
    data = {f"{FOLDER}/files/{name}": content for name, content in files.items()}
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


def static_files_in(root: Path) -> Iterator[tuple[str, bytes]]:
    ignore = root / IGNORE_FILE
    lines = ignore.read_text(errors="replace").splitlines() if ignore.is_file() else []
    ignored = GitIgnoreSpec.from_lines([f"/{IGNORE_FILE}", *(f"/{name}" for name in WITHOUT_EFFECT), *lines])
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not path.is_file() or ignored.match_file(name):
            continue
        if not path.resolve().is_relative_to(root):
            raise PipelineError(f"The static file {name} is outside of its directory.")
        yield name, path.read_bytes()


def script_of(app: str, files: Mapping[str, bytes], settings: Mapping[str, Any]) -> bytes:
    """The module `site-files.js`: the app's Worker, its files, and how they are served."""
    imports = [f"import file{n} from {json.dumps(f'./files/{name}')};" for n, name in enumerate(files)]
    described = [
        f"  {{ ...{json.dumps(description_of(name, content))}, content: file{number} }},"
        for number, (name, content) in enumerate(files.items())
    ]
    exports = ["export { app };", f"export const settings = {json.dumps(settings)};"]
    return "\n".join([app, *imports, *exports, "export const files = [", *described, "];", ""]).encode()


def description_of(name: str, content: bytes) -> dict[str, str | None]:
    """`tag` is what the file's ETag is made of: two of the same bytes may be of different types."""
    kind = type_of(name)
    tag = hashlib.sha256(f"{kind}\0".encode() + content).hexdigest()[:32]
    return {"path": f"/{name}", "tag": tag, "type": kind}


def type_of(name: str) -> str | None:
    found = TYPES.get(PurePosixPath(name).suffix.lstrip(".").lower())
    return f"{found}; charset=utf-8" if found is not None and found.startswith("text/") else found
