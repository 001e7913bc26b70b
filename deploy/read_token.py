"""The setting CLOUDFLARE_READ_TOKEN, which everyone may read: it must be able to do nothing but read scripts.

A token can't be asked what it may do; so it is tried, on things of random names that don't exist. After "API
token permissions" and "Rate limits" of Cloudflare's documentation, and an account's "Verify token" in its API
reference.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
from collections.abc import Iterator

from deploy.api import bearer, question
from deploy.configs import Installation
from deploy.errors import DeployError
from deploy.health import REQUEST_SECONDS
from pipeline.api import FAILURES, TOO_MANY, call

REFUSED = (401, 403)
# Below the account; each deletes what isn't there.
WRITES = (
    *("workers/scripts", "workers/dispatch/namespaces", "storage/kv/namespaces", "d1/database"),
    *("r2/buckets", "pages/projects", "tokens"),
)
READS = ("storage/kv/namespaces", "d1/database", "r2/buckets", "pages/projects", "members", "tokens")
NEEDED = "workers/dispatch/namespaces"


def problems_of_read_token(installation: Installation) -> Iterator[str]:
    """What the token can do and must not, or must and can't. Raises DeployError if that isn't known."""
    token = str(installation.dashboard.variables.get("CLOUDFLARE_READ_TOKEN") or "")
    if not token:
        return
    place = f"{installation.dashboard.path}: CLOUDFLARE_READ_TOKEN"
    if status_of(installation, token, "GET", "tokens/verify") != 200:
        yield f"{place} is not a valid token of the account itself (a user's has the limits of all of theirs)"
        return
    if status_of(installation, token, "GET", NEEDED) != 200:
        yield f"{place} can't read scripts: it needs the permission Workers Scripts Read"
    for path in WRITES:
        name = f"{path}/codius-{secrets.token_hex(16)}"
        if status_of(installation, token, "DELETE", name) not in REFUSED:
            yield f"{place} is published, and can change {path}: give it Workers Scripts Read alone"
    for path in READS:
        if status_of(installation, token, "GET", path) not in REFUSED:
            yield f"{place} is published, and can read {path}: give it Workers Scripts Read alone"


def status_of(installation: Installation, token: str, method: str, path: str) -> int:
    """Raises DeployError where Cloudflare can't tell."""
    request = question(installation, bearer(token), path, method)
    try:
        answer = call(request, REQUEST_SECONDS)
        json.loads(answer.body)
        return answer.status
    except urllib.error.HTTPError as error:
        if error.code == TOO_MANY or not 400 <= error.code < 500:
            raise DeployError(f"What CLOUDFLARE_READ_TOKEN can do isn't known: {error}") from error
        return error.code
    except (*FAILURES, ValueError) as error:
        raise DeployError(f"What CLOUDFLARE_READ_TOKEN can do isn't known: {error}") from error
