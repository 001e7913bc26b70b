"""A script's settings beside its code and bindings, as the API tells them: "Workers: Scripts" (settings).

Those of a script, not of its versions: an upload or a PATCH that says nothing of one leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from local.cloudflare.answers import ApiError

SCRIPT_NOT_FOUND = 10007
CONSUMERS = ("tail_consumers", "streaming_tail_consumers")
KEYS = ("logpush", "observability", "cache_options", *CONSUMERS)

Settings = dict[str, Any]


def changed(before: Settings, given: Mapping[str, Any], workers: Container[str]) -> Settings:
    """The settings after a request. Raises ApiError; a consumer must be one of the account's Workers."""
    found = {key: given[key] for key in KEYS if given.get(key) is not None}
    for key, kind in (("logpush", bool), ("observability", dict), ("cache_options", dict)):
        if not isinstance(found.get(key, kind()), kind):
            raise ApiError(400, 10026, f"Could not parse part metadata: {key} has the wrong type")
    if not isinstance(found.get("observability", {}).get("enabled", False), bool):
        raise ApiError(400, 10026, "Could not parse part metadata: observability.enabled has the wrong type")
    for key in CONSUMERS:
        for consumer in found.get(key, []):
            if not isinstance(consumer, dict) or consumer.get("service") not in workers:
                raise ApiError(404, SCRIPT_NOT_FOUND, "workers.api.error.script_not_found")
    return {**before, **found}


def told(settings: Settings) -> Settings:
    """As the API tells them, with its defaults."""
    return {
        "logpush": False,
        "placement": {},
        "usage_model": "standard",
        **settings,
        "observability": observability(settings.get("observability")),
        **{key: settings.get(key) or None for key in CONSUMERS},
    }


def observability(given: Settings | None) -> Settings | None:
    if given is None:
        return None
    is_on = given.get("enabled", False)
    common = {"head_sampling_rate": 1, "persist": True, "destinations": []}
    logs = {"enabled": is_on, "invocation_logs": True, **common, **given.get("logs", {})}
    traces = {"enabled": False, **common, **given.get("traces", {})}
    first = {"enabled": is_on, "head_sampling_rate": 1, "redact_query_string": False}
    return {**first, **given, "logs": logs, "traces": traces}
