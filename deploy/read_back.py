"""Whether Cloudflare has what was signed of the platform's Workers.

After Cloudflare's API reference, "Workers: Scripts" (settings, content).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

from deploy.api import bearer, question
from deploy.configs import Installation
from deploy.errors import DeployError
from deploy.platform import PLAIN, SETTINGS, PlatformManifest, plain_variables
from pipeline.api import FAILURES, call
from pipeline.upload_form import parse_parts

SECONDS = 120
SECRET = "secret_text"  # noqa: S105
IDS = ("id", "database_id", "namespace_id")
# What Cloudflare adds to settings, after wrangler, which compares a Worker at Cloudflare with its config.
DEFAULTS = {
    "destinations": ["cloudflare"],
    "environment": "production",
    "head_sampling_rate": 1,
    "invocation_logs": True,
    "persist": True,
    "propagation_policy": "authenticated",
}


def problems_at_cloudflare(installation: Installation, manifest: PlatformManifest) -> Iterator[str]:
    """What of a Worker isn't as its manifest says. Raises DeployError where Cloudflare can't tell."""
    signed = json.loads(manifest.encoded)
    path = f"workers/scripts/{signed['script']}"
    settings = json.loads(answer_of(installation, f"{path}/settings"))["result"]
    found = {
        part.name: hashlib.sha256(part.content).hexdigest()
        for part in parse_parts(answer_of(installation, f"{path}/content/v2"))
    }
    expected = {module["name"]: module["sha256"] for module in signed["modules"]}
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            yield f"{signed['script']}: the module {name}"
    if settings.get("compatibility_date") != signed["compatibilityDate"]:
        yield f"{signed['script']}: the compatibility date"
    if sorted(settings.get("compatibility_flags") or []) != signed["compatibilityFlags"]:
        yield f"{signed['script']}: the compatibility flags"
    for key in SETTINGS:
        if key in settings:
            wanted = with_defaults(key, signed["settings"].get(key))
            yield from (f"{signed['script']}: {place}" for place in differences(key, wanted, settings[key]))
    bindings = settings.get("bindings") or []
    if json.dumps(plain_variables(bindings), sort_keys=True) != json.dumps(signed["vars"], sort_keys=True):
        yield f"{signed['script']}: the variables"
    secrets = {item["name"] for item in bindings if item["type"] == SECRET}
    for name in sorted(secrets - set(signed["secrets"])):
        yield f"{signed['script']}: the secret {name}"
    present = {item["name"]: item for item in bindings if item["type"] not in (*PLAIN, SECRET)}
    leading = {item["name"]: item for item in signed["bindings"]}
    for name in sorted(present.keys() | leading.keys()):
        if not is_same_binding(leading.get(name), present.get(name)):
            yield f"{signed['script']}: the binding {name}"


def with_defaults(key: str, signed: Any) -> Any:
    """A setting with what the rest of it follows from: logs are on and off with the whole."""
    if key != "observability" or not isinstance(signed, dict):
        return signed
    return {**signed, "logs": {"enabled": signed.get("enabled", False), **(signed.get("logs") or {})}}


def differences(place: str, signed: Any, told: Any) -> Iterator[str]:
    """Where a setting isn't the one that was signed, as far as Cloudflare tells it.

    What it tells beside what was signed must be off, or as it is by default; null is not told.
    """
    if told is None:
        return
    if isinstance(told, dict) and isinstance(signed, dict | None):
        for key in told:
            default = DEFAULTS.get(key) if told[key] else told[key]
            yield from differences(f"{place}.{key}", (signed or {}).get(key, default), told[key])
    elif isinstance(told, list) and isinstance(signed, list) and len(told) == len(signed):
        for number, item in enumerate(told):
            yield from differences(f"{place}[{number}]", signed[number], item)
    elif signed != told and (signed or told):
        yield place


def is_same_binding(signed: Any, present: Any) -> bool:
    """Whether a binding leads where it was signed to, with nothing beside it that Cloudflare doesn't add."""
    if signed is None or present is None:
        return False
    told = {key: value for key, value in present.items() if key in signed or not is_added(key, value)}
    return bool(told == signed)


def is_added(key: str, value: Any) -> bool:
    """Whether it is what Cloudflare itself adds to a binding: the ids that it gave, the only environment."""
    return value is None or key in IDS or (key, value) == ("environment", "production")


def answer_of(installation: Installation, path: str) -> bytes:
    request = question(installation, bearer(os.environ.get("CLOUDFLARE_API_TOKEN", "")), path)
    try:
        return call(request, SECONDS).body
    except FAILURES as error:
        raise DeployError(f"Cloudflare's API can't be asked what is deployed ({path}): {error}") from error
