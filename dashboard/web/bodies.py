"""What a request carries, up to a limit."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_BYTES = 1_000_000  # a webhook of the events that are listened for has some 30 KB
MAX_FORM_BYTES = 20_000
MAX_URL = 8_000
MAX_HEADERS = 16_000  # names and values of all of them, as JSON; a browser sends some 2,000


def refusal_of_head(url_length: int, headers_length: int) -> int | None:
    """The status that a request is refused with for its address or headers, before Python reads any."""
    if url_length > MAX_URL:
        return 414
    return 431 if headers_length > MAX_HEADERS else None


def refusal_of_body(method: str, length: str | None) -> int | None:
    """The status that a request is refused with for its body's length, before any of it is read."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return None
    if length is None or not (length.isascii() and length.isdecimal()):
        return 411
    return 413 if len(length) > 15 or int(length) > MAX_BYTES else None


async def limited_body(request: Request, most: int = MAX_BYTES) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"The body is larger than {most:,} bytes.")
    return body


async def form_field(request: Request, name: str) -> str:
    """One field of a form (application/x-www-form-urlencoded), '' when it isn't there."""
    return (await form_fields(request, name))[name]


def from_query(request: Request, *names: str) -> dict[str, str]:
    """The same fields where an address brings them, as after a login."""
    return {name: request.query_params.get(name, "") for name in names}


async def form_fields(request: Request, *names: str) -> dict[str, str]:
    """Fields of a form, '' for those that aren't there."""
    body = (await limited_body(request, MAX_FORM_BYTES)).decode(errors="replace")
    try:
        fields = parse_qs(body, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise HTTPException(400, "The form can't be read.") from None
    return {name: fields.get(name, [""])[0] for name in names}
