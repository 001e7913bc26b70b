"""`codius verify --history`: every version of a site, as far as each can be checked, and where it is read."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codius import versions
from codius.main import main
from pipeline.manifest import Manifest
from tests.cli.conftest import APP, ARTIFACT, SIGNER, SOURCE, Change, Internet, Signer, statement_of
from tests.cli.site_of import HISTORY, NAME, OLD, SINCE, event, publish, publish_site, verify_site
from tests.cli.test_cli_verify import JSON, QUICKLY, flip

OTHER = replace(SOURCE, app_id="dfghjkmnpqrs", commit="e" * 40)
OLD_DOCUMENT = OLD.app_id + "/.well-known/codius"
TRUSTED = ("--history", "--signer-repo", "operator/platform")
GONE = (404, {"error": "no_such_app"})


@pytest.fixture
def site(internet: Internet, signer: Signer) -> Internet:
    publish_site(internet, signer)
    return internet


def history_of(site: Internet) -> dict[str, Any]:
    history: dict[str, Any] = site.answers[HISTORY]
    return history


def rows(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["appId"]: (row["status"], row["detail"]) for row in report["versions"]}


def require_failure(site: Internet, signer: Signer, *words: str, options: tuple[str, ...] = TRUSTED) -> Any:
    """Only the history fails, and for this reason."""
    status, report, details = verify_site(site, signer, *options)
    assert status == 1, report
    assert [check["name"] for check in report["checks"] if check["status"] == "failed"] == ["history"], report
    for word in words:
        assert word in details["history"]
    return report


def test_every_version_is_checked(site: Internet, signer: Signer) -> None:
    status, report, details = verify_site(site, signer, *TRUSTED)
    assert status == 0, report
    assert details["history"].startswith(
        "2 versions, each signed and of its commit; told by http://127.0.0.1:"
    )
    assert "the document's claim" in details["history"]
    assert rows(report) == {
        APP: ("ok", "serves, as checked above"),
        OLD.app_id: ("ok", "deployed as signed"),
    }
    assert [row["servesFrom"] for row in report["versions"]] == [SINCE, "2026-11-26T00:30:00.000Z"]


def test_of_a_version_that_was_removed_what_was_signed_is_checked(site: Internet, signer: Signer) -> None:
    nothing = site.document_of(OLD) | {"deployed": None, "agrees": False}
    for answer in (GONE, nothing):
        site.answers[OLD_DOCUMENT] = answer
        status, report, details = verify_site(site, signer, *TRUSTED)
        assert status == 0, report
        assert rows(report)[OLD.app_id] == ("ok", "removed: only what was signed is checked")
        assert "(1 removed: what they ran is not known)" in details["history"]


def test_a_version_that_is_not_deployed_as_signed_fails(site: Internet, signer: Signer) -> None:
    flip(site.answers[OLD_DOCUMENT])
    report = require_failure(site, signer, f"of 2 versions these are not what the history says: {OLD.app_id}")
    assert rows(report)[OLD.app_id] == ("failed", "deployed: the module index.js changed")


def test_a_failed_version_that_serves_is_told_twice(site: Internet, signer: Signer) -> None:
    flip(site.document)
    status, report, _ = verify_site(site, signer, *TRUSTED)
    assert status == 1
    assert rows(report)[APP] == ("failed", "deployed: the module index.js changed")


@pytest.mark.parametrize("is_removed", [False, True])
@pytest.mark.parametrize("forged", ["commit", "digest", "signer", "none", "other"])
def test_a_version_that_is_not_what_the_history_says_fails(
    site: Internet, signer: Signer, forged: str, is_removed: bool
) -> None:
    told = history_of(site)["history"][1]
    if forged == "commit":
        told["commit"] = "d" * 40
    elif forged == "digest":
        told["manifestSha256"] = "0" * 64
    elif forged == "signer":
        other = {"job_workflow_uri": SIGNER.replace("operator/", "else/")}
        publish(site, OLD, signer.sign(statement_of(OLD), claims=other))
        site.answers[OLD_DOCUMENT]["attestation"]["signer"] = other["job_workflow_uri"]
    elif forged == "none":
        publish(site, OLD)
    else:
        publish(site, OLD, signer.sign())
    if is_removed:
        site.answers[OLD_DOCUMENT] = GONE
    # Also where nobody says whom to trust: the versions have one signer.
    require_failure(site, signer, OLD.app_id, options=("--history",))
    report = require_failure(site, signer, OLD.app_id)
    assert [row["appId"] for row in report["versions"] if row["status"] == "failed"] == [OLD.app_id]


def test_an_app_that_was_not_signed_under_this_domain_is_no_version(site: Internet, signer: Signer) -> None:
    site.answers[OLD_DOCUMENT] = GONE
    statement = statement_of(OLD)
    parameters = statement["predicate"]["buildDefinition"]["externalParameters"]
    parameters["vars"]["APPS_DOMAIN"] = "elsewhere.example"
    publish(site, OLD, signer.sign(statement))
    report = require_failure(site, signer)
    assert "it was built to answer under elsewhere.example" in rows(report)[OLD.app_id][1]


def test_the_manifest_that_was_signed_for_another_app_is_no_version_s(site: Internet, signer: Signer) -> None:
    site.answers[OLD_DOCUMENT] = GONE
    forged = replace(OLD, app_id=OTHER.app_id)
    statement = statement_of(forged)
    statement["predicate"]["buildDefinition"]["externalParameters"]["inputs"]["appId"] = OLD.app_id
    history_of(site)["history"][1]["manifestSha256"] = Manifest.of(forged, ARTIFACT).sha256
    publish(site, forged, signer.sign(statement))
    report = require_failure(site, signer)
    assert rows(report)[OLD.app_id][1] == f"it is the manifest of another app: {OTHER.app_id}"


def test_a_version_of_a_renamed_repository_is_told_and_no_failure(site: Internet, signer: Signer) -> None:
    history_of(site)["source"]["repository"] = "https://github.example/alice/renamed"
    for answer in (site.answers[OLD_DOCUMENT], GONE):
        site.answers[OLD_DOCUMENT] = answer
        status, report, _ = verify_site(site, signer, *TRUSTED)
        assert status == 0, report
        words = "of another source: https://github.example/alice/hello, directory worker"
        assert all(detail.endswith(words) for _, detail in rows(report).values())


def test_what_can_not_be_asked_now_is_not_called_wrong(site: Internet, signer: Signer) -> None:
    site.answers[OLD_DOCUMENT] = (503, {"error": "busy", "message": "Later."})
    status, report, details = verify_site(site, signer, *TRUSTED)
    assert status == 2, report
    assert rows(report)[OLD.app_id][0] == "error"
    assert rows(report)[OLD.app_id][1].startswith("signed; what is deployed is not known: ")
    assert details["history"] == "of 2 versions 1 could not be checked"
    # What can be known meanwhile is still called wrong.
    publish(site, OLD)
    require_failure(site, signer)


def test_a_version_of_which_the_history_tells_no_digest(site: Internet, signer: Signer) -> None:
    del history_of(site)["history"][1]["manifestSha256"]
    assert verify_site(site, signer, *TRUSTED)[0] == 0
    site.answers[OLD_DOCUMENT] = GONE
    status, report, _ = verify_site(site, signer, *TRUSTED)
    assert status == 2, report
    assert rows(report)[OLD.app_id] == ("error", "the history doesn't tell what was signed")


def test_a_version_that_was_withdrawn_is_checked_and_told(site: Internet, signer: Signer) -> None:
    events = history_of(site)["history"]
    at = "2026-11-26T01:30:00.000Z"
    events.insert(0, event(OTHER, "version", at))
    events.insert(0, {"at": "2026-11-26T01:31:00.000Z", "kind": "withdrawal", "by": "alice", "withdraws": at})
    history_of(site)["versions"] = 3
    publish(site, OTHER, signer.sign(statement_of(OTHER)))
    site.answers[OTHER.app_id + "/.well-known/codius"] = GONE
    status, report, _ = verify_site(site, signer, *TRUSTED)
    assert status == 0, report
    assert (report["versions"][0]["appId"], report["versions"][0]["servesFrom"]) == (OTHER.app_id, None)


# Where a history is read.


ADDRESSES = [
    "http://127.0.0.1:{port}/sites/other/history.json",
    "http://127.0.0.1:{port}/sites/example/history.json?before=1",
    "http://127.0.0.1:{port}/sites/example/history.json#x",
    "http://127.0.0.1:{port}/x/../sites/example/history.json",
    "http://127.0.0.1:{port}//sites/example/history.json",
    "http://alice@127.0.0.1:{port}/sites/example/history.json",
    "https://127.0.0.1:{port}/sites/example/history.json",
    "http://evil.localhost:{port}/sites/example/history.json",
    "http://example.localhost:{port}/sites/example/history.json",
    "file:///sites/example/history.json",
    "/sites/example/history.json",
    "",
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_that_is_not_a_dashboard_s_is_not_asked(site: Internet, signer: Signer, url: str) -> None:
    site.document["site"]["history"] = url.format(port=site.port)
    require_failure(site, signer, "the document gives")
    assert not [path for _, path in site.asked if "sites" in path]


def test_the_history_comes_from_the_dashboard_that_is_required(site: Internet, signer: Signer) -> None:
    right = f"http://127.0.0.1:{site.port}"
    status, report, details = verify_site(site, signer, "--history", "--dashboard", right)
    assert status == 0, report
    assert details["history"].endswith(f"told by {right}{HISTORY}")
    asked = len(site.asked)
    # Also where the history isn't asked for.
    for more in (("--history",), ()):
        status, report, details = verify_site(site, signer, *more, "--dashboard", "http://dashboard.example")
        assert status == 1, report
        assert f"{right} for the history, not http://dashboard.example" in details["site"]
    assert not [path for _, path in site.asked[asked:] if "sites" in path]


def test_no_redirect_of_a_history_is_followed(site: Internet, signer: Signer) -> None:
    site.answers["/elsewhere"] = history_of(site)
    site.answers[HISTORY] = (302, {}, {"location": "/elsewhere"})
    status, report, _ = verify_site(site, signer, *TRUSTED)
    assert status == 2, report
    assert "/elsewhere" not in [path for _, path in site.asked]


def in_parts(site: Internet, older: str) -> None:
    whole = history_of(site)
    site.answers[older.removeprefix(f"http://127.0.0.1:{site.port}")] = copy.deepcopy(whole) | {
        "history": whole["history"][2:]
    }
    site.answers[HISTORY] = whole | {"history": whole["history"][:2], "older": older}


def test_a_history_is_read_in_parts(site: Internet, signer: Signer) -> None:
    in_parts(site, f"http://127.0.0.1:{site.port}{HISTORY}?before=1")
    status, report, _ = verify_site(site, signer, *TRUSTED)
    assert status == 0, report


@pytest.mark.parametrize(
    "older", ["http://127.0.0.1:1/x", "{own}?before=1&x", "{own}/../x", "{own}?before=x", "{own}", 1, ["x"]]
)
def test_a_history_goes_on_at_its_own_address_only(site: Internet, signer: Signer, older: Any) -> None:
    own = f"http://127.0.0.1:{site.port}{HISTORY}"
    history_of(site)["older"] = older.format(own=own) if isinstance(older, str) else older
    require_failure(site, signer, "goes on at an address that isn't its own")


def test_a_history_that_turns_in_a_circle_ends(site: Internet, signer: Signer) -> None:
    older = f"{HISTORY}?before=1"
    in_parts(site, f"http://127.0.0.1:{site.port}{older}")
    site.answers[older]["older"] = f"http://127.0.0.1:{site.port}{older}"
    require_failure(site, signer, "not in the order of time")
    site.answers[older]["history"] = []
    status, report, details = verify_site(site, signer, *TRUSTED)
    assert status == 2, report
    assert "more than 20 parts" in details["history"]


# What a history says.


FIELDS = [
    *(("name",), ("source",), ("serving",), ("versions",), ("history",), ("older",), ("announced",)),
    *(("source", "repository"), ("source", "directory"), ("serving", "appId"), ("serving", "servesFrom")),
    *(
        ("history", key)
        for key in ("at", "kind", "appId", "commit", "manifestSha256", "servesFrom", "withdraws")
    ),
]

HISTORIES: list[tuple[Change, str]] = [
    (lambda history: history.update(name="other"), "another site"),
    (lambda history: history.update(history=None), "no list of events"),
    (lambda history: history.update(history=[]), "creation"),
    (lambda history: history["history"].pop(), "creation"),
    (lambda history: history["history"].insert(0, 1), "an event of the history"),
    (lambda history: history["history"].reverse(), "not in the order of time"),
    (
        lambda history: (history["history"].pop(1), history.update(versions=1)),
        "the site says 2 versions, its history has 1",
    ),
    (lambda history: history["history"][0].update(appId="\x1b[2J"), "appId"),
    (lambda history: history["history"][0].update(appId="x.evil.example/"), "appId"),
    (lambda history: history["history"][0].update(commit="d" * 40), "two things of"),
    (lambda history: history["history"][0].update(manifestSha256=1), "manifestSha256"),
    (lambda history: history["history"][0].update(servesFrom=None), "servesFrom"),
    (lambda history: history["history"][0].update(at="2026"), "at"),
    (lambda history: history["history"][0].update(withdraws=[]), "withdraws"),
    (lambda history: history.update(versions=-1), "versions"),
    (lambda history: history.update(source=None), "source"),
    (lambda history: history["source"].update(repository=1), "repository"),
    (lambda history: history["serving"].update(appId="x"), "appId"),
    (lambda history: history["serving"].update(appId=OTHER.app_id), "is not in the history"),
]


@pytest.mark.parametrize(("change", "words"), HISTORIES)
def test_a_history_that_contradicts_itself_fails(
    site: Internet, signer: Signer, change: Change, words: str
) -> None:
    change(history_of(site))
    require_failure(site, signer, words)


@pytest.mark.parametrize("content", [b"[]", b"null", b'{"history": {}}'])
def test_what_is_no_history_fails(site: Internet, signer: Signer, content: bytes) -> None:
    site.answers[HISTORY] = content
    require_failure(site, signer)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff", b"[" * 10**5])
def test_what_is_not_json_is_no_history_that_was_checked(
    site: Internet, signer: Signer, content: bytes
) -> None:
    site.answers[HISTORY] = content
    status, report, details = verify_site(site, signer, *TRUSTED)
    assert status == 2, report
    assert details["history"].startswith("the answer of 127.0.0.1:")


@QUICKLY
@given(st.sampled_from(FIELDS), JSON)
def test_no_field_of_a_history_breaks_it(
    internet: Internet, signer: Signer, place: tuple[str, ...], value: Any
) -> None:
    internet.publish_document()
    publish_site(internet, signer)
    *outer, key = place
    content: Any = history_of(internet)
    for name in outer:
        content = content[name]
    if isinstance(content, list):
        content[0][key] = value
    else:
        content[key] = value
    status, report, _ = verify_site(internet, signer, *TRUSTED)
    assert status in (0, 1, 2)
    assert status == 0 or not report["verified"]


def test_a_history_that_can_not_be_had_is_not_called_wrong(site: Internet, signer: Signer) -> None:
    site.answers[HISTORY] = (500, {"message": "down"})
    status, _, details = verify_site(site, signer, *TRUSTED)
    assert (status, "answers with status 500" in details["history"]) == (2, True)


@pytest.mark.parametrize(
    "later",
    [
        {"serving": {"appId": OLD.app_id, "servesFrom": "2026-11-26T02:00:00.000Z"}},
        {"serving": {"appId": APP, "servesFrom": "2026-11-26T02:00:00.000Z"}},
        {"versions": 3},
    ],
    ids=str,
)
def test_a_switch_while_the_history_is_read_is_told_and_no_failure(
    site: Internet, signer: Signer, later: dict[str, Any]
) -> None:
    answers = [history_of(site) | later, history_of(site)]
    site.answers[HISTORY] = lambda: answers.pop(0)
    status, report, details = verify_site(site, signer, *TRUSTED)
    assert status == 0, report
    assert details["switch"].endswith("all is checked again")
    assert len(report["versions"]) == 2


def test_a_site_that_was_deleted_meanwhile_is_told(site: Internet, signer: Signer) -> None:
    history_of(site)["serving"] = None
    status, _, details = verify_site(site, signer, *TRUSTED)
    assert status == 2
    assert details["switch"].startswith(
        "the history says that nothing serves any more; answers may be a minute old"
    )


# Limits.


def many(site: Internet, number: int) -> None:
    """Versions that can't be asked for, before those that there are."""
    events = history_of(site)["history"]
    for index in range(number):
        letters = "bcdfghjkmn"
        app_id = "zz" + "".join(letters[int(digit)] for digit in f"{index:010}")
        source = replace(SOURCE, app_id=app_id)
        events.insert(0, event(source, "version", f"2026-11-27T{index // 60:02}:{index % 60:02}:00.000Z"))
        site.answers[app_id + "/.well-known/codius"] = GONE
        digest = Manifest.of(source, ARTIFACT).sha256
        site.answers[site.attestation_path.rpartition(":")[0] + f":{digest}"] = (403, {"message": "limit"})
    history_of(site)["versions"] = 2 + number


def test_who_answers_no_more_questions_is_not_asked_for_ever(site: Internet, signer: Signer) -> None:
    many(site, 6)
    status, report, details = verify_site(site, signer, *TRUSTED)
    assert status == 2, report
    assert [row["status"] for row in report["versions"]] == ["error"] * versions.MAX_ERRORS + [
        "unchecked"
    ] * 5
    assert details["history"] == "of 8 versions 8 could not be checked"


def test_it_ends_in_a_time(site: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "HISTORY_SECONDS", -1)
    status, report, _ = verify_site(site, signer, *TRUSTED)
    assert status == 2
    assert {row["status"] for row in report["versions"]} == {"unchecked"}


def test_a_history_of_very_many_versions_is_not_checked(site: Internet, signer: Signer) -> None:
    many(site, 1_001)
    status, _, details = verify_site(site, signer, *TRUSTED)
    assert (status, details["history"]) == (2, "the history has more than 1,000 versions")


# How it is said.


def test_it_is_a_table(site: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://{NAME}.localhost:{site.port}"
    assert main(["verify", url, "--trusted-root", signer.trusted_root, *TRUSTED]) == 0
    lines = capsys.readouterr().out.splitlines()
    (header,) = (number for number, line in enumerate(lines) if line.split()[:2] == ["serves", "from"])
    table = [line.split() for line in lines[header:] if OLD.app_id in line]
    digest = Manifest.of(OLD, ARTIFACT).sha256[:12]
    when = ["2026-11-26", "00:30:00", "UTC"]
    assert table == [["ok", *when, OLD.app_id, "b" * 12, digest, "deployed", "as", "signed"]]


def test_what_others_say_can_not_command_the_terminal(
    site: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J\u202eevil"
    site.answers[OLD_DOCUMENT] = (503, {"message": evil})
    history_of(site)["source"]["repository"] = evil
    encoded = json.dumps(history_of(site))
    site.answers[HISTORY] = encoded.encode()
    main(
        ["verify", f"http://{NAME}.localhost:{site.port}", "--trusted-root", signer.trusted_root, "--history"]
    )
    output = capsys.readouterr().out
    assert "\\x1b[2J" in output
    assert "\x1b" not in output
    assert "\u202e" not in output


def test_a_file_has_no_history(signer: Signer, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "http://x.localhost", "--history", "--bundle", "bundle.json"])
    assert "use either" in capsys.readouterr().err
