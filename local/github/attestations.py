"""Attestations of the operator's repository: signed for its jobs, kept, and found by what they are about."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.sigstore.authority import Authority

STATEMENT = "https://in-toto.io/Statement/v1"


class Attestations:
    """Bundles as files in a folder that outlives the local stack."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder, self._authority = folder, authority
        folder.mkdir(parents=True, exist_ok=True)
        self._bundles: list[Any] = []
        self._found: dict[str, list[int]] = {}
        for path in sorted(folder.glob("*.json"), key=lambda path: int(path.stem)):
            content = json.loads(path.read_text())
            self._index(content["subjects"], content["bundle"])

    async def attest(
        self,
        subjects: Mapping[str, str],
        predicate_type: str,
        predicate: Any,
        github: Mapping[str, str],
    ) -> int:
        """Sign for a job and keep it; return its id. Raises SigningError.

        `subjects` are SHA-256 digests by name, `github` is the job's context.
        """
        statement = {
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": value}} for name, value in subjects.items()],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
        bundle = await self._authority.sign(json.dumps(statement).encode(), claims_of(github))
        digests = sorted(set(subjects.values()))
        identity = self._index(digests, bundle)
        path = self._folder / f"{identity}.json"
        path.write_text(json.dumps({"subjects": digests, "bundle": bundle}))
        return identity

    def of(self, sha256: str) -> list[int]:
        """The ids of those about what has this digest, newest first."""
        return self._found.get(sha256, [])[::-1]

    def bundle(self, identity: int) -> Any | None:
        return self._bundles[identity - 1] if 0 < identity <= len(self._bundles) else None

    def predicate_type(self, identity: int) -> Any:
        """What kind of statement it is."""
        payload = self._bundles[identity - 1]["dsseEnvelope"]["payload"]
        return json.loads(base64.b64decode(payload)).get("predicateType")

    def _index(self, digests: list[str], bundle: Any) -> int:
        self._bundles.append(bundle)
        identity = len(self._bundles)
        for value in digests:
            self._found.setdefault(value, []).append(identity)
        return identity


def claims_of(github: Mapping[str, str]) -> dict[str, str]:
    """What GitHub's OIDC token says of a job ("OpenID Connect reference"), as far as certificates tell it."""
    workflow = github["workflow_ref"]
    return {
        # The certificate's subject: the workflow's address.
        "job_workflow_uri": f"{github['server_url']}/{workflow}",
        "job_workflow_ref": workflow,
        "job_workflow_sha": github["sha"],
        "workflow_ref": workflow,
        "workflow_sha": github["sha"],
        "event_name": github["event_name"],
        "repository": github["repository"],
        "repository_visibility": "public",
        "ref": github["ref"],
        "sha": github["sha"],
        "run_id": github["run_id"],
        "run_attempt": github["run_attempt"],
        "runner_environment": "github-hosted",
    }
