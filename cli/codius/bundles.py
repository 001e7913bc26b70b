"""The attestations of a manifest, as GitHub gives them out or as a file has them: Sigstore's bundles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cramjam

from codius.document import Document
from codius.errors import CheckFailedError, UncheckableError, first_line
from codius.fetch import MAX_BYTES, fetch, fetch_json, parse, web_address

# Each is the same manifest, signed again; a server's list must not have this ask for ever.
MAX_BUNDLES = 10


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle that GitHub keeps elsewhere: JSON, in a block of Snappy's or plain."""

    url: str

    def fetch(self) -> Any:
        """Raises UncheckableError."""
        status, body = fetch(self.url)
        if status != 200:
            raise UncheckableError(f"the attestation's server answers with status {status}")
        content = parse(body)
        return parse(unpacked(body)) if content is None else content


def unpacked(block: bytes) -> bytes:
    """What a block of Snappy's holds. Raises UncheckableError."""
    try:
        if cramjam.snappy.decompress_raw_len(block) > MAX_BYTES:
            raise UncheckableError(f"the attestation has more than {MAX_BYTES:,} bytes")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise UncheckableError(f"the attestation can't be unpacked: {first_line(error)}") from error


def fetch_bundles(document: Document) -> list[Any]:
    """The attestations that GitHub has of the manifest: bundles, or a StoredBundle for each.

    Raises CheckFailedError and UncheckableError.
    """
    url = document.attestation_url
    address = web_address(url)
    if address is None:
        raise CheckFailedError("the document gives no address of the web for it")
    if not address.path.endswith(f"/attestations/sha256:{document.manifest_sha256}"):
        raise CheckFailedError("the document gives the address of something else")
    status, content = fetch_json(url)
    if status not in (200, 404):
        raise UncheckableError(f"{address.netloc} answers with status {status}")
    return require_some(bundles_in(content)[:MAX_BUNDLES])


def read_bundles(path: Path) -> list[Any]:
    """Bundles of a file: one, one on each line, or GitHub's answer. Raises as `fetch_bundles` does."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UncheckableError(f"{path} can't be read: {error}") from error
    whole = parse(content)
    parts = [whole] if whole is not None else [parse(line) for line in content.split("\n") if line.strip()]
    return require_some([bundle for part in parts for bundle in bundles_in(part)])


def bundles_in(content: Any) -> list[Any]:
    match content:
        case {"attestations": [*items]}:
            return [bundle for item in items if (bundle := listed(item)) is not None]
        case {"dsseEnvelope": _}:
            return [content]
        case [*items]:
            return [bundle for item in items if isinstance(item, dict) for bundle in bundles_in(item)]
    return []


def listed(item: Any) -> Any:
    """The bundle of an attestation in GitHub's list, None for what is none."""
    match item:
        case {"bundle_url": str(url)} if not item.get("bundle"):
            return StoredBundle(url)
        case {"bundle": {} as bundle}:
            return bundle
    return None


def require_some(bundles: list[Any]) -> list[Any]:
    if not bundles:
        raise CheckFailedError("there is no attestation of this manifest")
    return bundles
