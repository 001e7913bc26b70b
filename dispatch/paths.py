"""Which paths are the platform's own: what could be read as one is never an app's to answer.

An app sees the URL as it was sent. Browsers, proxies and Cloudflare itself decode it, join slashes and
resolve dots before they show or pass it on (RFC 3986, section 6.2.2; "URL normalization" of Cloudflare), so
an app could otherwise publish at `/.well-known/%63odius` what looks like the platform's word. Everything
here takes time in proportion to the path, and little: a stranger chooses it.
"""

from __future__ import annotations

import re

WELL_KNOWN, NAME = ".well-known", "codius"
PLATFORM_PATH = f"/{WELL_KNOWN}/{NAME}"
# `codius.json` or `codius;v=1` are read as the platform's, too; `codius-tools` is another name.
NAME_OR_VARIANT = re.compile(rf"{NAME}(?![\w-])")
# A path of more than these that has both names in it is refused unread.
MAX_SEGMENTS = 100
DECODINGS = 3
# Only what the two names and the way to them consist of is decoded, in either case of its letters.
DECODED = {
    f"%{ord(variant):02x}": character
    for character in sorted({*WELL_KNOWN, *NAME, "/", "\\"})
    for variant in {character, character.upper()}
}


def may_be_platforms(url: str) -> bool:
    """Whether a closer look is needed: asked of every request, so it is quick rather than exact."""
    return "%" in url or WELL_KNOWN in url.lower()


def platform_path(path: str) -> str | None:
    """The path as the platform reads it, if it is PLATFORM_PATH or below it; None for an app's path.

    What can't be told apart from it, such as another spelling of its name, counts as below it.
    """
    plain = decoded(path.lower())
    if WELL_KNOWN not in plain or NAME not in plain:
        return None
    if plain.count("/") > MAX_SEGMENTS:
        return f"{PLATFORM_PATH}/"
    segments = resolved(plain)
    if len(segments) < 2 or segments[0] != WELL_KNOWN or not NAME_OR_VARIANT.match(segments[1]):
        return None
    return "/" + "/".join(segments)


def decoded(path: str) -> str:
    """A path in lower case, with its encoded letters, dots and slashes as they are, and no backslashes."""
    if "%" in path:
        for _ in range(DECODINGS - 1):
            path = path.replace("%25", "%")
        for code, character in DECODED.items():
            path = path.replace(code, character)
    return path.replace("\\", "/")


def resolved(path: str) -> list[str]:
    """The segments of a path without the empty ones and dots."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return segments
