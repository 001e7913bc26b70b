"""What an operator may give a script beside its code, as Cloudflare's API takes it, and how that is told."""

from __future__ import annotations

from typing import Any

# Of the account's own Workers.
LISTENER = "listener"

GIVEN: list[tuple[dict[str, Any], str]] = [
    ({"tail_consumers": [{"service": LISTENER}]}, "the tail Worker listener"),
    ({"streaming_tail_consumers": [{"service": LISTENER}]}, "the streaming tail Worker listener"),
    (
        {"tail_consumers": [{"service": LISTENER, "namespace": "testing", "environment": "production"}]},
        "the tail Worker testing/listener",
    ),
    ({"logpush": True}, "Logpush"),
    ({"observability": {"enabled": True}}, "logs"),
    ({"observability": {"enabled": False, "logs": {"enabled": True, "invocation_logs": False}}}, "logs"),
    ({"observability": {"enabled": False, "traces": {"enabled": True}}}, "traces"),
    ({"observability": {"enabled": False, "issues": {"enabled": True}}}, "issues"),
    (
        {"observability": {"enabled": False, "logs": {"enabled": False, "destinations": ["elsewhere"]}}},
        "the destination elsewhere",
    ),
    ({"cache_options": {"enabled": True}}, "a cache"),
    # As told without what is the default.
    ({"observability": {"enabled": True, "logs": {"invocation_logs": False}}}, "logs"),
    ({"observability": {"logs": {"enabled": True}}}, "logs"),
    ({"observability": {"traces": {"enabled": True}}}, "traces"),
]
# The same, each with what Cloudflare leaves out, which is off: wrangler compares a Worker so with its config.
SILENT: list[dict[str, Any]] = [
    {},
    {"observability": None, "cache_options": None, "tail_consumers": None, "logpush": None},
    {"observability": {"head_sampling_rate": 1}},
    {"observability": {"logs": {"invocation_logs": True, "persist": True}, "traces": {}}},
    {"observability": {"enabled": None, "logs": {"enabled": None}, "issues": None}},
    {"observability": {"enabled": True, "logs": {"enabled": False}}},
    {"observability": {"enabled": False, "logs": {"enabled": False, "destinations": ["cloudflare"]}}},
    {"cache_options": {"cross_version_cache": True}},
]
# What changes neither who is told nor what answers.
HARMLESS: dict[str, Any] = {
    "tail_consumers": [],
    "logpush": False,
    "observability": {"enabled": False, "head_sampling_rate": 0.5, "logs": {"enabled": False}},
    "cache_options": {"enabled": False},
}
