"""What an app's wrangler config asks for and a hosted app doesn't get, each by its name and its kind.

An app is hosted with its code, its static files and its plain variables. Everything else that a config can
ask for would be the operator's resource (a database, a route, a secret). Bindings are those that wrangler
itself reads; the keys are of "Configuration" in wrangler's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The words of wrangler's own list for the types of bindings.
KINDS = {
    "agent_memory": "Agent Memory",
    "ai": "AI",
    "ai_search": "AI Search Instance",
    "ai_search_namespace": "AI Search Namespace",
    "analytics": "Analytics SQL",
    "analytics_engine": "Analytics Engine Dataset",
    "artifacts": "Artifacts",
    "browser": "Browser Run",
    "d1": "D1 Database",
    "dispatch_namespace": "Dispatch Namespace",
    "durable_object_namespace": "Durable Object",
    "flagship": "Flagship",
    "hyperdrive": "Hyperdrive Config",
    "images": "Images",
    "k2": "K2 Stream",
    "kv_namespace": "KV Namespace",
    "media": "Media",
    "mtls_certificate": "mTLS Certificate",
    "pipeline": "Pipeline",
    "queue": "Queue",
    "r2_bucket": "R2 Bucket",
    "ratelimit": "Rate Limit",
    "secrets_store_secret": "Secrets Store Secret",
    "send_email": "Send Email",
    "service": "Worker",
    "stream": "Stream",
    "unsafe_hello_world": "Hello World",
    "vectorize": "Vectorize Index",
    "version_metadata": "Worker Version Metadata",
    "vpc_network": "VPC Network",
    "vpc_service": "VPC Service",
    "worker_loader": "Worker Loader",
    "workflow": "Workflow",
}
# Deployed with the app.
GIVEN = {"plain_text", "json", "assets"}
DEPLOYED = {"assets", "main", "compatibility_date", "compatibility_flags", "rules", "vars"}
# How wrangler makes the modules; it has done so when the app is deployed.
BUILD = {
    *("alias", "base_dir", "build", "define", "find_additional_modules", "jsx_factory", "jsx_fragment"),
    *("keep_names", "minify", "no_bundle", "preserve_file_names", "python_modules", "tsconfig"),
}
# What has no meaning for a hosted app, and whose absence changes nothing for it.
SILENT = {
    *(
        "$schema",
        "account_id",
        "compliance_region",
        "dependencies_instrumentation",
        "dev",
        "env",
        "keep_vars",
    ),
    *("logpush", "migrations", "name", "observability", "placement", "preview_urls", "previews"),
    *("send_metrics", "upload_source_maps", "workers_dev"),
    # Of earlier wranglers.
    *("usage_model", "zone_id"),
    # In a generated config.
    *(
        "configPath",
        "definedEnvironments",
        "legacy_env",
        "targetEnvironment",
        "topLevelName",
        "userConfigPath",
    ),
}
# Whose bindings wrangler names.
BINDINGS = {
    *("agent_memory", "ai", "ai_search", "ai_search_namespaces", "analytics", "analytics_engine_datasets"),
    *("artifacts", "browser", "d1_databases", "dispatch_namespaces", "durable_objects", "flagship"),
    *("hyperdrive", "images", "k2", "kv_namespaces", "media", "mtls_certificates", "pipelines", "r2_buckets"),
    *("ratelimits", "secrets_store_secrets", "send_email", "services", "stream", "unsafe"),
    *("unsafe_hello_world", "vectorize", "version_metadata", "vpc_networks", "vpc_services"),
    *("worker_loaders", "workflows"),
}
LISTED = {
    "addresses": "Email Address",
    "exports": "Durable Object",
    "streaming_tail_consumers": "Tail Worker",
    "tail_consumers": "Tail Worker",
}


ENVIRONMENT = "Environment"


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """One thing that an app doesn't get: `COUNTER`, a `Durable Object`. Both are text of the app's."""

    name: str
    kind: str

    def described(self) -> dict[str, str]:
        return {"name": self.name, "kind": self.kind}


def left_out(
    content: Mapping[str, Any], bindings: Sequence[Mapping[str, str]], environment: str | None = None
) -> tuple[LeftOut, ...]:
    """Of a config's content, and the bindings (`name`, `type`) that wrangler reads in it; by name.

    `environment` is the one of the config that its author deploys: here the top level counts.
    """
    found = [
        LeftOut(binding["name"], kind_of(binding["type"]))
        for binding in bindings
        if binding["type"] not in GIVEN
    ]
    for key in content.keys() - DEPLOYED - BUILD - SILENT - BINDINGS:
        found.extend(LeftOut(name, kind) for name, kind in asked_for(key, content[key]))
    named = content.get("env")
    if environment and isinstance(named, dict) and not is_empty(named.get(environment)):
        found.append(LeftOut(environment, ENVIRONMENT))
    return tuple(sorted(set(found)))


def kind_of(kind: str) -> str:
    return KINDS.get(kind, kind.removeprefix("unsafe_").replace("_", " "))


def asked_for(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """The names and kinds of what a key asks for that isn't a binding."""
    if is_empty(value):
        return
    match key, value:
        case "routes" | "route", list() | str() | dict():
            for route in value if isinstance(value, list) else [value]:
                is_domain = isinstance(route, dict) and route.get("custom_domain") is True
                yield name_of(route), "Custom Domain" if is_domain else "Route"
        case "triggers", {"crons": [*crons]}:
            yield from ((str(cron), "Cron Trigger") for cron in crons)
        case "queues", dict():
            for consumer in value.get("consumers") or ():
                yield name_of(consumer), "Queue Consumer"
        case "secrets", {"required": [*names]}:
            yield from ((str(name), "Secret") for name in names)
        case _, list() | dict() if key in LISTED:
            yield from ((name_of(item), LISTED[key]) for item in value)
        case _:
            yield key, "Setting"


def name_of(item: Any) -> str:
    """The word for one entry of a list, in which some are objects."""
    if isinstance(item, dict):
        named = (item.get(key) for key in ("pattern", "queue", "service"))
        return next((name for name in named if isinstance(name, str)), "")
    return str(item)


def is_empty(value: Any) -> bool:
    """Whether a config's value asks for nothing: a generated config has one for each key that there is."""
    if isinstance(value, dict):
        return all(is_empty(item) for item in value.values())
    return value is None or value == []
