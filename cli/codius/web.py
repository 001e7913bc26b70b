"""Read from the web, with limits: of time, of size, and of where to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3

from codius.addresses import led_to, origin_of, require_askable, web_address
from codius.errors import UncheckableError
from codius.forms import digests_of
from codius.jsontext import parse, read_json
from codius.ways import ways_to

# JSON is many times larger when it is read. Two manifests of the largest size have less.
MAX_BYTES = 8 * 1024 * 1024
# What is to be saved is kept in memory.
MAX_KEPT_BYTES = 48 * 1024 * 1024
# Each read has a timeout of its own, of headers and body: all of them together have this, with redirects.
ANSWER_SECONDS = 60
READ_BYTES = 1 << 16
MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
HEADERS = {"accept": "application/json", "user-agent": "codius"}
# What is read of an answer's headers.
KEPT = (
    *("link", "location", "retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "content-type"),
    "cf-entrypoint",
)
GITHUB_API = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` are those that are read, by their names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of an answer: at most so many bytes, and of a form the digests of its parts. `headers` are sent."""

    most: int
    headers: Mapping[str, str]
    is_form: bool = False


@dataclass(slots=True)
class Web:
    """Asks for a visitor who named `home`.

    `answers` are all that came, by address, in their order, where they are kept.
    """

    home: str
    keeps_answers: bool = False
    answers: list[tuple[str, Answer]] = field(default_factory=list)

    def json(self, url: str, redirects: int = MAX_REDIRECTS, most: int = MAX_BYTES) -> tuple[int, Any]:
        """Return the answer's status, and its body as JSON; None where an error's body isn't.

        Raises UncheckableError.
        """
        answer = self.get(url, redirects, most)
        if answer.status != 200:
            return answer.status, parse(answer.body)
        return 200, read_json(answer.body, f"the answer of {urlsplit(url).netloc}")

    def get(
        self,
        url: str,
        redirects: int = MAX_REDIRECTS,
        most: int = MAX_BYTES,
        headers: Mapping[str, str] | None = None,
        is_form: bool = False,
    ) -> Answer:
        """Return the answer, with at most so many bytes. `headers` are for this address's host alone.

        Of a form with modules the body is the list of their digests. Raises UncheckableError.
        """
        answer = self.ask(url, redirects, Wanted(most, headers or {}, is_form))
        if self.keeps_answers:
            self._keep(url, answer)
        require_unlimited(url, answer)
        return answer

    def _keep(self, url: str, answer: Answer) -> None:
        self.answers.append((url, answer))
        if sum(len(kept.body) for _, kept in self.answers) > MAX_KEPT_BYTES:
            self.answers.pop()
            raise UncheckableError(f"all answers have more than {MAX_KEPT_BYTES:,} bytes: too much to save")

    def ask(self, url: str, redirects: int, wanted: Wanted) -> Answer:
        parts, home = web_address(url), urlsplit(self.home)
        if parts is None:
            raise UncheckableError(f"{url} is not an address of the web")
        done: Future[Answer] = Future()

        def follow() -> None:
            try:
                done.set_result(followed(parts, home, redirects, wanted))
            except BaseException as error:
                done.set_exception(error)

        # A server that sends a byte now and then would never let this end: who waits for it gives up, and so
        # does this thread when the program ends.
        Thread(target=follow, daemon=True).start()
        try:
            return done.result(ANSWER_SECONDS)
        except TimeoutError as error:
            raise UncheckableError(
                f"{parts.netloc} takes more than {ANSWER_SECONDS} seconds to answer"
            ) from error


def followed(parts: SplitResult, home: SplitResult, redirects: int, wanted: Wanted) -> Answer:
    """The answer at the end of few redirects."""
    first = origin_of(parts)
    for _ in range(redirects + 1):
        own = wanted.headers if origin_of(parts) == first else {}
        headers = {**HEADERS, **credentials_for(parts), **own}
        answer = request(parts, home, replace(wanted, headers=headers))
        target = answer.headers.get("location")
        if answer.status not in REDIRECTS or target is None:
            return answer
        following = led_to(parts, target)
        if following is None:
            raise UncheckableError(f"{parts.netloc} leads to what is not an address of the web")
        parts = following
    raise UncheckableError(f"{parts.netloc} can't be reached: too many redirects")


def request(parts: SplitResult, home: SplitResult, wanted: Wanted) -> Answer:
    require_askable(parts, home)
    failure: Exception | None = None
    for pool, url in ways_to(parts, home):
        try:
            with pool:
                answer = pool.request(
                    "GET",
                    url,
                    headers={**wanted.headers, "host": parts.netloc},
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                with closing(answer):
                    body = read(answer, parts, wanted)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            failure = error  # of a host's addresses one may be out of reach
            continue
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise UncheckableError(f"{parts.netloc} can't be reached: {reason_of(error)}") from error
        return Answer(answer.status, body, {k: answer.headers[k] for k in KEPT if k in answer.headers})
    assert failure is not None
    raise UncheckableError(f"{parts.netloc} can't be reached: {reason_of(failure)}") from failure


def credentials_for(parts: SplitResult) -> dict[str, str]:
    """GITHUB_TOKEN, for GitHub's API alone: a document may name any address."""
    token = os.environ.get("GITHUB_TOKEN", "").strip()
    return {"authorization": f"Bearer {token}"} if token and is_github(parts) else {}


def github_api() -> str:
    """The address of GitHub's API: its own, or another in GITHUB_API_URL, as in GitHub's jobs."""
    given = os.environ.get("GITHUB_API_URL", "").rstrip("/")
    return GITHUB_API if web_address(given) is None else given


def is_github(parts: SplitResult) -> bool:
    return origin_of(parts) == origin_of(urlsplit(github_api()))


def read(answer: urllib3.BaseHTTPResponse, parts: SplitResult, wanted: Wanted) -> bytes:
    """The body, or of a form's the digests. Raises UncheckableError for more than is wanted."""

    def pieces() -> Iterator[bytes]:
        length = 0
        while piece := answer.read1(READ_BYTES, decode_content=True):
            length += len(piece)
            if length > wanted.most:
                raise UncheckableError(f"{parts.netloc} answers with more than {wanted.most:,} bytes")
            yield piece

    if not wanted.is_form or answer.status != 200:
        return b"".join(pieces())
    headers = answer.headers
    return digests_of(headers.get("content-type", ""), headers.get("cf-entrypoint", ""), pieces())


def require_unlimited(url: str, answer: Answer) -> None:
    """Raise UncheckableError where a server answers no more for now, saying until when."""
    if answer.status not in (403, 429):
        return
    until = ""
    if answer.headers.get("x-ratelimit-remaining") == "0":
        until = time_of(answer.headers.get("x-ratelimit-reset", ""))
    elif (wait := answer.headers.get("retry-after", "")).isdecimal():
        until = f"in {wait[:9]} seconds"
    if until:
        has_hint = is_github(urlsplit(url)) and not os.environ.get("GITHUB_TOKEN")
        hint = " (GITHUB_TOKEN has a limit of its own)" if has_hint else ""
        raise UncheckableError(
            f"{urlsplit(url).netloc} answers no more questions for now: again {until}{hint}"
        )


def time_of(epoch: str) -> str:
    """Seconds since 1970 as a time, "later" for what is none."""
    try:
        return f"at {datetime.fromtimestamp(int(epoch), UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return "later"


def reason_of(error: Exception) -> str:
    """The innermost reason, in its own words."""
    while inner := next((item for item in reversed(error.args) if isinstance(item, Exception)), None):
        error = inner
    # Of some, the other arguments are what it happened to.
    said = error.args[-1] if error.args and isinstance(error.args[-1], str) else error
    reason = getattr(error, "reason", None) or said
    return str(reason).rpartition(": ")[2] or type(error).__name__
