"""Whether what was deployed lives."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

from deploy.errors import DeployError

HEALTHY_SECONDS = 90
REQUEST_SECONDS = 10


def wait_until_healthy(url: str) -> None:
    """Cloudflare takes a while to bring a new Worker everywhere. Raises DeployError."""
    deadline = time.monotonic() + HEALTHY_SECONDS
    while (failure := failure_of(url)) is not None:
        if time.monotonic() > deadline:
            raise DeployError(f"{url} is not healthy: {failure}")
        time.sleep(2)


def failure_of(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
            content = json.load(answer)
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        return str(error)
    return None if content == {"status": "ok"} else f"it says {content}"
