"""The attestations of a manifest, as GitHub gives them out or as a file has them: Sigstore's bundles."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cramjam

from codius.addresses import led_to, origin_of, web_address
from codius.errors import CheckFailedError, UncheckableError, one_line
from codius.jsontext import lines_of, parse, read_json
from codius.saved import read_content
from codius.signatures import is_bundle, kind_of
from codius.web import Web

# Each is the same manifest, signed again; a server's list must not have this ask for ever.
MAX_BUNDLES = 100
PER_PAGE = 30
# However slow others answer, each within its own time.
LIST_SECONDS = 180
# A manifest of the largest size, in base64 twice, and some subjects; all but that is some kilobytes.
MAX_BYTES = 4 * 1024 * 1024
NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
NONE = "there is no attestation of this manifest"


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle that GitHub keeps elsewhere: JSON, in a block of Snappy's or plain."""

    url: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In the place of attestations: why nobody knows what they are."""

    reason: str


TOO_SLOW = Unreadable(f"to read all attestations takes more than {LIST_SECONDS} seconds")


def fetch_bundles(web: Web, url: str, sha256: str) -> Iterator[Any]:
    """The attestations that GitHub has of a manifest at their address, the newest first; at least one.

    Each is a bundle, a StoredBundle, or Unreadable; `load` has what it is. Further pages are asked for when
    they are needed. Raises CheckFailedError and UncheckableError.
    """
    address = web_address(url)
    if address is None:
        raise CheckFailedError("the document gives no address of the web for it")
    if address.query or not address.path.endswith(f"/attestations/sha256:{sha256}"):
        raise CheckFailedError("the document gives the address of something else")
    # GitHub's "List attestations", where SLSA's provenance has a name of its own.
    query = urlencode({"per_page": PER_PAGE, "predicate_type": "provenance"})
    end = time.monotonic() + LIST_SECONDS
    items, following = page_of(web, f"{url}?{query}")
    return bounded(all_pages(web, items, following, end), end)


def all_pages(web: Web, items: list[Any], following: str | None, end: float) -> Iterator[Any]:
    yield from items
    for _ in range(MAX_BUNDLES):
        if following is None:
            return
        if time.monotonic() > end:
            yield TOO_SLOW
            return
        try:
            items, following = page_of(web, following)
        except UncheckableError as error:
            yield Unreadable(str(error))
            return
        yield from items
    yield Unreadable(f"there are more than {MAX_BUNDLES} pages of attestations")


def page_of(web: Web, url: str) -> tuple[list[Any], str | None]:
    """The attestations of a page, and the next one's address. Raises UncheckableError."""
    answer = web.get(url)
    address = web_address(url)
    assert address is not None
    if answer.status == 404:
        return [], None
    if answer.status != 200:
        raise UncheckableError(f"{address.netloc} answers with status {answer.status}")
    content = read_json(answer.body, f"the answer of {address.netloc}")
    if not isinstance(content, dict) or not isinstance(content.get("attestations"), list):
        raise UncheckableError(f"the answer of {address.netloc} is no list of attestations")
    found = NEXT.search(answer.headers.get("link", ""))
    following = None if found is None else led_to(address, found[1])
    if found is not None and (following is None or origin_of(following) != origin_of(address)):
        raise UncheckableError(f"{address.netloc} continues its list elsewhere")
    return [listed(item) for item in content["attestations"]], following and following.geturl()


def bounded(items: Iterator[Any], end: float = math.inf) -> Iterator[Any]:
    """So many of them until that time, and at least one. Raises CheckFailedError for none."""
    try:
        first = next(items)
    except StopIteration:
        raise CheckFailedError(NONE) from None
    return limited(first, items, end)


def limited(first: Any, items: Iterator[Any], end: float) -> Iterator[Any]:
    yield first
    for number, item in enumerate(items, 2):
        if time.monotonic() > end:
            yield TOO_SLOW
            return
        if number > MAX_BUNDLES:
            yield Unreadable(f"there are more than {MAX_BUNDLES} attestations")
            return
        yield item


def listed(item: Any) -> Any:
    """The bundle of an attestation in GitHub's list."""
    match item:
        case {"bundle_url": str(url)} if not item.get("bundle"):
            return StoredBundle(url)
        case {"bundle": bundle}:
            return bundle
    return item


def load(web: Web, item: Any) -> Any:
    """What an attestation is. Raises UncheckableError."""
    match item:
        case Unreadable(reason):
            raise UncheckableError(reason)
        case StoredBundle(url):
            answer = web.get(url, most=MAX_BYTES)
            if answer.status != 200:
                raise UncheckableError(f"the attestation's server answers with status {answer.status}")
            content = parse(answer.body)
            return content if content is not None else read_json(unpacked(answer.body), "the attestation")
    return item


def unpacked(block: bytes) -> bytes:
    """What a block of Snappy's holds. Raises UncheckableError."""
    try:
        if cramjam.snappy.decompress_raw_len(block) > MAX_BYTES:
            raise UncheckableError(f"the attestation has more than {MAX_BYTES:,} bytes")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise UncheckableError(f"the attestation can't be unpacked: {one_line(error)}") from error


def read_bundles(path: Path) -> Iterator[Any]:
    """Bundles of a file: one, one on each line, or GitHub's answer. Raises as `fetch_bundles` does."""
    return bundles_of(path, read_content(path))


def bundles_of(path: Path, content: bytes) -> Iterator[Any]:
    return bounded(bundle for part in parts_of(path, content) for bundle in bundles_in(part))


def parts_of(path: Path, content: bytes) -> list[Any]:
    """A file's JSON, or that of each line if the first line is JSON by itself."""
    whole, lines = parse(content), lines_of(content)
    if whole is None and len(lines) > 1 and parse(lines[0]) is not None:
        return [line_of(path, number, line) for number, line in enumerate(lines, 1)]
    return [read_json(content, str(path))]


def line_of(path: Path, number: int, line: str) -> Any:
    try:
        return read_json(line, f"{path}, line {number}")
    except UncheckableError as error:
        return Unreadable(str(error))


def bundles_in(content: Any) -> list[Any]:
    """Raises UncheckableError for a document of another kind."""
    match content:
        case {"attestations": [*items]}:
            return [listed(item) for item in items]
        case [*items]:
            return [listed(item) for item in items]
    if is_bundle(content) or isinstance(content, Unreadable):
        return [content]
    return [Unreadable(f"it is no attestation, but {kind_of(content)}")]
