"""A request and its answer, as the Workers runtime has them (runs in the Workers runtime only)."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import js
from pyodide.ffi import to_js

from answers import Answer, Asker

REQUEST_ID_HEADER = "x-request-id"
RAY_HEADER = "cf-ray"
ADDRESS_HEADER = "cf-connecting-ip"
WORKERS_ZONE_HEADER = "cf-worker"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# "Version overrides" and "Version affinity" of Workers' docs: visitors would choose an app's version.
VERSION_HEADERS = ("cloudflare-workers-version-overrides", "cloudflare-workers-version-key")
MAX_LOGGED = 500


def object_of(value: dict[str, Any]) -> Any:
    return to_js(value, dict_converter=js.Object.fromEntries)


def asker_of(request: Any) -> Asker:
    return Asker(
        request.method,
        header_of(request, "accept"),
        request_id_of(request),
        target_of(request.url),
        header_of(request, "sec-fetch-mode"),
        header_of(request, "sec-fetch-dest"),
    )


def request_id_of(request: Any) -> str:
    """The id that the request came with, the caller's or Cloudflare's; or else a new one."""
    for name in (REQUEST_ID_HEADER, RAY_HEADER):
        given = header_of(request, name)
        if given is not None and REQUEST_ID.fullmatch(given):
            return given
    return uuid.uuid4().hex


def header_of(message: Any, name: str) -> str | None:
    value = message.headers.get(name)
    return value if isinstance(value, str) else None


def respond(answer: Answer) -> Any:
    init = object_of({"status": answer.status, "headers": answer.headers})
    return js.Response.new(answer.body or None, init)


def path_of(url: str) -> str:
    return target_of(url).partition("?")[0]


def target_of(url: str) -> str:
    """The path and query of an absolute URL."""
    return "/" + url.split("/", 3)[3]


def log(event: str, app_id: str, request_id: str | None, message: str, level: str = "error") -> None:
    """One line of JSON for each request that was refused or failed, in the shape of all three Workers."""
    line = {"level": level, "worker": "dispatch", "event": event, "app": app_id, "request_id": request_id}
    write = js.console.error if level == "error" else js.console.log
    write(json.dumps(line | {"message": message[:MAX_LOGGED]}))
