"""Check a Worker upload as Cloudflare's API does, and turn it into what the namespace stores.

The multipart form is described in "Multipart upload metadata" of the Workers documentation; the error
codes in "Errors and exceptions", section "Errors on Worker upload".
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from local.cloudflare.answers import ApiError
from local.cloudflare.namespace_store import Script

MAX_UPLOAD_BYTES = 128 * 1024 * 1024
# "Worker size" (of the modules, uncompressed) and "Environment variables" in the Workers limits.
MAX_WORKER_BYTES = 64 * 1024 * 1024
MAX_VARIABLES = 128
MAX_VARIABLE_BYTES = 5 * 1024
OLDEST_DATE = "2021-11-02"  # of a Worker without a date
MODULE_TYPES = {
    "application/javascript",
    "application/javascript+module",
    "application/javascript+commonjs",
    "application/json",
    "application/octet-stream",
    "application/wasm",
    "text/plain",
    "text/x-python",
}
IGNORED_TYPES = {"application/source-map"}
TEXT_BINDINGS = {"plain_text", "secret_text"}


@dataclass(frozen=True)
class Part:
    """One file of the multipart form: `content_type` without parameters."""

    name: str
    content_type: str
    content: bytes


def script_from(metadata: str | bytes | None, parts: list[Part], now: str) -> Script:
    """Return the script to store, or raise ApiError. `now` is an RFC 3339 time."""
    settings = parse_metadata(metadata)
    modules = [part for part in parts if part.content_type not in IGNORED_TYPES]
    check_modules(modules)
    main_module = settings.get("main_module")
    if not isinstance(main_module, str) or main_module not in {module.name for module in modules}:
        raise ApiError(
            400, 10021, "Uncaught TypeError: Main module name is not present in bundle.\n  at line 0\n"
        )
    return {
        "etag": digest(settings, modules),
        "main_module": main_module,
        "compatibility_date": settings.get("compatibility_date") or OLDEST_DATE,
        "compatibility_flags": list_of(str, settings, "compatibility_flags"),
        "bindings": check_bindings(list_of(dict, settings, "bindings")),
        "tags": list_of(str, settings, "tags"),
        "limits": settings.get("limits") or {},
        "has_assets": bool(settings.get("assets")),
        "modified_on": now,
        "modules": [
            {
                "name": module.name,
                "type": module.content_type,
                "content": base64.b64encode(module.content).decode(),
            }
            for module in modules
        ],
    }


def parse_metadata(metadata: str | bytes | None) -> dict[str, Any]:
    if metadata is None:
        raise ApiError(400, 10021, "could not read content for part metadata")
    try:
        settings = json.loads(metadata)
    except ValueError as error:
        raise ApiError(400, 10026, f"Could not parse part metadata: {error}") from error
    if not isinstance(settings, dict):
        raise ApiError(400, 10026, "Could not parse part metadata: it is not an object")
    return settings


def list_of(kind: type, settings: dict[str, Any], name: str) -> list[Any]:
    values = settings.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
        raise ApiError(400, 10026, f"Could not parse part metadata: {name} has the wrong type")
    return values


def check_modules(modules: list[Part]) -> None:
    for module in modules:
        if module.content_type not in MODULE_TYPES:
            raise ApiError(
                400,
                10021,
                f"Unsupported Content-Type {module.content_type!r} of module {module.name!r}: "
                f"must be one of {', '.join(sorted(MODULE_TYPES))}",
            )
    if len({module.name for module in modules}) != len(modules):
        raise ApiError(400, 10021, "Two modules have the same name.")
    if sum(len(module.content) for module in modules) > MAX_WORKER_BYTES:
        raise ApiError(
            413,
            10027,
            "Your Worker exceeded the size limit of 64 MiB. Refer to the Workers documentation "
            "(https://developers.cloudflare.com/workers/observability/errors/#errors-on-worker-upload) "
            "for more details.",
        )


def check_bindings(bindings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    checked = [check_binding(binding) for binding in bindings]
    if len(checked) > MAX_VARIABLES:
        raise ApiError(400, 10055, f"A Worker can have at most {MAX_VARIABLES} environment variables.")
    for binding in checked:
        value = binding["text"] if "text" in binding else json.dumps(binding["json"], separators=(",", ":"))
        if len(value.encode()) > MAX_VARIABLE_BYTES:
            raise ApiError(400, 10054, f"The variable {binding['name']!r} has more than 5 KB.")
    return checked


def check_binding(binding: dict[str, Any]) -> dict[str, Any]:
    name, kind = binding.get("name"), binding.get("type")
    if not name:
        raise ApiError(400, 10052, "A binding was uploaded without a name.")
    if kind in TEXT_BINDINGS:
        return {"name": name, "type": kind, "text": binding.get("text", "")}
    if kind == "json":
        return {"name": name, "type": kind, "json": binding.get("json")}
    raise ApiError(400, 10056, f"Binding {name!r}: this account has no resource of type {kind!r}.")


def digest(settings: dict[str, Any], modules: list[Part]) -> str:
    """A version of the script that changes with anything that decides how it runs."""
    hashed = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for module in modules:
        hashed.update(f"\0{module.name}\0{module.content_type}\0".encode())
        hashed.update(hashlib.sha256(module.content).digest())
    return hashed.hexdigest()


async def read_form(request: Request) -> tuple[bytes | None, list[Part]]:
    """Return the form's `metadata` and its files."""
    content_type = request.headers.get("content-type", "")
    if not content_type.startswith("multipart/form-data"):
        raise ApiError(415, 10001, "Content-Type must be one of: multipart/form-data")
    metadata: bytes | None = None
    parts = []
    async with request.form(max_files=10_000, max_fields=100, max_part_size=MAX_UPLOAD_BYTES) as form:
        for name, value in form.multi_items():
            content = await value.read() if isinstance(value, UploadFile) else value.encode()
            if name == "metadata":
                metadata = content
            elif isinstance(value, UploadFile):
                kind = (value.content_type or "").partition(";")[0].strip()
                parts.append(Part(name, kind, content))
    return metadata, parts
