"""A site in the local internet, which has served two versions, and its history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pipeline.inputs import Source
from pipeline.manifest import Manifest
from tests.cli.conftest import APP, ARTIFACT, SOURCE, Internet, Signer, statement_of
from tests.cli.test_cli_verify import verify

NAME, HISTORY = "example", "/sites/example/history.json"
SINCE = "2026-11-26T01:00:00.000Z"
OLD = replace(SOURCE, app_id="cdfghjkmnpqr", commit="b" * 40)


def event(source: Source, kind: str, at: str) -> dict[str, Any]:
    digest = Manifest.of(source, ARTIFACT).sha256
    told = {"appId": source.app_id, "commit": source.commit, "manifestSha256": digest}
    return {"at": at, "kind": kind, "by": "alice", "servesFrom": at, **told}


def site_part(internet: Internet, since: str = SINCE) -> dict[str, Any]:
    return {
        "name": NAME,
        "url": f"http://{NAME}.localhost:{internet.port}/",
        "since": since,
        "next": None,
        "notice": {"seconds": 0, "heldUntil": None},
        "versions": 2,
        "history": f"http://127.0.0.1:{internet.port}{HISTORY}",
    }


def publish_site(internet: Internet, signer: Signer) -> None:
    """It serves the app, and has served another before, which is still there."""
    internet.document["site"] = site_part(internet)
    internet.answers[OLD.app_id + "/.well-known/codius"] = internet.document_of(OLD)
    publish(internet, OLD, signer.sign(statement_of(OLD)))
    creation = {"at": "2026-11-25T01:00:00.000Z", "kind": "creation", "by": "alice", "noticeSeconds": 0}
    internet.answers[HISTORY] = {
        "name": NAME,
        "source": {
            "repository": "https://github.example/alice/hello",
            "branch": "main",
            "directory": "worker",
        },
        "serving": {"appId": APP, "servesFrom": SINCE},
        "announced": [],
        "versions": 2,
        "history": [
            event(SOURCE, "return", SINCE),
            event(OLD, "version", "2026-11-26T00:30:00.000Z"),
            event(SOURCE, "version", "2026-11-26T00:00:00.000Z"),
            creation,
        ],
    }


def publish(internet: Internet, source: Source, *bundles: Any) -> None:
    """GitHub has these attestations of a version's manifest."""
    digest = Manifest.of(source, ARTIFACT).sha256
    path = internet.attestation_path.rpartition(":")[0] + f":{digest}"
    internet.answers[path] = {"attestations": [{"repository_id": 1, "bundle": bundle} for bundle in bundles]}


def verify_site(
    internet: Internet, signer: Signer, *options: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Run the command; return its status, its report and the words of its checks by their names."""
    status, report = verify(internet, signer, *options, url=f"http://{NAME}.localhost:{internet.port}")
    return status, report, {check["name"]: check["detail"] for check in report["checks"]}
