"""Logging in with GitHub: the web application flow with state and PKCE.

After GitHub's "Authorizing OAuth apps", RFC 6749 and RFC 7636.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from clients.github_api import (
    GitHubApi,
    GitHubRefusedError,
    GitHubUnreachableError,
    raise_for,
    token_authorization,
)
from clients.http import USER_AGENT, Fetch, UnreachableError
from model.app import User


@dataclass(frozen=True, slots=True)
class Profile:
    """Who logged in; the account was made at a time (milliseconds since 1970), where GitHub says so."""

    user: User
    created_at: int | None


@dataclass(frozen=True, slots=True)
class GitHubLogin:
    """The operator's OAuth app; `url` is GitHub's web address, `callback_url` where it sends people back."""

    fetch: Fetch
    url: str
    api_url: str
    client_id: str
    client_secret: str = field(repr=False)
    callback_url: str

    def authorize_url(self, state: str, verifier: str) -> str:
        """Where the browser goes. No scope is asked for: that reads the public profile only."""
        query = {
            "client_id": self.client_id,
            "redirect_uri": self.callback_url,
            "state": state,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return f"{self.url}/login/oauth/authorize?{urlencode(query)}"

    async def user_of(self, code: str, verifier: str) -> Profile:
        """The user behind a code; the token for it is used once and forgotten.

        Raises GitHubRefusedError for a code that is wrong, old or used, GitHubError otherwise.
        """
        token = await self._exchange(code, verifier)
        content = (await GitHubApi(self.fetch, self.api_url, token_authorization(token)).get("/user")).json()
        match content:
            case {"id": int(id_), "login": str(login), "name": str() | None as name}:
                return Profile(User(id_, login, name), time_in(content.get("created_at")))
        raise GitHubUnreachableError("GitHub did not say who logged in.")

    async def _exchange(self, code: str, verifier: str) -> str:
        form = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code": code,
            "redirect_uri": self.callback_url,
            "code_verifier": verifier,
        }
        headers = {
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
            "user-agent": USER_AGENT,
        }
        try:
            answer = await self.fetch(
                "POST", f"{self.url}/login/oauth/access_token", headers, urlencode(form)
            )
        except UnreachableError as error:
            raise GitHubUnreachableError("GitHub could not be reached.") from error
        raise_for(answer)
        match answer.json():
            case {"access_token": str(token)}:
                return token
            case {"error": str(reason)}:
                raise GitHubRefusedError(f"GitHub did not accept the login ({reason[:60]}).")
        raise GitHubUnreachableError("GitHub's answer to the login could not be read.")


def time_in(value: object) -> int | None:
    """A time as GitHub writes it (ISO 8601), in milliseconds since 1970."""
    try:
        return int(datetime.fromisoformat(str(value)).timestamp() * 1000)
    except ValueError:
        return None


def challenge_of(verifier: str) -> str:
    """RFC 7636, section 4.2, method S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
