"""Whether what is deployed is what was signed."""

from __future__ import annotations

import json
from typing import Any

from clients.cloudflare import DeployedScript, Deployment
from clients.github_attestations import MAX_MANIFEST_BYTES

# Cloudflare's "Limits" of Workers: 128 variables, of 5 KB each.
MAX_VARIABLES, MAX_VARIABLE_BYTES = 128, 5_120
MAX_BYTES = MAX_MANIFEST_BYTES  # of what can be as a manifest says
# What is told of a Worker that is larger.
EMPTY: dict[str, Any] = {
    "main": None,
    "compatibilityDate": "",
    "compatibilityFlags": [],
    "vars": {},
    "modules": [],
}
SETTINGS = {
    "main": "main module",
    "compatibilityDate": "compatibility date",
    "compatibilityFlags": "compatibility flags",
    "vars": "plain variables",
}


def described(script: DeployedScript) -> dict[str, Any]:
    """What is deployed, in the manifest's words."""
    return {
        "main": script.main,
        "compatibilityDate": script.compatibility_date,
        "compatibilityFlags": script.compatibility_flags,
        "vars": script.variables,
        "modules": [
            {"name": part.name, "type": part.content_type, "sha256": part.sha256} for part in script.modules
        ],
    }


def excess_of(deployed: dict[str, Any]) -> str | None:
    """What of a deployed Worker is larger than it can be, in words; the document doesn't carry it."""
    variables = deployed["vars"]
    largest = max((size(value) for value in variables.values()), default=0)
    if len(variables) > MAX_VARIABLES or largest > MAX_VARIABLE_BYTES:
        return "Its plain variables are more, or larger, than Cloudflare allows: they are not shown."
    if size(deployed) > MAX_BYTES:
        return f"What is deployed takes more than {MAX_BYTES:,} bytes to describe: it is not shown."
    return None


def size(value: Any) -> int:
    """How many bytes a variable has, or anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode(errors="replace"))


def differences(manifest: dict[str, Any], deployed: dict[str, Any], given: list[str]) -> list[str]:
    """What of a deployed Worker isn't as its manifest says, in words; nothing when all is.

    `given` is what an app can't have been given by its deploy. What Cloudflare leaves out (the main module's
    name, a module's type) is not compared.
    """
    changed = [
        f"The {words} changed."
        for key, words in SETTINGS.items()
        if deployed[key] is not None and not same(deployed[key], manifest[key])
    ]
    signed = {module["name"]: module for module in manifest["modules"]}
    found = {module["name"]: module for module in deployed["modules"]}
    modules = [
        sentence
        for name in sorted(signed.keys() | found.keys())
        if (sentence := difference(name, signed.get(name), found.get(name)))
    ]
    if len(found) != len(deployed["modules"]):
        modules.append("Two modules have the same name.")
    return changed + modules + [f"It was given {item}." for item in given]


def differences_of_deployment(deployment: Deployment | None) -> list[str]:
    """Why what was read may not be what answers. None is of an API without versions: what it lists is all."""
    if deployment is None:
        return []
    match list(deployment.versions.items()):
        case [(version, 100)] if version == deployment.latest:
            return []
        case [(version, 100)] if deployment.latest is None:
            return [f"Version {version} serves; Cloudflare does not tell whether the modules are its."]
        case [(version, 100)]:
            return [f"Version {version} serves, but a later one, {deployment.latest}, is uploaded."]
    shares = " and ".join(f"{version} ({share:g} %)" for version, share in deployment.versions.items())
    return [f"Not one version serves all requests, but {shares}."]


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, in which `true` is not `1`."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def difference(name: str, signed: dict[str, Any] | None, found: dict[str, Any] | None) -> str | None:
    if found is None:
        return f"The module {name} is missing."
    if signed is None:
        return f"The module {name} was added."
    if found["sha256"] != signed["sha256"]:
        return f"The module {name} changed."
    if found["type"] and found["type"] != signed["type"]:
        return f"The module {name} has another type."
    return None
