"""Cloudflare's API (v4), asked about the installation's account.

What is there is asked here: the answers are exact and quick. What is made is left to wrangler.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from deploy.configs import Installation
from deploy.errors import DeployError
from deploy.health import HEADERS
from deploy.wrangler import Wrangler

SECONDS = 30
NOT_FOUND = 404
MOST_LISTED = 100


class Account:
    """The installation's account, asked with the login that wrangler has."""

    def __init__(self, wrangler: Wrangler) -> None:
        self._wrangler = wrangler

    @cached_property
    def _login(self) -> dict[str, str]:
        """After "Create API token" of Cloudflare's documentation and wrangler's `auth token`."""
        token = os.environ.get("CLOUDFLARE_API_TOKEN")
        said = {"token": token} if token else self._wrangler.json("auth", "token", "--json")
        if "key" in said:
            return {"x-auth-key": said["key"], "x-auth-email": said["email"]}
        return bearer(said["token"])

    def result(self, path: str, content: object = None) -> Any:
        """What is at a path below the account, or what content that is posted there gives.

        None where nothing is. Raises DeployError.
        """
        request = question(self._wrangler.installation, self._login, path)
        if content is not None:
            request.data, request.method = json.dumps(content).encode(), "POST"
            request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
                return json.load(answer)["result"]
        except urllib.error.HTTPError as error:
            if error.code == NOT_FOUND:
                return None
            said = f"said {error.code}: {said_by(error)}"
            raise DeployError(f"Cloudflare's API, asked for {path}, {said}") from error
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise DeployError(f"Cloudflare's API can't be asked for {path}: {error}") from error

    def database_id(self) -> str | None:
        """The installation's database; None where it isn't made yet. Raises DeployError."""
        name = self._wrangler.installation.database
        # Cloudflare searches, and may find others, too.
        listed = self.result(f"d1/database?name={name}&per_page={MOST_LISTED}") or []
        return next((item["uuid"] for item in listed if item["name"] == name), None)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def question(
    installation: Installation, login: Mapping[str, str], path: str, method: str = "GET"
) -> urllib.request.Request:
    """One about the installation's account; `path` is below it."""
    api = os.environ.get("CLOUDFLARE_API_BASE_URL") or str(
        installation.dashboard.variables.get("CLOUDFLARE_API_URL", "")
    )
    url = f"{api.rstrip('/')}/accounts/{installation.account_id}/{path}"
    return urllib.request.Request(url, headers={**HEADERS, **login}, method=method)  # noqa: S310


def said_by(error: urllib.error.HTTPError) -> str:
    """The messages of an answer that is an error, or its reason."""
    try:
        errors = json.load(error)["errors"]
        return "; ".join(f"{item['message']} ({item['code']})" for item in errors)[:300] or error.reason
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return error.reason
