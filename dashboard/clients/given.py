"""What an app was given by settings that no manifest has: who is told of its requests, what answers first.

After Cloudflare's API reference ("Workers: Scripts", settings), and of its documentation "Tail Workers",
"Workers Logs", "Workers Logpush", "Workers Cache" and "Static Assets". `codius verify` reads them alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONSUMERS = {"tail_consumers": "the tail Worker", "streaming_tail_consumers": "the streaming tail Worker"}
OBSERVERS = ("logs", "traces", "issues")
# The destination of what is kept at Cloudflare itself, as `enabled` says already.
CLOUDFLARE = "cloudflare"


def given(settings: Mapping[Any, Any], has_assets: bool) -> list[str]:
    """In words, in order. Raises AttributeError or TypeError for settings that aren't Cloudflare's."""
    found = [
        f"{words} {place_of(item)}" for key, words in CONSUMERS.items() for item in settings.get(key) or []
    ]
    found += ["Logpush"] if settings.get("logpush") else []
    found += observers(settings.get("observability") or {})
    found += ["a cache"] if (settings.get("cache_options") or {}).get("enabled") else []
    return found + (["static files"] if has_assets else [])


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
    places = [place for part in parts.values() for place in part.get("destinations") or []]
    told = [f"the destination {place}" for place in places if place != CLOUDFLARE]
    return [name for name, on in is_on.items() if on] + told
