"""Questions to Cloudflare's API that wrangler has no command for."""

from __future__ import annotations

import os
import urllib.request

from deploy.configs import Installation
from deploy.health import HEADERS


def question(
    installation: Installation, token: str, path: str, method: str = "GET"
) -> urllib.request.Request:
    """One about the installation's account; `path` is below it."""
    api = os.environ.get("CLOUDFLARE_API_BASE_URL") or str(
        installation.dashboard.variables.get("CLOUDFLARE_API_URL", "")
    )
    url = f"{api.rstrip('/')}/accounts/{installation.account_id}/{path}"
    headers = {**HEADERS, "authorization": f"Bearer {token}"}
    return urllib.request.Request(url, headers=headers, method=method)  # noqa: S310
