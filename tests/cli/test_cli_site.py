"""`codius verify` of a site: its version as ever, what the site says, and a switch meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codius.main import main
from tests.cli.conftest import APP, Change, Internet, Signer
from tests.cli.site_of import NAME, OLD, publish_site, site_part, verify_site
from tests.cli.test_cli_verify import JSON, NAMES, QUICKLY, flip, verify

LATER = "2026-11-26T02:00:00.000Z"
NEXT = {"appId": "dfghjkmnpqrs", "commit": "c" * 40, "servesFrom": "2026-11-27T01:00:00.000Z"}


@pytest.fixture
def site(internet: Internet, signer: Signer) -> Internet:
    publish_site(internet, signer)
    return internet


def in_turn(*answers: Any) -> Callable[[], Any]:
    """Each once, the last one ever after."""
    rest = list(answers)
    return lambda: rest.pop(0) if len(rest) > 1 else rest[0]


def switched(site: Internet) -> dict[str, Any]:
    """What the site answers when it has switched to its other version."""
    return site.document_of(OLD) | {"site": site_part(site, since=LATER)}


def test_a_site_is_verified_and_says_since_when_and_what_comes(site: Internet, signer: Signer) -> None:
    status, report, details = verify_site(site, signer)
    assert status == 0, report
    assert [check["name"] for check in report["checks"]] == [*NAMES, "site"]
    assert details["site"] == (
        "it says that example serves this since 2026-11-26 01:00:00 UTC; nothing is announced; "
        "2 versions in all (the operator's word)"
    )
    site.document["site"]["next"] = NEXT
    status, report, details = verify_site(site, signer)
    assert status == 0, report
    assert "cccccccccccc is announced from 2026-11-27 01:00:00 UTC on" in details["site"]
    assert (report["appId"], report["site"]["versions"], report["site"]["next"]) == (APP, 2, NEXT)


def test_that_the_name_is_the_operator_s_word_is_said(
    site: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"http://{NAME}.localhost:{site.port}"
    assert main(["verify", url, "--trusted-root", signer.trusted_root, "--trust-any-signer"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"That this name stands for the app {APP} is the operator's word."


PARTS: list[tuple[Change, str]] = [
    (lambda part: part.update(name="other"), "another site"),
    (lambda part: part.update(name=None), "name"),
    (lambda part: part.update(since=None), "since"),
    (lambda part: part.update(since="\x1b[2J"), "since"),
    (lambda part: part.update(versions=0), "versions"),
    (lambda part: part.update(versions=True), "versions"),
    (lambda part: part.update(next=NEXT | {"commit": "x"}), "commit"),
    (lambda part: part.update(next=NEXT | {"servesFrom": "soon"}), "servesFrom"),
    (lambda part: part.update(next=[]), "site.next"),
    (lambda part: part.pop("history"), "history"),
]


@pytest.mark.parametrize(("change", "words"), PARTS)
def test_a_part_of_another_form_or_site_fails(
    site: Internet, signer: Signer, change: Change, words: str
) -> None:
    change(site.document["site"])
    status, report, details = verify_site(site, signer)
    assert status == 1, report
    assert words in details["document"]


@QUICKLY
@given(st.sampled_from(["name", "since", "next", "versions", "history"]), JSON)
def test_no_field_of_the_part_breaks_it(internet: Internet, signer: Signer, key: str, value: Any) -> None:
    internet.publish_document()
    publish_site(internet, signer)
    internet.document["site"][key] = value
    status, report, _ = verify_site(internet, signer, "--history")
    is_allowed = (key, repr(value)) in (("next", "None"), ("versions", "1"), ("versions", "2"))
    assert report["verified"] is (status == 0)
    assert status == (0 if is_allowed else 1), report


def test_a_name_without_the_part_fails(internet: Internet, signer: Signer) -> None:
    status, report, details = verify_site(internet, signer)
    assert status == 1, report
    assert "another app" in details["document"]


def test_no_site_answers_in_the_place_of_an_app(site: Internet, signer: Signer) -> None:
    """At an app's address is that app for ever, whatever the document says."""
    other = "dfghjkmnpqrs"
    site.document["site"]["name"] = other
    status, report = verify(site, signer, url=f"http://{other}.localhost:{site.port}")
    assert status == 1, report
    assert "another app" in report["checks"][0]["detail"]


def test_a_version_that_is_not_what_is_signed_fails(site: Internet, signer: Signer) -> None:
    flip(site.document)
    status, report, details = verify_site(site, signer)
    assert status == 1, report
    assert "index.js changed" in details["deployed"]


def test_a_switch_during_the_check_is_told_and_all_is_checked_again(site: Internet, signer: Signer) -> None:
    site.answers["/.well-known/codius"] = in_turn(site.document, switched(site))
    status, report, details = verify_site(site, signer)
    assert status == 0, report
    assert [check["name"] for check in report["checks"]] == ["switch", *NAMES, "site"]
    assert details["switch"] == (
        f"it switched to {OLD.app_id} on 2026-11-26 02:00:00 UTC: all is checked again"
    )
    assert report["appId"] == OLD.app_id


def test_a_switch_there_and_back_is_one(site: Internet, signer: Signer) -> None:
    back = site.document | {"site": site_part(site, since=LATER)}
    site.answers["/.well-known/codius"] = in_turn(site.document, back)
    status, report, details = verify_site(site, signer)
    assert status == 0, report
    assert "switch" in details


def test_one_switch_after_another_is_no_failure(site: Internet, signer: Signer) -> None:
    site.answers["/.well-known/codius"] = in_turn(*[site.document, switched(site)] * 2)
    status, report, details = verify_site(site, signer)
    assert status == 2, report
    assert details["switch"].endswith("check it again in a minute")
    assert report["verified"] is False


def test_what_failed_before_a_switch_stays_failed(site: Internet, signer: Signer) -> None:
    good = switched(site)
    flip(site.document)
    site.answers["/.well-known/codius"] = in_turn(site.document, good)
    status, report, details = verify_site(site, signer)
    assert status == 1, report
    assert "index.js changed" in details["deployed"]
    assert "after what failed here" in details["switch"]


def test_a_site_that_is_gone_meanwhile_is_told(site: Internet, signer: Signer) -> None:
    site.answers["/.well-known/codius"] = in_turn(site.document, (404, {}))
    status, report, details = verify_site(site, signer)
    assert status == 1, report
    assert "no such app is deployed" in details["site"]


def test_an_app_has_no_history(internet: Internet, signer: Signer) -> None:
    status, report = verify(internet, signer, "--history")
    assert status == 1
    assert "never changes" in report["checks"][-1]["detail"]
