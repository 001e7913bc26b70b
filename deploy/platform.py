"""What the platform's own Workers consist of, so that it can be signed and compared: docs/attestation.md.

A manifest is made of the form that wrangler would upload, on a dry run, and of the clone's commit. It has
everything that decides what the Worker does, but for the values of secrets; the dashboard's static files are
not in it, as Cloudflare's API doesn't list them.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785

from deploy.configs import PAYMENT_SECRETS, SECRETS, Installation, Worker
from deploy.errors import DeployError
from deploy.wrangler import Wrangler
from pipeline.errors import PipelineError
from pipeline.upload_form import Part, UploadForm

VERSION = 2
PLAIN = {"plain_text": "text", "json": "json"}
# Settings that decide who is told of the Worker's requests, and what answers before it.
SETTINGS = ("cache_options", "logpush", "observability", "streaming_tail_consumers", "tail_consumers")
# Of a binding whose target wrangler finds when it deploys, here the database by its name.
FOUND_LATER = "inherit"


@dataclass(frozen=True, slots=True)
class Commit:
    """The operator's repository (owner/name), and the commit of it that is built."""

    repository: str
    commit: str


@dataclass(frozen=True, slots=True)
class PlatformManifest:
    """Of one Worker (`dispatch`, `billing` or `dashboard`): canonical JSON (RFC 8785), and its SHA-256."""

    part: str
    encoded: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.encoded).hexdigest()

    @property
    def message(self) -> str:
        """What a version at Cloudflare is annotated with, so that visitors find what was signed of it."""
        return f"manifest-{self.sha256}"

    @property
    def file(self) -> str:
        return f"{self.part}.json"


def manifests_of(installation: Installation, commit: Commit) -> list[PlatformManifest]:
    """Those of the three Workers as wrangler would upload them now. Raises DeployError."""
    wrangler = Wrangler(installation)
    return [manifest_of(worker, form_of(wrangler, worker), commit) for worker in installation.workers]


def form_of(wrangler: Wrangler, worker: Worker) -> UploadForm:
    with tempfile.TemporaryDirectory() as temporary:
        outfile = Path(temporary) / "form"
        wrangler.of(worker, "deploy", "--dry-run", "--outfile", str(outfile))
        try:
            return UploadForm.parse(outfile.read_bytes())
        except (OSError, PipelineError) as error:
            raise DeployError(f"wrangler wrote no upload of {worker.script}: {error}") from error


def manifest_of(worker: Worker, form: UploadForm, commit: Commit) -> PlatformManifest:
    return PlatformManifest(worker.name, rfc8785.dumps(content_of(worker, form, commit)))


def content_of(worker: Worker, form: UploadForm, commit: Commit) -> dict[str, Any]:
    metadata = form.metadata
    bindings = metadata.get("bindings", [])
    databases = {item["binding"] for item in worker.config.get("d1_databases", [])}
    return {
        "version": VERSION,
        "part": worker.name,
        "script": worker.script,
        "environment": worker.environment,
        "source": {"repository": commit.repository, "commit": commit.commit},
        "main": metadata["main_module"],
        "compatibilityDate": metadata.get("compatibility_date", ""),
        "compatibilityFlags": sorted(metadata.get("compatibility_flags", [])),
        "vars": plain_variables(bindings),
        "settings": {key: metadata[key] for key in SETTINGS if key in metadata},
        "hasAssets": "assets" in worker.config,
        "bindings": sorted(
            (described(item, databases) for item in bindings if item["type"] not in PLAIN),
            key=lambda item: str(item["name"]),
        ),
        "secrets": sorted((*SECRETS, *PAYMENT_SECRETS)) if worker.name == "dashboard" else [],
        "modules": sorted(map(module_of, form.modules), key=lambda module: module["name"]),
    }


def plain_variables(bindings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The values of those bindings that have one."""
    return {item["name"]: item[PLAIN[item["type"]]] for item in bindings if item["type"] in PLAIN}


def described(binding: Mapping[str, Any], databases: set[str]) -> dict[str, Any]:
    """A binding by its name, its kind and where it leads to, as far as that is known before a deploy."""
    if binding["type"] == FOUND_LATER and binding["name"] in databases:
        return {"name": binding["name"], "type": "d1"}
    return dict(binding)


def module_of(part: Part) -> dict[str, str]:
    return {
        "name": part.name,
        "type": part.content_type,
        "sha256": hashlib.sha256(part.content).hexdigest(),
    }
