"""Reading JSON that others wrote.

`json.loads` calls itself for each bracket inside another, and ten thousand of them end the whole runtime
(workerd's stack is short). So the depth is bounded first, by steps that take a long text as a whole.
"""

from __future__ import annotations

import json
from typing import Any

# GitHub's and Stripe's deepest have about ten; an app's own variables may have some more.
MAX_DEPTH = 64
NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))


def read_json(text: bytes | str) -> Any:
    """The value. Raises ValueError for what is no JSON in UTF-8, or nested deeper than MAX_DEPTH."""
    encoded = text.encode() if isinstance(text, str) else text
    # Not as UTF-16, which `json.loads` guesses: there a letter may look like a quote (RFC 8259, section 8.1).
    decoded = encoded.decode()
    if not is_shallow(encoded):
        raise ValueError(f"this is no JSON, or nested deeper than {MAX_DEPTH} levels")
    return json.loads(decoded)


def is_shallow(encoded: bytes) -> bool:
    """Whether all brackets are closed, none deeper than MAX_DEPTH; those in strings are none."""
    marks = encoded.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, NO_MARKS).replace(b'""', b"")
    brackets = b"".join(marks.split(b'"')[::2])
    for _ in range(MAX_DEPTH):
        # Takes away the innermost.
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return not brackets
