"""GitHub's REST API: how it is asked, and how its refusals are told apart.

After GitHub's pages "Getting started with the REST API", "Rate limits for the REST API" and "Best
practices for using the REST API".
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from clients.http import USER_AGENT, Answer, Fetch, Receive, UnreachableError

API_VERSION = "2022-11-28"
JSON = "application/vnd.github+json"


class GitHubError(Exception):
    """GitHub can't be asked now; the message says why, for people, and names no secret."""


class GitHubUnreachableError(GitHubError):
    """No answer, or one of a server that fails. What was asked for may have been done all the same."""


class GitHubRateLimitedError(GitHubError):
    """Too many questions; nothing was done."""


class GitHubRefusedError(GitHubError):
    """An answer that says no; nothing was done."""


@dataclass(frozen=True, slots=True)
class GitHubApi:
    """Asks with one authorization: a token, or an OAuth app's own (`app_authorization`)."""

    fetch: Fetch
    url: str
    authorization: str = field(repr=False)

    async def get(
        self, path: str, accept: str = JSON, receive: Receive | None = None, known: str | None = None
    ) -> Answer:
        """Ask for something; an answer of 404, 409 or 422 is returned, other failures are raised.

        With the ETag that is `known`, what has not changed is answered 304, which costs nothing of the rate
        limit ("Use conditional requests if appropriate").
        """
        return await self._ask("GET", path, accept, None, receive, known)

    async def post(self, path: str, content: dict[str, Any] | None = None) -> Answer:
        """Ask for a change; refusals as for `get`."""
        return await self._ask("POST", path, JSON, None if content is None else json.dumps(content))

    async def _ask(
        self,
        method: str,
        path: str,
        accept: str,
        body: str | None,
        receive: Receive | None = None,
        known: str | None = None,
    ) -> Answer:
        headers = {
            "accept": accept,
            "authorization": self.authorization,
            "user-agent": USER_AGENT,
            "x-github-api-version": API_VERSION,
        } | ({} if known is None else {"if-none-match": known})
        try:
            answer = await self.fetch(method, self.url + path, headers, body, receive)
        except UnreachableError as error:
            raise GitHubUnreachableError("GitHub could not be reached.") from error
        raise_for(answer)
        return answer


def raise_for(answer: Answer) -> None:
    """Raise for an answer that is about the asking, not about what was asked for."""
    if answer.is_success or answer.status in (304, 404, 409, 422):
        return
    if answer.status >= 500:
        raise GitHubUnreachableError(f"GitHub answered with an error ({answer.status}).")
    is_exhausted = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    if answer.status == 429 or (answer.status == 403 and is_exhausted):
        raise GitHubRateLimitedError("GitHub's rate limit has been reached. Try again later.")
    raise GitHubRefusedError(f"GitHub refused ({answer.status}): {message_of(answer)}")


def unreadable() -> GitHubUnreachableError:
    return GitHubUnreachableError("GitHub's answer could not be read.")


def list_in(answer: Answer, key: str) -> list[Any]:
    """The list of an answer that is an object. Raises GitHubUnreachableError where there is none."""
    content = answer.json()
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise unreadable()
    return found


def items(answer: Answer) -> list[dict[str, Any]]:
    """A list of objects; nothing where GitHub found nothing."""
    if not answer.is_success:
        return []
    content = answer.json()
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise unreadable()
    return content


def message_of(answer: Answer) -> str:
    """GitHub's own words, shortened."""
    content = answer.json()
    message = content.get("message") if isinstance(content, dict) else None
    return message[:200] if isinstance(message, str) else "no reason given"


def app_authorization(client_id: str, client_secret: str) -> str:
    """An OAuth app's own: sees public data only, at 5,000 questions an hour."""
    return "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()


def token_authorization(token: str) -> str:
    return f"Bearer {token}"
