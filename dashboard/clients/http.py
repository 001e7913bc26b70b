"""Asking other people's servers: what the clients need of HTTP, the same in a Worker and in a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from model.json_text import read_json

TIMEOUT_SECONDS = 10
# The runtime's `fetch` has none of its own. GitHub's API wants one ("Getting started with the REST API"), and
# Cloudflare's Browser Integrity Check refuses requests without.
USER_AGENT = "codius-workers"
MAX_ANSWER_BYTES = 10_000_000  # GitHub lists a repository's files in up to 7 MB ("Git trees")


class UnreachableError(Exception):
    """No answer came: no name, no connection, or no time left. Whether the request arrived is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON, None when it isn't."""
        try:
            return read_json(self.body)
        except ValueError:
            return None


# Given an answer without its body, returns what takes the body's pieces.
Receive = Callable[[Answer], Callable[[bytes], None]]


class Fetch(Protocol):
    async def __call__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: str | None = None,
        receive: Receive | None = None,
        seconds: float = TIMEOUT_SECONDS,
        only_status: bool = False,
    ) -> Answer:
        """Ask, following redirects (`clients.redirects`), in as many seconds at most.

        Raises UnreachableError without an answer, or for one of more than MAX_ANSWER_BYTES.

        With `receive` the body goes there piece by piece, and the answer has none. With `only_status` no
        redirect is followed, and none of the body is read: for servers that anybody may name.
        """
