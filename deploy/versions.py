"""Which upload of a Worker serves.

After "Worker versions" and "Worker deployments" of Cloudflare's API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.configs import Worker
from deploy.wrangler import NotThereError, Wrangler

# What made the version of a `wrangler secret put`, which has the code and settings of the one before.
SECRET_CHANGE = "secret"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Version:
    """`trigger` is what made it. `etag` is its code's; "" in a list, which doesn't tell."""

    id: str
    number: int
    tag: str | None
    trigger: str | None
    etag: str

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Version:
        annotations = content.get("annotations") or {}
        script = (content.get("resources") or {}).get("script") or {}
        return cls(
            content["id"],
            content.get("number") or 0,
            annotations.get("workers/tag"),
            annotations.get("workers/triggered_by"),
            script.get("etag", ""),
        )


def deployed_tag(wrangler: Wrangler, worker: Worker) -> str | None:
    """The tag of the upload that serves; None where there is none, or several do. Raises DeployError."""
    try:
        serving = wrangler.json_of(worker, "deployments", "status", "--json")["versions"]
    except NotThereError:
        return None
    if len(serving) != 1:
        return None
    version = view(wrangler, worker, serving[0]["version_id"])
    if version.trigger != SECRET_CHANGE:
        return version.tag
    upload = upload_before(wrangler, worker, version)
    return upload.tag if upload is not None and upload.etag == version.etag else None


def upload_before(wrangler: Wrangler, worker: Worker, version: Version) -> Version | None:
    """The newest version before one that was made otherwise than by a change of secrets."""
    listed = map(Version.of, wrangler.json_of(worker, "versions", "list", "--json"))
    older = [item for item in listed if item.number < version.number and item.trigger != SECRET_CHANGE]
    newest = max(older, key=lambda item: item.number, default=None)
    return view(wrangler, worker, newest.id) if newest else None


def view(wrangler: Wrangler, worker: Worker, version_id: str) -> Version:
    return Version.of(wrangler.json_of(worker, "versions", "view", version_id, "--json"))
