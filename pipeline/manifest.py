"""What a deploy consists of, in a form that can be hashed, signed and compared: docs/attestation.md.

Each job makes the manifest itself, of the modules it was handed and of the run's inputs. What a build hands
on beside them is only compared: the app's own code ran there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785

from pipeline.artifact import MANIFEST, Artifact
from pipeline.errors import PipelineError
from pipeline.inputs import Source

VERSION = 2
# A check's document has the manifest and, as long, what is deployed: a value in D1 has at most 2,000,000
# bytes. (Of a predicate actions/attest takes 16 MB.)
MAX_BYTES = 900_000
# Keys are sorted: every manifest begins so.
BEGINNING = b'{"appId":'


@dataclass(frozen=True, slots=True)
class Manifest:
    """Canonical JSON (RFC 8785), and its SHA-256 in hexadecimal digits."""

    encoded: bytes
    sha256: str

    @classmethod
    def of(cls, source: Source, artifact: Artifact) -> Manifest:
        """Raises PipelineError for what can't be described, or could pass for a description itself."""
        for name, content in artifact.modules.items():
            if content.startswith(BEGINNING):
                # Modules are signed by their digests, as manifests are.
                raise PipelineError(f"The module {name} begins as a manifest does; it could pass for one.")
        try:
            encoded = rfc8785.dumps(content_of(source, artifact))
        except (rfc8785.CanonicalizationError, UnicodeError) as error:  # the latter for an object's keys
            raise PipelineError(f"The variables can't be written in the manifest: {error}.") from error
        if len(encoded) > MAX_BYTES:
            count = len(artifact.modules)
            possible = f"{count * MAX_BYTES // len(encoded):,}"
            size = f"{len(encoded):,} bytes of {MAX_BYTES:,}"
            raise PipelineError(
                f"The Worker has {count:,} modules and static files, too many to be named in its manifest "
                f"({size}): about {possible} with such names, or shorter variables."
            )
        return cls(encoded, digest(encoded))

    @classmethod
    def check(cls, folder: Path, source: Source, artifact: Artifact) -> Manifest:
        """The manifest of what a build handed on. Raises PipelineError when its own says otherwise."""
        manifest = cls.of(source, artifact)
        try:
            found = (folder / MANIFEST).read_bytes()
        except OSError as error:
            raise PipelineError(f"The artifact has no {MANIFEST}.") from error
        if found != manifest.encoded:
            raise PipelineError(f"The artifact's {MANIFEST} doesn't describe this app, commit and modules.")
        return manifest


def content_of(source: Source, artifact: Artifact) -> dict[str, Any]:
    return {
        "version": VERSION,
        "appId": source.app_id,
        "source": {
            "repository": source.repository,
            "commit": source.commit,
            "directory": source.directory,
        },
        "main": artifact.main,
        "compatibilityDate": artifact.compatibility_date,
        "compatibilityFlags": sorted(artifact.compatibility_flags),
        "vars": dict(artifact.variables),
        "leftOut": [thing.described() for thing in artifact.left_out],
        "modules": [
            {"name": name, "type": artifact.media_type(name), "sha256": digest(artifact.modules[name])}
            for name in sorted(artifact.modules)
        ],
    }


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
