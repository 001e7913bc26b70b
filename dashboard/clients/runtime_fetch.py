"""The clients' `Fetch` over the Workers runtime's own (runs in the Workers runtime only)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from js import AbortSignal, Object, Uint8Array
from js import fetch as js_fetch
from pyodide.ffi import JsException, to_js

from clients.http import MAX_ANSWER_BYTES, TIMEOUT_SECONDS, Answer, Receive, UnreachableError
from clients.redirects import Hop, final

PIECE_BYTES = 256 * 1024


async def fetch(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: str | None = None,
    receive: Receive | None = None,
    seconds: float = TIMEOUT_SECONDS,
    only_status: bool = False,
) -> Answer:
    hop = Hop(method, url, headers, body)
    signal = AbortSignal.timeout(int(seconds * 1000))
    try:
        if only_status:
            answer, response = await ask(hop, signal)
            await leave(response)
            return answer
        answer, response = await final(hop, partial(ask, signal=signal), leave)
        if receive is not None:
            await pass_on(response.body, receive(answer))
            return answer
        limited = Limited(f"{method} {url.partition('?')[0]}")
        await pass_on(response.body, limited.take)
        return replace(answer, body=bytes(limited.content))
    except JsException as error:
        # The message names the failure, never the headers that were sent.
        raise UnreachableError(f"{method} {url.partition('?')[0]}: {error}") from None


async def ask(hop: Hop, signal: Any) -> tuple[Answer, Any]:
    """The answer without its body, and the runtime's, which has it."""
    options = {"method": hop.method, "headers": dict(hop.headers), "redirect": "manual"}
    options |= {} if hop.body is None else {"body": hop.body}
    init = to_js(options, dict_converter=Object.fromEntries)
    init.signal = signal
    response = await js_fetch(hop.url, init)
    return Answer(response.status, {name.lower(): value for name, value in response.headers}, b""), response


class Limited:
    """Takes an answer's pieces, up to MAX_ANSWER_BYTES."""

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self.content = bytearray()

    def take(self, piece: bytes) -> None:
        self.content += piece
        if len(self.content) > MAX_ANSWER_BYTES:
            raise UnreachableError(f"{self._asked}: the answer is larger than {MAX_ANSWER_BYTES:,} bytes")


async def leave(response: Any) -> None:
    """Read none of an answer, and let it send no more."""
    if response.body:
        with contextlib.suppress(JsException):
            await response.body.cancel()


async def pass_on(stream: Any, take: Callable[[bytes], None]) -> None:
    """In large pieces, as each costs a turn of Python's; between two of them, other requests have theirs."""
    if stream is None:
        return
    reader = stream.getReader(to_js({"mode": "byob"}, dict_converter=Object.fromEntries))
    is_done = False
    while not is_done:
        piece = await reader.readAtLeast(PIECE_BYTES, Uint8Array.new(PIECE_BYTES))
        is_done = piece.done
        if piece.value is not None and piece.value.byteLength:
            take(piece.value.to_bytes())
