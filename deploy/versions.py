"""Which upload of a Worker serves.

After "Worker versions" and "Worker deployments" of Cloudflare's API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.api import Account
from deploy.configs import Worker

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


def deployed_tag(account: Account, worker: Worker) -> str | None:
    """The tag of the upload that serves; None where there is none, or several do. Raises DeployError."""
    script = f"workers/scripts/{worker.script}"
    answer = account.result(f"{script}/deployments")
    deployments = answer["deployments"] if answer else []
    serving = deployments[0]["versions"] if deployments else []
    if len(serving) != 1:
        return None
    version = view(account, script, serving[0]["version_id"])
    if version.trigger != SECRET_CHANGE:
        return version.tag
    upload = upload_before(account, script, version)
    return upload.tag if upload is not None and upload.etag == version.etag else None


def upload_before(account: Account, script: str, version: Version) -> Version | None:
    """The newest version before one that was made otherwise than by a change of secrets."""
    listed = map(Version.of, account.required(f"{script}/versions?deployable=true")["items"])
    older = [item for item in listed if item.number < version.number and item.trigger != SECRET_CHANGE]
    newest = max(older, key=lambda item: item.number, default=None)
    return view(account, script, newest.id) if newest else None


def view(account: Account, script: str, version_id: str) -> Version:
    return Version.of(account.required(f"{script}/versions/{version_id}"))
