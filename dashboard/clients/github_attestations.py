"""Attestations that GitHub keeps: "Attestations" in GitHub's REST API reference."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clients.github_api import GitHubApi

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class GitHubAttestations:
    """`repository` (owner/name) is the operator's. Raises GitHubError."""

    api: GitHubApi
    repository: str

    def url(self, sha256: str) -> str:
        return self.api.url + self._path(sha256)

    async def manifest(self, sha256: str) -> dict[str, Any] | None:
        """The manifest with this digest, from an attestation of it; None where there is none.

        The attestation isn't verified here: what has this digest is the manifest, whoever signed it.
        """
        answer = await self.api.get(self._path(sha256))
        content = answer.json()
        listed = content.get("attestations") if isinstance(content, dict) else None
        for item in listed if isinstance(listed, list) else []:
            for encoded in byproducts(item):
                if hashlib.sha256(encoded).hexdigest() == sha256:
                    manifest: dict[str, Any] = json.loads(encoded)
                    return manifest
        return None

    def _path(self, sha256: str) -> str:
        return f"/repos/{quote(self.repository)}/attestations/sha256:{sha256}"


def byproducts(item: Any) -> list[bytes]:
    """The manifests in an attestation's statement (SLSA provenance v1, `runDetails.byproducts`)."""
    try:
        statement = json.loads(base64.b64decode(item["bundle"]["dsseEnvelope"]["payload"]))
        found = statement["predicate"]["runDetails"]["byproducts"]
        return [base64.b64decode(part["content"]) for part in found if part["name"] == MANIFEST]
    except (KeyError, TypeError, ValueError, binascii.Error):
        return []
