"""Whether what was deployed lives."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import urllib.error
import urllib.request

from deploy.errors import DeployError

HEALTHY_SECONDS = 90
REQUEST_SECONDS = 10
# Cloudflare's Browser Integrity Check, which is on by default, refuses the name that Python gives itself.
HEADERS = {"user-agent": "codius-workers"}


def wait_until_healthy(url: str) -> None:
    """Cloudflare takes a while to bring a new Worker everywhere. Raises DeployError."""
    deadline = time.monotonic() + HEALTHY_SECONDS
    while (failure := failure_of(url)) is not None:
        if time.monotonic() > deadline:
            raise DeployError(f"{url} is not healthy: {failure}")
        time.sleep(2)


def failure_of(url: str) -> str | None:
    request = urllib.request.Request(url, headers=HEADERS)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
            content = json.load(answer)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{error}{hint_for(error)}"
    return None if content == {"status": "ok"} else f"it says {content}"


def hint_for(error: Exception) -> str:
    match error:
        case urllib.error.URLError(reason=ssl.SSLError()):
            return ' (has the domain a certificate for this name? docs/operating.md, "What you need")'
        case urllib.error.URLError(reason=socket.gaierror()):
            return ' (is there a DNS record for this name? docs/operating.md, "What you need")'
    return ""
