"""What Cloudflare's API answers, read strictly, after its reference: the envelope, and what is asked for."""

from __future__ import annotations

import re
from typing import Any

from codius.errors import UncheckableError
from codius.given import STATIC_FILES
from codius.jsontext import parse, read_json
from codius.web import Answer

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def reason(answer: Answer) -> str:
    match parse(answer.body):
        case {"errors": [{"message": str(message)}, *_]}:
            return f"{answer.status}: {message[:200]}"
    return str(answer.status)


def result_of(answer: Answer) -> Any:
    """Raises UncheckableError for an answer that is none of the API's."""
    match read_json(answer.body, "Cloudflare's answer"):
        case {"success": True, "result": result}:
            return result
    raise UncheckableError("Cloudflare's answer is not of the form of its API")


def active_versions(result: Any) -> dict[str, float]:
    """The percentage of each, of the first deployment that is listed: the active one."""
    match result:
        case {"deployments": []}:
            return {}
        case {"deployments": [{"versions": [_, *_] as versions}, *_]}:
            try:
                return {str(item["version_id"]): float(item["percentage"]) for item in versions}
            except (KeyError, TypeError, ValueError, OverflowError):
                pass
    raise UncheckableError("Cloudflare's list of deployments can't be read")


def latest_version(result: Any) -> str | None:
    """The newest by its number, the first of those without one. Raises UncheckableError."""
    newest = max(items_of(result, "items", "versions"), key=number_of, default=None)
    return None if newest is None else str(newest.get("id"))


def number_of(version: Any) -> int:
    number = version.get("number")
    return number if isinstance(number, int) else 0


def items_of(content: Any, key: str, of: str) -> list[dict[str, Any]]:
    """A list of objects in an answer, empty where it isn't there. Raises UncheckableError."""
    items = content.get(key) or [] if isinstance(content, dict) else content
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UncheckableError(f"Cloudflare's {of} can't be read")
    return items


def mapping_of(content: Any, of: str) -> dict[str, Any]:
    """Raises UncheckableError."""
    if not isinstance(content, dict):
        raise UncheckableError(f"Cloudflare's {of} can't be read")
    return content


def assets_of(details: Any) -> list[str]:
    """What answers before a script. Raises UncheckableError."""
    has_assets = mapping_of(details, "description of the script").get("has_assets")
    return [STATIC_FILES] if has_assets else []


def worker_name(item: Any) -> str:
    """Raises UncheckableError."""
    match item:
        case {"id": str(name)} if NAME.fullmatch(name):
            return name
    raise UncheckableError("Cloudflare's list of Workers can't be read")


def tags_of(result: Any) -> list[str]:
    if not isinstance(result, list | None):
        raise UncheckableError("Cloudflare's list of tags can't be read")
    return [str(tag) for tag in result or []]


def messages_of(result: Any) -> list[str]:
    """What the versions of a script are annotated with, in the order of their list: the newest first."""
    found = [item.get("annotations") for item in items_of(result, "items", "versions")]
    return [str(item.get("workers/message")) for item in found if isinstance(item, dict)]
