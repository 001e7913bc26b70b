"""`codius verify` of a site: its version as ever, what the site says, and every version it has had."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from codius.main import main
from pipeline.manifest import Manifest
from tests.cli.conftest import APP, ARTIFACT, SIGNER, SOURCE, Internet, Signer, statement_of
from tests.cli.test_cli_verify import verify

NAME, HISTORY = "example", "/sites/example/history.json"
SINCE = "2026-11-26T01:00:00.000Z"
OLD = replace(SOURCE, app_id="cdfghjkmnpqr", commit="b" * 40)


def event(source: Any, kind: str = "version") -> dict[str, Any]:
    digest = Manifest.of(source, ARTIFACT).sha256
    told = {"appId": source.app_id, "commit": source.commit, "manifestSha256": digest}
    return {"at": SINCE, "kind": kind, "by": "alice", "servesFrom": SINCE, **told}


@pytest.fixture
def site(internet: Internet, signer: Signer) -> Internet:
    """One that serves the app, and has served another before."""
    internet.document["site"] = {
        "name": NAME,
        "url": f"http://{NAME}.localhost:{internet.port}/",
        "since": SINCE,
        "next": None,
        "notice": {"seconds": 0, "heldUntil": None},
        "versions": 2,
        "history": f"http://127.0.0.1:{internet.port}{HISTORY}",
    }
    creation = {"at": SINCE, "kind": "creation", "by": "alice", "noticeSeconds": 0}
    internet.answers[HISTORY] = {
        "name": NAME,
        "source": {
            "repository": "https://github.example/alice/hello",
            "branch": "main",
            "directory": "worker",
        },
        "serving": {"appId": APP},
        "announced": [],
        "versions": 2,
        "history": [event(SOURCE, "return"), event(OLD), event(SOURCE), creation],
    }
    publish(internet, OLD, signer.sign(statement_of(OLD)))
    return internet


def publish(internet: Internet, source: Any, bundle: Any) -> None:
    """GitHub has this attestation of a version's manifest."""
    digest = Manifest.of(source, ARTIFACT).sha256
    path = internet.attestation_path.rpartition(":")[0] + f":{digest}"
    internet.answers[path] = {"attestations": [{"repository_id": 1, "bundle": bundle}]}


def verify_site(
    internet: Internet, signer: Signer, *options: str
) -> tuple[int, dict[str, Any], dict[str, str]]:
    status, report = verify(internet, signer, *options, url=f"http://{NAME}.localhost:{internet.port}")
    return status, report, {check["name"]: check["detail"] for check in report["checks"]}


def test_a_site_is_verified_and_says_since_when_and_what_comes(site: Internet, signer: Signer) -> None:
    site.document["site"]["next"] = {"commit": "c" * 40, "servesFrom": "2026-11-27T01:00:00.000Z"}
    status, report, details = verify_site(site, signer)
    assert status == 0, report
    assert details["site"] == (
        f"{NAME} serves it since {SINCE}, after 2 versions in all; cccccccccccc is announced "
        "from 2026-11-27T01:00:00.000Z on"
    )
    assert (report["appId"], report["site"]["versions"]) == (APP, 2)
    assert report["site"]["next"] == {"commit": "c" * 40, "servesFrom": "2026-11-27T01:00:00.000Z"}


def test_every_version_of_the_history_is_checked(site: Internet, signer: Signer) -> None:
    status, report, details = verify_site(site, signer, "--history", "--signer-repo", "operator/platform")
    assert status == 0, report
    assert details["history"] == "2 of 2 versions are signed, each of its commit"
    # Also when it is told in several parts.
    whole = site.answers[HISTORY]
    older = copy.deepcopy(whole) | {"history": whole["history"][2:]}
    site.answers[HISTORY + "?before=1"] = older
    site.answers[HISTORY] = whole | {
        "history": whole["history"][:2],
        "older": f"http://127.0.0.1:{site.port}{HISTORY}?before=1",
    }
    assert verify_site(site, signer, "--history")[0] == 0


@pytest.mark.parametrize("forged", ["commit", "app", "signer", "none", "digest"])
def test_a_version_that_is_not_what_the_history_says_fails(
    site: Internet, signer: Signer, forged: str
) -> None:
    told = site.answers[HISTORY]["history"][1]
    if forged == "commit":
        told["commit"] = "d" * 40
    elif forged == "app":
        told["appId"] = "dfghjkmnpqrs"
    elif forged == "signer":
        other = {"job_workflow_uri": SIGNER.replace("operator/", "else/")}
        publish(site, OLD, signer.sign(statement_of(OLD), claims=other))
    elif forged == "none":
        publish(site, OLD, None)
    else:
        publish(site, OLD, signer.sign())
    status, report, details = verify_site(site, signer, "--history", "--signer-repo", "operator/platform")
    assert status == 1, report
    assert details["history"].startswith(f"{told['appId']}: ")
    assert [check["name"] for check in report["checks"] if check["status"] == "failed"] == ["history"]


def test_a_switch_during_the_check_is_told_and_no_failure(site: Internet, signer: Signer) -> None:
    site.answers[HISTORY]["serving"] = {"appId": OLD.app_id}
    status, report, details = verify_site(site, signer, "--history")
    assert status == 2, report
    assert details["history"] == f"the site has switched to {OLD.app_id} since: check it again"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "other"}, "another app"),
        ({"since": None}, "since"),
        ({"versions": 0}, "versions"),
        ({"next": {"commit": "x", "servesFrom": SINCE}}, "commit"),
    ],
    ids=str,
)
def test_a_site_part_that_is_not_of_its_form_fails(
    site: Internet, signer: Signer, change: dict[str, Any], words: str
) -> None:
    site.document["site"] |= change
    status, report, details = verify_site(site, signer)
    assert status == 1, report
    assert words in details["document"]


def test_an_app_has_no_history(internet: Internet, signer: Signer) -> None:
    status, report = verify(internet, signer, "--history")
    assert status == 1
    assert "never changes" in report["checks"][-1]["detail"]


def test_it_is_said_in_lines(site: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://{NAME}.localhost:{site.port}"
    assert main(["verify", url, "--trusted-root", signer.trusted_root, "--history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"ok    site         {NAME} serves it since") for line in lines)
