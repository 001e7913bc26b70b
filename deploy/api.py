"""Cloudflare's API (v4), asked about the installation's account.

What is there is asked here: the answers are exact and quick. What is made is left to wrangler.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from deploy.configs import Installation
from deploy.errors import DeployError
from deploy.health import HEADERS
from deploy.wrangler import Wrangler
from pipeline.api import FAILURES, call

SECONDS = 30
NOT_FOUND = 404
# Of a 404 for a path that leads nowhere, as with an account's id that is none.
NO_ROUTE = {7000, 7003}


class Account:
    """The installation's account, asked with the login that wrangler has."""

    def __init__(self, wrangler: Wrangler) -> None:
        self._wrangler = wrangler

    @cached_property
    def _login(self) -> dict[str, str]:
        """After "Create API token" of Cloudflare's documentation and wrangler's `auth token`."""
        # Wrangler takes a key before a token.
        token = None if os.environ.get("CLOUDFLARE_API_KEY") else os.environ.get("CLOUDFLARE_API_TOKEN")
        said = {"token": token} if token else self._wrangler.json("auth", "token", "--json")
        if "key" in said:
            return {"x-auth-key": in_header(said["key"]), "x-auth-email": in_header(said["email"])}
        return bearer(said["token"])

    def result(self, path: str, content: object = None, only_reads: bool = False) -> Any:
        """What is at a path below the account, or what content that is posted there gives.

        None where nothing is. What isn't posted, or `only_reads`, is asked again where Cloudflare fails.
        Raises DeployError.
        """
        request = question(self._wrangler.installation, self._login, path)
        may_repeat = only_reads or content is None
        if content is not None:
            request.data, request.method = json.dumps(content).encode(), "POST"
            request.add_header("content-type", "application/json")
        try:
            return json.loads(call(request, SECONDS, may_repeat).body)["result"]
        except urllib.error.HTTPError as error:
            errors = errors_of(error)
            if error.code == NOT_FOUND and errors and not NO_ROUTE & errors.keys():
                return None
            words = "; ".join(f"{message} ({code})" for code, message in errors.items())[:300]
            said = f"said {error.code}: {words or error.reason}"
            raise DeployError(f"Cloudflare's API, asked for {path}, {said}") from error
        except (*FAILURES, ValueError, LookupError, TypeError) as error:
            raise DeployError(f"Cloudflare's API can't be asked for {path}: {error}") from error

    def required(self, path: str, content: object = None, only_reads: bool = False) -> Any:
        """As `result`, of what is there for sure. Raises DeployError."""
        found = self.result(path, content, only_reads)
        if found is None:
            raise DeployError(f"Cloudflare's API has nothing at {path}. Run it again.")
        return found

    def database_id(self) -> str | None:
        """The installation's database, looked for as wrangler does: by its id where the config has it.

        None where it isn't made yet. Raises DeployError.
        """
        described = self._wrangler.installation.dashboard.config["d1_databases"][0]
        wanted = described.get("database_id") or described["database_name"]
        found = self.result(f"d1/database/{quote(wanted, safe='')}?fields=uuid,name")
        return str(found["uuid"]) if found else None


def bearer(token: str) -> dict[str, str]:
    """Raises DeployError."""
    return {"authorization": f"Bearer {in_header(token)}"}


def in_header(secret: str) -> str:
    """Without spaces around it, as wrangler sends it.

    Raises DeployError that doesn't tell it; http.client quotes a header that it refuses.
    """
    if not secret.strip().isprintable() or not secret.isascii():
        raise DeployError("The token or key for Cloudflare has a character that none has: set it once more.")
    return secret.strip()


def question(
    installation: Installation, login: Mapping[str, str], path: str, method: str = "GET"
) -> urllib.request.Request:
    """One about the installation's account; `path` is below it."""
    api = os.environ.get("CLOUDFLARE_API_BASE_URL") or str(
        installation.dashboard.variables.get("CLOUDFLARE_API_URL", "")
    )
    url = f"{api.rstrip('/')}/accounts/{installation.account_id}/{path}"
    return urllib.request.Request(url, headers={**HEADERS, **login}, method=method)  # noqa: S310


def errors_of(answer: urllib.error.HTTPError) -> dict[int, str]:
    """The messages of an answer that is an error, by their codes; none where it isn't the API's."""
    try:
        return {item["code"]: item["message"] for item in json.load(answer)["errors"]}
    except (*FAILURES, ValueError, LookupError, TypeError):
        return {}
