"""What the visitor requires: of an app by options, of many apps by a policy file."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from codius.main import main
from pipeline.manifest import Manifest
from tests.cli.conftest import ARTIFACT, SOURCE, Internet, Signer, statement_of
from tests.cli.test_cli_verdicts import SCHEMA
from tests.cli.test_cli_verify import flip, require_failure, verify

TRUSTED = ("--signer-repo", "operator/platform")
OTHER = replace(SOURCE, app_id="cdfghjkmnpqr", repository="bob/else", commit="b" * 40)


def test_without_a_word_of_whom_to_trust_nothing_is_verified(
    internet: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["verify", internet.app_url, "--trusted-root", signer.trusted_root]
    assert main(command) == 2
    output = capsys.readouterr().out
    assert "--signer-repo names whom you trust, --trust-any-signer takes anyone" in output
    assert output.splitlines()[-1].startswith("Not verified: whom ")
    assert main([*command, "--trust-any-signer"]) == 0
    # What is wrong all the same is wrong.
    internet.publish(signer.sign(claims={"repository": "mallory/caller"}))
    assert main(command) == 1


@pytest.mark.parametrize(
    ("options", "check", "words"),
    [
        (("--source", "alice/other"), "required", "of the repository alice/hello, not of alice/other"),
        (("--commit", "b" * 40), "required", "of the commit aaaaa"),
        (("--ref", "v1"), "required", "of 'main', not of the branch or tag 'v1'"),
        (("--signer-commit", "e" * 40), "identity", f"the workflow's commit is {'d' * 40}, not eeee"),
        (("--signer-repo", "operator/platform@live"), "identity", "of the branch main signed"),
    ],
)
def test_what_is_required_and_is_not_so_fails(
    internet: Internet, signer: Signer, options: tuple[str, ...], check: str, words: str
) -> None:
    trusted = () if options[0] == "--signer-repo" else TRUSTED
    require_failure(internet, signer, check, words, options=(*trusted, *options))


def test_what_is_required_and_is_so_is_verified(internet: Internet, signer: Signer) -> None:
    required = ("--source", "Alice/Hello", "--commit", "a" * 40, "--ref", "refs/heads/main")
    status, report = verify(internet, signer, *TRUSTED, "--signer-commit", "d" * 40, *required)
    assert status == 0, report
    assert report["checks"][1]["name"] == "required"


# A policy file.


def run(signer: Signer, file: Path, *options: str) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = main(["verify", "--policy", str(file), "--trusted-root", signer.trusted_root, *options])
    return status, output.getvalue()


@pytest.fixture
def file(internet: Internet, signer: Signer, tmp_path: Path) -> Path:
    """Of two apps that are as it says."""
    internet.answers[OTHER.app_id + "/.well-known/codius"] = internet.document_of(OTHER)
    place = internet.attestation_path.rpartition(":")[0]
    digest = Manifest.of(OTHER, ARTIFACT).sha256
    internet.answers[f"{place}:{digest}"] = {"attestations": [{"bundle": signer.sign(statement_of(OTHER))}]}
    file = tmp_path / "codius.toml"
    file.write_text(f"""
        signer-repo = "operator/platform"

        [[app]]
        url = "{internet.app_url}"
        source = "alice/hello"
        commit = "{"a" * 40}"

        [[app]]
        url = "{internet.app_url.replace(SOURCE.app_id, OTHER.app_id)}"
        source = "bob/else"
        signer-commit = "{"d" * 40}"
    """)
    return file


def test_all_apps_of_a_policy_are_checked_in_a_table(internet: Internet, signer: Signer, file: Path) -> None:
    status, output = run(signer, file)
    rows = [line.split() for line in output.splitlines()]
    assert status == 0, output
    assert rows[0] == ["app", "source", "commit", "found"]
    assert rows[1] == ["ok", internet.app_url, "alice/hello", "a" * 12, "verified"]
    assert [row[2] for row in rows[1:]] == ["alice/hello", "bob/else"]


def test_one_app_that_is_not_as_required_fails_the_policy(
    internet: Internet, signer: Signer, file: Path
) -> None:
    flip(internet.answers[OTHER.app_id + "/.well-known/codius"])
    status, output = run(signer, file, "--json")
    report = json.loads(output)
    Draft202012Validator(SCHEMA).validate(report)
    assert (status, report["verified"]) == (1, False)
    assert [app["verified"] for app in report["apps"]] == [True, False]
    internet.answers[OTHER.app_id + "/.well-known/codius"] = (503, {"message": "later"})
    status, output = run(signer, file)
    assert status == 2
    assert "ERROR" in output
    assert "document: " in output
    internet.answers["/.well-known/codius"] = (404, {})
    assert run(signer, file)[0] == 1


POLICIES: list[tuple[str, str]] = [
    ("signer-repo = 1", "names no apps"),
    ("app = 1", "names no apps"),
    ("x", "is not TOML"),
    ("[[app]]", "app 1 has no url"),
    ('[[app]]\nurl = "https://x.example"\ncommits = "x"', "app 1: commits is not known"),
    ('[[app]]\nurl = "https://x.example"\ncommit = 1', "app 1: commit is not known, or its value"),
    ('[[app]]\nurl = "https://x.example"\ncommit = "1"', "app 1: argument --commit: 1 is not a commit's"),
    ('[[app]]\nurl = "https://x.example"\nref = ""', "app 1: argument --ref: the name of a branch"),
    ('[[app]]\nurl = "https://x.example"\nref = "refs/tags/"', "app 1: argument --ref: the name of"),
    ('[[app]]\nurl = "https://x.example"\ndashboard = ""', "app 1: argument --dashboard:  is not"),
    ('[[app]]\nurl = "https://x.example"\ncloudflare-api = ""', "app 1: argument --cloudflare-api: "),
    ('[[app]]\nurl = "https://x.example"\n"a\u202eb" = 1', r"app 1: a\u202eb is not known"),
    ("", "names no apps"),
    ('[[app]]\nurl = "ftp://x"', "app 1: ftp://x is not the address of an app"),
    ('[[app]]\nurl = "https://x.example"\nrebuild = true', "app 1: --rebuild runs the signer's build"),
]


@pytest.mark.parametrize(("content", "words"), POLICIES)
def test_a_policy_that_says_something_wrong_is_told_where(
    signer: Signer, tmp_path: Path, content: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "codius.toml").write_text(content)
    with pytest.raises(SystemExit) as stopped:
        run(signer, tmp_path / "codius.toml")
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--policy", "x", "https://app.example"],
        ["--policy", "x", "--signer-repo", "a/b"],
        ["--policy", "/no/such/file"],
        ["https://app.example", "--signer-commit", "a" * 40],
        ["https://app.example", "--offline", "x", "--save", "y"],
        ["https://app.example", "--release", "a/b@v1"],
        ["https://app.example", "--platform", "--dashboard", "https://else.example"],
        [],
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(
    options: list[str], capsys: pytest.CaptureFixture[Any]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["verify", *options])
    assert stopped.value.code == 2
    assert "codius: error: " in capsys.readouterr().err
