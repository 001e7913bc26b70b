"""What a Worker was given by settings that are in no app's manifest: who is told of requests, what answers.

After Cloudflare's API reference ("Workers: Scripts", settings), and of its documentation "Tail Workers",
"Workers Logs", "Workers Logpush", "Workers Cache" and "Static Assets". Where a Worker runs (`placement`), how
it is billed (`usage_model`) and when a request is ended (`limits`) changes neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONSUMERS = {"tail_consumers": "the tail Worker", "streaming_tail_consumers": "the streaming tail Worker"}
OBSERVERS = ("logs", "traces", "issues")
# The destination of what is kept at Cloudflare itself, as `enabled` says already.
CLOUDFLARE = "cloudflare"
STATIC_FILES = "static files"


def given(settings: Mapping[str, Any]) -> list[str]:
    """In words, in order. Raises AttributeError or TypeError for settings that aren't Cloudflare's."""
    found = [
        f"{words} {place_of(item)}" for key, words in CONSUMERS.items() for item in settings.get(key) or []
    ]
    found += ["Logpush"] if settings.get("logpush") else []
    found += observers(settings.get("observability") or {})
    return found + (["a cache"] if (settings.get("cache_options") or {}).get("enabled") else [])


def place_of(consumer: Mapping[str, Any]) -> str:
    """A Worker of the account, or of a namespace or an environment of it; `production` is where all are."""
    if not isinstance(consumer.get("service"), str):
        raise TypeError("a tail Worker without a name")
    names = (consumer.get("namespace"), consumer.get("environment"), consumer["service"])
    return "/".join(str(name) for name in names if name not in (None, "", "production"))


def observers(observability: Mapping[str, Any]) -> list[str]:
    """What the operator may read at Cloudflare, and where it is sent to: what is left out is off."""
    parts = {name: observability.get(name) or {} for name in OBSERVERS}
    is_on = {name: bool(part.get("enabled")) for name, part in parts.items()}
    # Logs are on and off with the whole where they say nothing themselves.
    if parts["logs"].get("enabled") is None:
        is_on["logs"] = bool(observability.get("enabled"))
    found = [name for name, on in is_on.items() if on]
    # These are on where nothing is said of them, as wrangler reads it, too.
    if is_on["logs"] and parts["logs"].get("invocation_logs") is not False:
        found.append("logs of each request")
    if any(is_on.values()) and observability.get("redact_query_string") is not True:
        found.append("logs with query strings")
    places = [place for part in parts.values() for place in part.get("destinations") or []]
    told = [f"the destination {place}" for place in places if place != CLOUDFLARE]
    return found + told


def completed(told: Any, signed: Any) -> Any:
    """What is told, and what is left out of it as it was signed."""
    if not isinstance(told, Mapping) or not isinstance(signed, Mapping):
        return signed if told is None else told
    return {key: completed(told.get(key), signed.get(key)) for key in told.keys() | signed.keys()}


def not_signed(signed: Mapping[str, Any], present: list[str], has_assets: bool) -> list[str]:
    """What is present and isn't among the settings that were signed."""
    known = given(signed) + ([STATIC_FILES] if has_assets else [])
    return [item for item in present if item not in known]
