"""Attestations that GitHub keeps: "Attestations" in GitHub's REST API reference.

The API may answer with the addresses of bundles (`bundle_url`) in their place. These are signed, take no
credentials, and give a bundle as JSON in a block of Snappy's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clients.github_api import GitHubApi, GitHubUnreachableError
from clients.http import USER_AGENT, Answer, UnreachableError
from clients.snappy import SnappyError, unpack
from model.json_text import read_json

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 900_000  # the workflow signs none above
# In a bundle it is in base64, twice.
MAX_BYTES = 4_000_000
# Each is the same manifest, signed again.
MAX_BUNDLES = 5
LOG_INDEX = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """`log_index` is the signature's entry in Sigstore's log, None where the bundle has none."""

    content: dict[str, Any]
    log_index: int | None


@dataclass(frozen=True, slots=True)
class GitHubAttestations:
    """`repository` (owner/name) is the operator's. Raises GitHubError."""

    api: GitHubApi
    repository: str

    def url(self, sha256: str) -> str:
        return self.api.url + self._path(sha256)

    async def manifest(self, sha256: str) -> SignedManifest | None:
        """The manifest with this digest, from an attestation of it; None where there is none.

        The attestation isn't verified here: what has this digest is the manifest, whoever signed it.
        """
        answer = await self.api.get(self._path(sha256))
        content = answer.json()
        listed = content.get("attestations") if isinstance(content, dict) else None
        for item in listed[:MAX_BUNDLES] if isinstance(listed, list) else []:
            bundle = await self._bundle(item)
            for encoded in byproducts(bundle):
                if len(encoded) <= MAX_MANIFEST_BYTES and hashlib.sha256(encoded).hexdigest() == sha256:
                    return SignedManifest(read_json(encoded), log_index_of(bundle))
        return None

    async def _bundle(self, item: Any) -> Any:
        """The bundle of a listed attestation, None for what is none."""
        if not isinstance(item, dict):
            return None
        url = item.get("bundle_url")
        if item.get("bundle") or not isinstance(url, str):
            return item.get("bundle")
        try:
            body = Limited()
            answer = await self.api.fetch("GET", url, {"user-agent": USER_AGENT}, None, body.receive)
        except UnreachableError as error:
            raise GitHubUnreachableError("GitHub's attestations could not be reached.") from error
        if not answer.is_success:
            raise GitHubUnreachableError(f"GitHub's attestations answered with an error ({answer.status}).")
        return bundle_of(bytes(body.content))

    def _path(self, sha256: str) -> str:
        return f"/repos/{quote(self.repository)}/attestations/sha256:{sha256}"


class Limited:
    """Takes the pieces of a body up to MAX_BYTES; what is longer is cut, and so no bundle."""

    def __init__(self) -> None:
        self.content = bytearray()

    def receive(self, answer: Answer) -> Callable[[bytes], None]:
        return self._take

    def _take(self, piece: bytes) -> None:
        self.content += piece[: MAX_BYTES - len(self.content)]


def bundle_of(body: bytes) -> Any:
    """JSON, in a block of Snappy's or plain; None for anything else."""
    try:
        return read_json(body if body.startswith(b"{") else unpack(body, MAX_BYTES))
    except (SnappyError, ValueError):
        return None


def byproducts(bundle: Any) -> list[bytes]:
    """The manifests in a bundle's statement (SLSA provenance v1, `runDetails.byproducts`)."""
    try:
        statement = read_json(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        found = statement["predicate"]["runDetails"]["byproducts"]
        return [base64.b64decode(part["content"]) for part in found if part["name"] == MANIFEST]
    except (KeyError, TypeError, ValueError, binascii.Error):
        return []


def log_index_of(bundle: Any) -> int | None:
    """`logIndex` of the one entry in a bundle (Sigstore's bundle format: a number of 64 bits, as text)."""
    match bundle:
        case {"verificationMaterial": {"tlogEntries": [{"logIndex": str(text)}]}}:
            return int(text) if LOG_INDEX.fullmatch(text) else None
    return None
