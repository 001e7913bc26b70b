"""Reading JSON that others wrote.

`json.loads` calls itself for each bracket inside another, and ten thousand of them end the whole runtime
(workerd's stack is short). So the depth is measured first, without a call for each.
"""

from __future__ import annotations

import json
import re
from typing import Any

# GitHub's and Stripe's deepest have about ten; an app's own variables may have some more.
MAX_DEPTH = 64
# A string, closed or not, whose brackets are none; or one bracket. Possessive, so that nothing is read twice.
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def read_json(text: bytes | str) -> Any:
    """The value. Raises ValueError for what is no JSON, or nested deeper than MAX_DEPTH."""
    encoded = text.encode() if isinstance(text, str) else text
    if encoded.count(b"[") + encoded.count(b"{") > MAX_DEPTH and depth_of(encoded) > MAX_DEPTH:
        raise ValueError(f"the JSON is nested deeper than {MAX_DEPTH} levels")
    return json.loads(encoded)


def depth_of(encoded: bytes) -> int:
    """How many brackets are open at once, at most."""
    depth = deepest = 0
    for found in TOKEN.finditer(encoded):
        token = found[0]
        if token in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"]}":
            depth -= 1
    return deepest
