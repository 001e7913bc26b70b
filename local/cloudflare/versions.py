"""A stand-in for a namespace's versions and deployments: "Versioning" in "Workers for Platforms".

A script has the fields of its latest upload, which `/content` shows; `deployed` are the versions that serve,
where that isn't the latest alone, and `others` the uploads of those among them that aren't the latest.
"""

from __future__ import annotations

import uuid
from typing import Any

from local.cloudflare.answers import ApiError
from local.cloudflare.namespace_store import Script

MAX_VERSIONS = 2  # in a deployment


def version_id(script: Script) -> str:
    return str(uuid.UUID(script["etag"][:32]))


def deployed(script: Script) -> list[dict[str, Any]]:
    default = [{"version_id": version_id(script), "percentage": 100}]
    found: list[dict[str, Any]] = script.get("deployed", default)
    return found


def serving(script: Script) -> Script:
    """The upload that the namespace runs: of two, the one with more of the requests."""
    first = max(deployed(script), key=lambda version: version["percentage"])
    found: Script = script.get("others", {}).get(first["version_id"], script)
    return found


def with_version(before: Script, upload: Script) -> Script:
    """A script with a new upload that doesn't serve yet."""
    plain = {key: value for key, value in before.items() if key not in ("deployed", "others", "number")}
    others = {**before.get("others", {}), version_id(before): plain}
    kept = {version["version_id"]: others[version["version_id"]] for version in deployed(before)}
    number = before.get("number", 1) + 1
    return {**upload, "number": number, "deployed": deployed(before), "others": kept}


def with_deployment(script: Script, wanted: Any) -> Script:
    """A script whose requests are split between versions. Raises ApiError."""
    known = {version_id(script), *script.get("others", {})}
    match wanted:
        case {"strategy": "percentage", "versions": [_, *_] as versions} if len(versions) <= MAX_VERSIONS:
            ids = [version.get("version_id") for version in versions]
            if set(ids) <= known and sum(version["percentage"] for version in versions) == 100:
                return {**script, "deployed": versions}
    raise ApiError(400, 10021, "A deployment has one or two versions of the script, of 100 percent together.")


def described_versions(script: Script) -> list[dict[str, Any]]:
    """Those that are kept, the latest first."""
    number = script.get("number", 1)
    ids = [version_id(script), *script.get("others", {})]
    return [
        {"id": id_, "number": number - place, "metadata": {"source": "api"}} for place, id_ in enumerate(ids)
    ]


def described_deployments(script: Script) -> dict[str, Any]:
    described = {"strategy": "percentage", "source": "api", "versions": deployed(script)}
    return {"deployments": [{"id": version_id(script), "created_on": script["modified_on"], **described}]}
