"""Calls of an API that carry a token: it goes nowhere else, and what may be asked twice is, a few times.

Where a call is redirected urllib sends all of its headers along, to whoever that is. After "Rate limits" of
Cloudflare's API documentation: 429 has `Retry-After`, and nothing was done.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from io import BytesIO
from typing import IO
from urllib.parse import urlsplit

RETRY_SECONDS = (1, 5)
# However long a server would have us wait.
MOST_SECONDS = 30
TOO_MANY = 429
# What a call may fail with.
FAILURES = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """An API's redirect is an error that says where to."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> None:
        fp.close()
        words = f"it leads to {urlsplit(newurl).netloc!r}, where the token is not sent"
        raise urllib.error.HTTPError(req.full_url, code, words, headers, BytesIO())


OPENER = urllib.request.build_opener(NoRedirects)


def call(request: urllib.request.Request, seconds: float, may_repeat: bool = True) -> Answer:
    """The answer, in as many seconds for each read. Raises what is in `FAILURES`.

    What fails for now is asked again where it may be repeated; too many questions at once always.
    """
    for pause in (*RETRY_SECONDS, None):
        try:
            with OPENER.open(request, timeout=seconds) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status, headers, answer.read())
        except FAILURES as error:
            if pause is None or not may_pass(error, may_repeat):
                raise
            wait = wait_of(error, pause)
            if isinstance(error, urllib.error.HTTPError):
                error.close()
        time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def status_of(error: Exception) -> int | None:
    return error.code if isinstance(error, urllib.error.HTTPError) else None


def may_pass(error: Exception, may_repeat: bool = True) -> bool:
    """Whether asking again may help, and does nothing twice."""
    status = status_of(error)
    return status == TOO_MANY or (may_repeat and (status is None or status >= 500))


def wait_of(error: Exception, pause: float) -> float:
    """The seconds that the server asks for, within bounds."""
    asked = error.headers.get("retry-after", "") if isinstance(error, urllib.error.HTTPError) else ""
    return max(pause, min(int(asked), MOST_SECONDS)) if asked.isdecimal() else pause
