"""The setting OPERATORS: ids of GitHub accounts, since a login can change hands.

After "Get a user" in GitHub's REST API reference, which tells the id of a login.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote

from deploy.configs import Worker
from deploy.health import HEADERS, REQUEST_SECONDS

ACCOUNT_ID = re.compile(r"[0-9]{1,18}")
LOGIN = re.compile(r"[A-Za-z0-9-]{1,39}")


def problems_of_operators(dashboard: Worker) -> Iterator[str]:
    """What of the setting is no id; for a login with its id, if GitHub tells it."""
    api_url = str(dashboard.variables.get("GITHUB_API_URL", "")).rstrip("/")
    for word in str(dashboard.variables.get("OPERATORS", "")).replace(",", " ").split():
        if ACCOUNT_ID.fullmatch(word):
            continue
        problem = f"{dashboard.path}: OPERATORS has {word!r}; write the account's numeric id in its place"
        if not LOGIN.fullmatch(word):
            yield problem
            continue
        url = f"{api_url}/users/{quote(word)}"
        found = account_id(url)
        yield f"{problem}: {found}" if found is not None else f"{problem} (`id` in {url})"


def account_id(url: str) -> int | None:
    request = urllib.request.Request(url, headers=HEADERS)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
            content = json.load(answer)
    except (OSError, http.client.HTTPException, ValueError):
        return None
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, int) else None
