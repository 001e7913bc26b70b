"""Whether Cloudflare has what was signed of the platform's Workers.

After Cloudflare's API reference, "Workers: Scripts" (settings, content).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

from deploy.api import bearer, question
from deploy.configs import Installation
from deploy.errors import DeployError
from deploy.platform import PLAIN, SETTINGS, PlatformManifest, plain_variables
from pipeline.upload_form import parse_parts

SECONDS = 120


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
        if key in settings and not is_as_signed(signed["settings"].get(key), settings[key]):
            yield f"{signed['script']}: {key}"
    bindings = settings.get("bindings") or []
    if json.dumps(plain_variables(bindings), sort_keys=True) != json.dumps(signed["vars"], sort_keys=True):
        yield f"{signed['script']}: the variables"
    present = {item["name"]: item for item in bindings if item["type"] not in (*PLAIN, "secret_text")}
    leading = {item["name"]: item for item in signed["bindings"]}
    for name in sorted(present.keys() | leading.keys()):
        binding = leading.get(name, {})
        # Cloudflare adds ids of its own.
        told = {key: present.get(name, {}).get(key) for key in binding}
        if not binding or told != binding:
            yield f"{signed['script']}: the binding {name}"


def is_as_signed(signed: Any, told: Any) -> bool:
    """Whether a setting is the one that was signed, as far as Cloudflare tells; it adds its defaults."""
    if isinstance(signed, dict) and isinstance(told, dict):
        return all(is_as_signed(value, told[key]) for key, value in signed.items() if key in told)
    if isinstance(signed, list) and isinstance(told, list) and len(signed) == len(told):
        return all(map(is_as_signed, signed, told))
    # Where nothing was signed nothing may be on, be it told as null, false, an empty list or `enabled`.
    is_off = isinstance(told, dict) and told.get("enabled") is False
    return signed == told or (not signed and (not told or is_off))


def answer_of(installation: Installation, path: str) -> Any:
    request = question(installation, bearer(os.environ.get("CLOUDFLARE_API_TOKEN", "")), path)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise DeployError(f"Cloudflare's API can't be asked what is deployed ({path}): {error}") from error
