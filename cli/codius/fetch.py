"""Read JSON from the web, with limits."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import urllib3

from codius.errors import UncheckableError

TIMEOUT = urllib3.Timeout(connect=10, read=45)
MAX_BYTES = 32 * 1024 * 1024
MAX_REDIRECTS = 3
HEADERS = {"accept": "application/json", "user-agent": "codius"}


def fetch_json(url: str) -> tuple[int, Any]:
    """Return the answer's status, and its body as JSON, None where it is something else.

    Raises UncheckableError.
    """
    parts = urlsplit(url)
    headers = dict(HEADERS)
    if parts.hostname is not None and parts.hostname.endswith(".localhost"):
        # RFC 6761 reserves these names for this machine; resolvers need not know them.
        headers["host"] = parts.netloc
        url = parts._replace(netloc=f"127.0.0.1:{parts.port or 80}").geturl()
    try:
        with urllib3.PoolManager(timeout=TIMEOUT) as pool:
            retries = urllib3.Retry(total=MAX_REDIRECTS, connect=0, read=0, other=0)
            answer = pool.request("GET", url, headers=headers, retries=retries, preload_content=False)
            body = answer.read(MAX_BYTES + 1, decode_content=True)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UncheckableError(f"{parts.netloc} can't be reached: {reason_of(error)}") from error
    if len(body) > MAX_BYTES:
        raise UncheckableError(f"{parts.netloc} answers with more than {MAX_BYTES:,} bytes")
    return answer.status, parse(body)


def parse(text: bytes | str) -> Any:
    """JSON, or None for what isn't."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def reason_of(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2]
