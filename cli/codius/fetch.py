"""Read from the web, with limits."""

from __future__ import annotations

import json
from concurrent.futures import Future
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3

from codius.errors import UncheckableError

TIMEOUT = urllib3.Timeout(connect=10, read=45)
MAX_BYTES = 32 * 1024 * 1024
# Each read has a timeout of its own, of headers and body: all of them together have this.
ANSWER_SECONDS = 120
READ_BYTES = 1 << 16
MAX_REDIRECTS = 3
HEADERS = {"accept": "application/json", "user-agent": "codius"}


def fetch_json(url: str, redirects: int = MAX_REDIRECTS) -> tuple[int, Any]:
    """Return the answer's status, and its body as JSON, None where it is something else.

    Raises UncheckableError.
    """
    status, body = fetch(url, redirects)
    return status, parse(body)


def fetch(url: str, redirects: int = MAX_REDIRECTS) -> tuple[int, bytes]:
    """Return the answer's status and body. Raises UncheckableError."""
    parts = web_address(url)
    if parts is None:
        raise UncheckableError(f"{url} is not an address of the web")
    answer: Future[tuple[int, bytes]] = Future()

    def ask() -> None:
        try:
            answer.set_result(request(parts, redirects))
        except BaseException as error:
            answer.set_exception(error)

    # A server that sends a byte now and then would never let this end: who waits for it gives up, and so does
    # this thread when the program ends.
    Thread(target=ask, daemon=True).start()
    try:
        return answer.result(ANSWER_SECONDS)
    except TimeoutError as error:
        raise UncheckableError(
            f"{parts.netloc} takes more than {ANSWER_SECONDS} seconds to answer"
        ) from error


def request(parts: SplitResult, redirects: int) -> tuple[int, bytes]:
    """The same, without an end for a server that is slow enough."""
    url = parts.geturl()
    headers = dict(HEADERS)
    tls_name = None
    if (parts.hostname or "").endswith(".localhost"):
        # RFC 6761 reserves these names for this machine; resolvers need not know them.
        headers["host"] = parts.netloc
        tls_name = parts.hostname
        port = parts.port or (443 if parts.scheme == "https" else 80)
        url = parts._replace(netloc=f"127.0.0.1:{port}").geturl()
    # Only redirects are followed: a server that says "Retry-After" could have this wait for days.
    retries = urllib3.Retry(
        total=redirects, connect=0, read=0, status=0, other=0, respect_retry_after_header=False
    )
    try:
        with urllib3.PoolManager(timeout=TIMEOUT, server_hostname=tls_name) as pool:
            answer = pool.request("GET", url, headers=headers, retries=retries, preload_content=False)
            body = read(answer)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise UncheckableError(f"{parts.netloc} can't be reached: {reason_of(error)}") from error
    if len(body) > MAX_BYTES:
        raise UncheckableError(f"{parts.netloc} answers with more than {MAX_BYTES:,} bytes")
    return answer.status, body


def read(answer: urllib3.BaseHTTPResponse) -> bytes:
    """The body, or as much of it as is too much."""
    body = bytearray()
    while len(body) <= MAX_BYTES and (part := answer.read1(READ_BYTES, decode_content=True)):
        body += part
    return bytes(body)


def web_address(url: str) -> SplitResult | None:
    """The parts of an http(s) address, printable and without a user's name; None for what isn't one."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # of hosts in brackets, Unicode's look-alikes, and ports
        return None
    is_plain = url.isprintable() and "@" not in parts.netloc
    return parts if parts.scheme in ("http", "https") and has_host and is_plain else None


def parse(text: bytes | str) -> Any:
    """JSON, or None for what isn't."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def reason_of(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2]
