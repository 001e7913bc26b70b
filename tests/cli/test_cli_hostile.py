"""`codius verify` and what strangers may send it: it says what is wrong, soon, and nothing else happens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from codius import bundles, main, web
from codius.signatures import signed_at
from tests.cli.conftest import Internet, Signer
from tests.cli.test_cli_verdicts import SCHEMA, TRUSTED, publish, run_offline
from tests.cli.test_cli_verify import require_error, verify


def test_pages_without_attestations_are_not_read_for_ever(
    internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "LIST_SECONDS", 0)
    page = {"link": f'<http://127.0.0.1:{internet.port}{internet.attestation_path}?x>; rel="next"'}
    internet.answers[internet.attestation_path] = (200, {"attestations": []}, page)
    require_error(*verify(internet, signer), "signature", "to read all attestations takes more than")
    assert len([path for _, path in internet.asked if path.startswith(internet.attestation_path)]) == 1


def test_the_time_that_is_told_is_the_one_that_was_verified(internet: Internet, signer: Signer) -> None:
    """Fields have two names, and of several time stamps only one need be of an authority that is trusted."""
    right = verify(internet, signer)[1]["signedAt"]
    bundle = signer.sign()
    (entry,) = bundle["verificationMaterial"]["tlogEntries"]
    entry["integrated_time"] = entry.pop("integratedTime")
    entry["inclusion_promise"] = entry.pop("inclusionPromise")
    publish(internet, {"bundle": bundle})
    assert verify(internet, signer)[1]["signedAt"] == right
    entry["integratedTime"] = "5"
    publish(internet, {"bundle": bundle})
    assert verify(internet, signer)[0] == 1
    stamp = SimpleNamespace(tst_info=SimpleNamespace(gen_time="then"))
    entry = SimpleNamespace(_inner=SimpleNamespace(inclusion_promise=None, integrated_time=0))
    for stamps, expected in (([stamp], "then"), ([stamp, stamp], None)):
        data = SimpleNamespace(rfc3161_timestamps=stamps)
        material = SimpleNamespace(timestamp_verification_data=data)
        made: Any = SimpleNamespace(log_entry=entry, verification_material=material)
        assert signed_at(made) == expected


def test_a_hint_of_github_s_token_is_given_where_it_helps(
    internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{internet.port}")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    internet.answers[internet.attestation_path] = (429, {}, {"retry-after": "77"})
    require_error(*verify(internet, signer), "attestation", "(GITHUB_TOKEN has a limit of its own)")


def test_a_failure_of_its_own_is_no_verdict(
    internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(report: Any) -> None:
        raise ZeroDivisionError("\x1b[2J")

    monkeypatch.setattr(main, "run_checks", fail)
    assert main.main(["verify", internet.app_url]) == 2
    assert capsys.readouterr() == (
        "",
        "codius itself failed, please report it: ZeroDivisionError: \\x1b[2J\n",
    )


def test_libraries_say_nothing_of_their_own(signer: Signer, tmp_path: Path) -> None:
    """They would with others' words in it, as they came."""
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps(signer.sign()))
    command = ["-m", "codius", "verify", "https://app.example", "--offline", str(file)]
    env = {"PYTHONPATH": str(Path(web.__file__).parents[1]), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=env)
    # Sigstore's own root is read, and has never heard of the signer.
    assert "the certificate was not issued by an authority that is trusted" in done.stdout
    assert (done.returncode, done.stderr) == (1, "")


# Files.


def test_a_root_of_trust_is_read_in_any_of_unicode_s_encodings(
    internet: Internet, signer: Signer, tmp_path: Path
) -> None:
    root, file = Path(signer.trusted_root).read_text(), tmp_path / "root.json"
    line = json.dumps(json.loads(root))
    for text in (root, f"{line}\n{line}\n"):
        file.write_text(text, encoding="utf-16")
        assert verify(internet, signer, "--trusted-root", str(file))[0] == 0
    bundle = json.dumps(signer.sign())
    file.write_text(f"{bundle}\n{bundle}\n", encoding="utf-16")
    assert verify(internet, signer, "--bundle", str(file))[0] == 0


TAMPERED: list[tuple[Callable[[Any], object], str]] = [
    (lambda saved: saved["answers"][0].update(status=float("inf")), "is no whole check"),
    (lambda saved: saved["answers"][0].pop("headers"), "is no whole check"),
    (lambda saved: saved.update(trustedRoots=None), "is no whole check"),
    (lambda saved: saved.update(trustedRoots=[1]), "there is no root of trust"),
    (lambda saved: saved.update(savedAt="0001-01-01T00:00:00Z"), "says nothing of now"),
    (lambda saved: saved["answers"].pop(), "has no answer of"),
]


@pytest.mark.parametrize(("change", "words"), TAMPERED)
def test_a_saved_check_that_was_changed_is_told(
    internet: Internet, signer: Signer, tmp_path: Path, change: Callable[[Any], object], words: str
) -> None:
    file = tmp_path / "check.json"
    assert verify(internet, signer, *TRUSTED, "--save", str(file))[0] == 0
    saved = json.loads(file.read_text())
    change(saved)
    file.write_text(json.dumps(saved))
    report = run_offline(internet, file)
    Draft202012Validator(SCHEMA).validate(report)
    details = [check["detail"] for check in report["checks"] if check["status"] == "error"]
    assert any(words in detail for detail in details), report


def test_a_saved_check_is_as_good_as_who_wrote_it_which_is_said(
    internet: Internet, signer: Signer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "check.json"
    assert verify(internet, signer, *TRUSTED, "--save", str(file))[0] == 0
    capsys.readouterr()
    assert main.main(["verify", internet.app_url, *TRUSTED, "--offline", str(file)]) == 0
    assert "UTC, if whoever wrote the file is trusted): http://" in capsys.readouterr().out


def test_what_is_saved_is_no_larger_than_what_was_answered(
    internet: Internet, signer: Signer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "check.json"
    internet.document["more"] = json.loads("[" * 50 + "]" * 50)
    assert verify(internet, signer, "--save", str(file))[0] == 0
    assert "[" * 50 in file.read_text()
    monkeypatch.setattr(web, "MAX_KEPT_BYTES", 1000)
    options = ("--save", str(file))
    require_error(*verify(internet, signer, *options), "document", "more than 1,000 bytes: too much to save")
    assert json.loads(file.read_text())["answers"] == []
