"""`codius verify`: what is so passes, and what isn't fails, each for its own reason."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cramjam
import pytest
import rfc8785
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codius import web
from codius.certificate import Signer as Certificate
from codius.document import Document, check_deployed
from codius.errors import CheckFailedError
from codius.main import main
from tests.cli.conftest import (
    APP,
    ARTIFACT,
    MANIFEST,
    SIGNER,
    SOURCE,
    Change,
    Internet,
    Signer,
    payload_of,
    statement_of,
)

NAMES = ("document", "manifest", "deployed", "attestation", "signature", "identity", "source")


def verify(internet: Internet, signer: Signer, *options: str, url: str = "") -> tuple[int, dict[str, Any]]:
    """Run the command; return its status and its report."""
    anyone = () if "--signer-repo" in options else ("--trust-any-signer",)
    # A saved check has its own.
    root = () if "--trusted-root" in options else ("--trusted-root", signer.trusted_root)
    arguments = ["verify", url or internet.app_url, "--json", *root, *anyone, *options]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        status = main(arguments)
    return status, json.loads(output.getvalue())


def require_failure(internet: Internet, signer: Signer, name: str, *words: str, options: Any = ()) -> None:
    """One check fails, and for this reason; those before it that it builds on are right."""
    status, report = verify(internet, signer, *options)
    checks = {check["name"]: check for check in report["checks"]}
    assert status == 1, report
    assert [check["name"] for check in report["checks"] if check["status"] == "failed"] == [name], report
    assert report["verified"] is False
    for word in words:
        assert word in checks[name]["detail"], checks[name]


def test_an_app_that_is_what_it_says_is_verified(internet: Internet, signer: Signer) -> None:
    status, report = verify(internet, signer, "--signer-repo", "Operator/Platform")
    assert status == 0, report
    assert (report["verified"], report["appId"], report["signer"]) == (True, APP, SIGNER)
    assert [check["name"] for check in report["checks"]] == list(NAMES)
    assert {check["status"] for check in report["checks"]} == {"ok"}
    assert report["source"]["commit"] == SOURCE.commit
    # Names under .localhost are this machine's, and are told to the server.
    assert internet.asked[0] == (f"{APP}.localhost:{internet.port}", "/.well-known/codius")


def test_it_says_so_line_by_line(
    internet: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["verify", internet.app_url, "--trusted-root", signer.trusted_root, "--trust-any-signer"])
    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert [line.split()[:2] for line in lines[:7]] == [["ok", name] for name in NAMES]
    assert "--signer-repo" in lines[5]
    assert lines[-2].startswith(f"Verified: {internet.app_url} runs what was built from ")
    # Nobody was said to be trusted.
    assert lines[-1].startswith("if you trust its signer, https://")


# What is deployed.


def flip(document: Any) -> None:
    sha256 = document["deployed"]["modules"][0]["sha256"]
    document["deployed"]["modules"][0]["sha256"] = ("1" if sha256[0] == "0" else "0") + sha256[1:]


DEPLOYED: list[tuple[Change, str]] = [
    (flip, "index.js changed"),
    (lambda document: document["deployed"]["modules"].pop(), "text.txt is missing"),
    (
        lambda document: document["deployed"]["modules"].append({"name": "x", "type": "", "sha256": "0"}),
        "x was added",
    ),
    (
        lambda document: document["deployed"]["modules"][1].update(type="application/wasm"),
        "text.txt has another type",
    ),
    (lambda document: document["deployed"].update(main="text.txt"), "main module changed"),
    (lambda document: document["deployed"].update(vars={}), "plain variables changed"),
    (
        lambda document: document["deployed"].update(compatibilityDate="2020-01-01"),
        "compatibility date changed",
    ),
    (lambda document: document["deployed"].update(compatibilityFlags=["x"]), "compatibility flags changed"),
    (lambda document: (flip(document), document.update(agrees=False)), "index.js changed"),
    (lambda document: document["deployed"].update(vars={"A": 1}), "plain variables changed"),
    (lambda document: document["deployed"].pop("vars"), "plain variables changed"),
    (lambda document: document["deployed"].update(compatibilityDate=None), "compatibility date changed"),
    (lambda document: document["deployed"].pop("compatibilityFlags"), "compatibility flags changed"),
    (lambda document: document["deployed"].update(vars={"\ud800": 1, "B": 2}), "no canonical form"),
    (lambda document: document["deployed"]["modules"].append({"name": "x"}), "one without name"),
    (
        lambda document: document["deployed"]["modules"].append(document["deployed"]["modules"][0]),
        "one twice",
    ),
    (lambda document: document.update(agrees=False), "itself says that what is deployed differs"),
    (lambda document: document.update(agrees="yes"), "itself says that what is deployed differs"),
    (lambda document: document["deployed"].pop("modules"), "no list of modules"),
]


@pytest.mark.parametrize(("change", "word"), DEPLOYED)
def test_what_is_deployed_otherwise_fails(
    internet: Internet, signer: Signer, change: Change, word: str
) -> None:
    change(internet.document)
    require_failure(internet, signer, "deployed", word)


def test_true_is_not_one(internet: Internet) -> None:
    document = Document.read(f"{APP}.localhost", internet.document)
    settings = dict(document.deployed)
    with pytest.raises(CheckFailedError, match="plain variables changed"):
        check_deployed(
            replace(
                document,
                manifest={**document.manifest, "vars": {"A": True}},
                deployed={**settings, "vars": {"A": 1}},
            ),
            datetime.now(UTC),
        )


def test_what_cloudflare_leaves_out_is_not_called_wrong(internet: Internet, signer: Signer) -> None:
    internet.document["deployed"]["main"] = None
    internet.document["deployed"]["modules"][1]["type"] = ""
    status, report = verify(internet, signer)
    assert status == 0, report
    assert "which module is the main one it doesn't tell" in report["checks"][2]["detail"]


# What the document says.


DOCUMENTS: list[tuple[Change, str, str]] = [
    (lambda document: document["manifest"].update(version=3), "manifest", "its digest is"),
    (lambda document: document.update(manifestSha256="0" * 64), "manifest", "its digest is"),
    (lambda document: document["source"].update(commit="b" * 40), "manifest", "another source"),
    (lambda document: document["source"].update(directory=""), "manifest", "another source"),
    (
        lambda document: document["source"].update(repository="https://github.example/bob/hello"),
        "manifest",
        "another source",
    ),
    (lambda document: document.update(appId="another"), "document", "another app: another"),
    (lambda document: document.update(attestation=None), "document", "no attestation"),
    (lambda document: document.update(manifest=None), "document", "no attestation"),
    (lambda document: document.update(deployed=None), "document", "nothing is deployed"),
    (lambda document: document.pop("manifestSha256"), "document", "manifestSha256"),
    (lambda document: document["source"].update(commit="main"), "document", "commit"),
    (lambda document: document["source"].update(repository="javascript:x/y"), "document", "repository"),
    (lambda document: document["source"].update(repository="http://[x/a/b"), "document", "repository"),
    (lambda document: document["source"].update(repository="https://x:x/a/b"), "document", "repository"),
    (
        lambda document: document["source"].update(repository="https://\x1b[2J/alice/hello"),
        "document",
        "repository",
    ),
    (lambda document: document["attestation"].update(url="http://[x"), "attestation", "of the web"),
    (
        lambda document: document["attestation"].update(url="http://x.localhost:99999/"),
        "attestation",
        "of the web",
    ),
    (
        lambda document: document["source"].update(repository="https://elsewhere.example/alice/hello"),
        "source",
        "another host",
    ),
    (lambda document: document["attestation"].update(url="file:///etc/passwd"), "attestation", "of the web"),
    (
        lambda document: document["attestation"].update(url="http://127.0.0.1/something"),
        "attestation",
        "something else",
    ),
]


@pytest.mark.parametrize(("change", "name", "word"), DOCUMENTS)
def test_a_document_that_contradicts_itself_fails(
    internet: Internet, signer: Signer, change: Change, name: str, word: str
) -> None:
    change(internet.document)
    require_failure(internet, signer, name, word)


def test_an_unknown_app_fails(internet: Internet, signer: Signer) -> None:
    internet.answers["/.well-known/codius"] = (404, {"error": "no_such_app"})
    require_failure(internet, signer, "document", "no such app")


@pytest.mark.parametrize("depth", [50, 300, 980, 10**5])
@pytest.mark.parametrize("place", ["manifest", "deployed", "appId"])
def test_a_deeply_nested_document_fails(internet: Internet, signer: Signer, depth: int, place: str) -> None:
    nested = b"[" * depth + b"]" * depth
    if place == "appId":
        internet.document["manifest"]["appId"] = "NESTED"
    else:
        internet.document[place]["vars"] = {"A": "NESTED"}
    encoded = json.dumps(internet.document).encode().replace(b'"NESTED"', nested)
    internet.answers["/.well-known/codius"] = encoded
    status, report = verify(internet, signer)
    # Of the deeper ones not even the form is known.
    assert status == (1 if depth == 50 else 2), report


@pytest.mark.parametrize("depth", [65, 300, 900, 10**5])
def test_a_deeply_nested_attestation_fails(internet: Internet, signer: Signer, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    internet.answers[internet.attestation_path] = nested
    require_error(*verify(internet, signer), "attestation", "nested too deeply")
    internet.answers[internet.attestation_path] = b'{"attestations": [{"bundle": ' + nested + b"}]}"
    assert verify(internet, signer)[0] == 2


def test_a_document_of_hardly_anything_fails(internet: Internet, signer: Signer) -> None:
    internet.answers["/.well-known/codius"] = {"appId": 1}
    require_failure(internet, signer, "document", "source is not a JSON object")


OTHER_DOCUMENTS = [
    (b"", "is empty"),
    (b"<html>", "is a page of HTML"),
    (b"[]", "not the document of an app"),
    (b"{}", "not the document of an app"),
    (b"null", "not the document of an app"),
    (b"\xff", "is not JSON"),
    (b'{"appId": ', "is not JSON: Expecting value: line 1 column 11"),
    (b"[" * 10**5, "nested too deeply"),
]


@pytest.mark.parametrize(("content", "words"), OTHER_DOCUMENTS)
def test_what_is_no_document_is_told_as_what_it_is(
    internet: Internet, signer: Signer, content: bytes, words: str
) -> None:
    internet.answers["/.well-known/codius"] = content
    require_error(*verify(internet, signer), "document", words)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
QUICKLY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUICKLY
@given(st.sampled_from(["manifest", "deployed", "attestation", "source", "appId", "manifestSha256"]), JSON)
def test_no_document_breaks_it(internet: Internet, signer: Signer, key: str, value: Any) -> None:
    internet.publish_document()
    internet.document[key] = value
    status, report = verify(internet, signer)
    assert status == 1
    assert not report["verified"]


PLACES = [
    *(("attestation", key) for key in ("url", "signer")),
    *(("source", key) for key in ("repository", "commit", "ref", "directory")),
    *(("deployed", key) for key in ("main", "compatibilityFlags", "vars", "modules")),
    *(("manifest", key) for key in ("appId", "source", "vars", "modules")),
]
ADDRESSES = st.tuples(
    st.sampled_from(["http://", "https://", "//", "file://", ""]),
    st.text("[]:@/#?.%\\a1\x00\u2100", max_size=8),
).map("".join)


@QUICKLY
@given(st.sampled_from(PLACES), JSON | ADDRESSES)
def test_no_field_of_a_document_breaks_it(
    internet: Internet, signer: Signer, place: tuple[str, str], value: Any
) -> None:
    internet.publish_document()
    outer, key = place
    # `main` may be left out.
    is_allowed = value == internet.document[outer][key] or (key == "main" and value is None)
    internet.document[outer][key] = value
    status, report = verify(internet, signer)
    assert status == (0 if is_allowed else 1), report


@QUICKLY
@given(JSON)
def test_no_answer_of_github_s_breaks_it(internet: Internet, signer: Signer, value: Any) -> None:
    internet.answers[internet.attestation_path] = {"attestations": [{"bundle": value}]}
    status, _ = verify(internet, signer)
    assert status == 2


# What was signed, and by whom.


def test_without_an_attestation_it_fails(internet: Internet, signer: Signer) -> None:
    internet.publish()
    require_failure(internet, signer, "attestation", "there is no attestation")
    del internet.answers[internet.attestation_path]
    require_failure(internet, signer, "attestation", "there is no attestation")


STATEMENTS: list[tuple[Any, str]] = [
    (statement_of(replace(SOURCE, commit="b" * 40)), "another manifest"),
    (statement_of(replace(SOURCE, app_id="another")), "another manifest"),
    (
        statement_of(artifact=replace(ARTIFACT, modules=ARTIFACT.modules | {"index.js": b"x"})),
        "another manifest",
    ),
]


@pytest.mark.parametrize(("statement", "word"), STATEMENTS)
def test_an_attestation_of_something_else_fails(
    internet: Internet, signer: Signer, statement: Any, word: str
) -> None:
    internet.publish(signer.sign(statement))
    require_failure(internet, signer, "source", word)


def changed_source(**change: Any) -> Any:
    statement = statement_of()
    statement["predicate"]["buildDefinition"]["resolvedDependencies"][1] |= change
    return statement


def changed_inputs(**change: Any) -> Any:
    statement = statement_of()
    statement["predicate"]["buildDefinition"]["externalParameters"]["inputs"] |= change
    return statement


def changed_variables(**change: Any) -> Any:
    statement = statement_of()
    statement["predicate"]["buildDefinition"]["externalParameters"]["vars"] |= change
    return statement


def without_module() -> Any:
    statement = statement_of()
    statement["subject"][1]["digest"]["sha256"] = "0" * 64
    return statement


PROVENANCES: list[tuple[Any, str]] = [
    (changed_source(digest={"gitCommit": "b" * 40}), "built from the commit bbbb"),
    (changed_source(uri="git+https://github.example/bob/hello"), "built from git+https://github.example/bob"),
    (changed_source(annotations={"directory": ""}), "built from the directory /"),
    (changed_source(name="other"), "doesn't say what it was built from"),
    (changed_inputs(appId="another"), "built for the app another"),
    (changed_inputs(ref="v1.0-audited"), "built from the ref 'v1.0-audited'"),
    (changed_variables(APPS_DOMAIN="apps.evil.example"), "answer under apps.evil.example, not at"),
    (changed_variables(APPS_DOMAIN=None), "answer under None, not at"),
    (without_module(), "about other modules"),
    (statement_of() | {"predicateType": "https://example.com"}, "not SLSA provenance"),
    (statement_of() | {"predicate": {}}, "doesn't say what it was built from"),
    (statement_of() | {"subject": None}, "no subjects"),
]


@pytest.mark.parametrize(("statement", "word"), PROVENANCES)
def test_a_provenance_that_says_something_else_fails(
    internet: Internet, signer: Signer, statement: Any, word: str
) -> None:
    internet.publish(signer.sign(statement))
    require_failure(internet, signer, "source", word)


def test_another_workflow_s_signature_fails(internet: Internet, signer: Signer) -> None:
    other = SIGNER.replace("deploy-worker", "other")
    internet.publish(signer.sign(claims={"job_workflow_uri": other}))
    require_failure(internet, signer, "identity", f"{other} signed")
    internet.document["attestation"]["signer"] = other
    require_failure(internet, signer, "identity", "not a workflow that deploys apps")


def test_another_issuer_s_certificate_fails(internet: Internet, signer: Signer) -> None:
    internet.publish(signer.sign(claims={"iss": "https://accounts.example.com"}))
    require_failure(internet, signer, "identity", "https://accounts.example.com")


def test_another_operator_s_workflow_fails_where_one_is_required(internet: Internet, signer: Signer) -> None:
    require_failure(
        internet, signer, "identity", "operator/platform", options=("--signer-repo", "trusted/platform")
    )


@pytest.mark.parametrize("trusted", ["operator/platform", "Operator/Platform@main"])
def test_another_branch_s_workflow_fails(internet: Internet, signer: Signer, trusted: str) -> None:
    other = SIGNER.replace("heads/main", "heads/old")
    internet.publish(signer.sign(claims={"job_workflow_uri": other, "ref": "refs/heads/old"}))
    internet.document["attestation"]["signer"] = other
    require_failure(internet, signer, "identity", "the branch old signed", options=("--signer-repo", trusted))
    assert verify(internet, signer, "--signer-repo", "operator/platform@old")[0] == 0


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ({"runner_environment": "self-hosted"}, "was on self-hosted, started by workflow_dispatch"),
        ({"event_name": "push"}, "was on github-hosted, started by push"),
    ],
)
def test_a_run_that_the_dashboard_did_not_start_fails(
    internet: Internet, signer: Signer, claim: dict[str, str], words: str
) -> None:
    internet.publish(signer.sign(claims=claim))
    require_failure(internet, signer, "identity", words)


def test_a_person_s_certificate_names_the_person() -> None:
    certificate = certificate_of(x509.RFC822Name("mallory@example.com"), {})
    signed = Certificate.of(certificate)
    assert (signed.workflow, signed.issuer, signed.signer_commit) == ("mallory@example.com", None, None)
    assert signed.repository_url is None


@pytest.mark.parametrize(
    ("digests", "expected"),
    [
        ({"19": "a", "13": "b"}, None),
        ({"10": "c", "19": "a", "13": "b"}, "c"),
        ({"10": "x" * 300}, "x" * 300),
    ],
)
def test_the_workflow_s_commit_is_its_own_not_that_of_who_called_it(
    digests: dict[str, str], expected: str | None
) -> None:
    certificate = certificate_of(x509.UniformResourceIdentifier(SIGNER), digests)
    assert Certificate.of(certificate).signer_commit == expected


def certificate_of(name: x509.GeneralName, digests: dict[str, str]) -> x509.Certificate:
    key, nobody = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    day = datetime(2026, 11, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(nobody, nobody, key.public_key(), x509.random_serial_number(), day, day)
    builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=True)
    for number, text in digests.items():
        oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
        extension = x509.UnrecognizedExtension(oid, asn1.encode_der(text))
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256())


def test_an_expired_certificate_fails(internet: Internet, signer: Signer) -> None:
    internet.publish(signer.sign(issuedAt="2026-01-01T00:00:00Z"))
    require_failure(internet, signer, "signature", "expired")


def test_a_self_made_certificate_fails(internet: Internet, signer: Signer) -> None:
    internet.publish(signer.sign(authority="self-made"))
    require_failure(internet, signer, "signature", "not issued by an authority that is trusted")


def change_signature(bundle: Any) -> None:
    signature = bytearray(base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
    signature[-1] ^= 1
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def change_payload(bundle: Any) -> None:
    statement = payload_of(bundle) | {"more": 1}
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()


def entry_of(bundle: Any) -> Any:
    return bundle["verificationMaterial"]["tlogEntries"][0]


OLDER_BUNDLE = "application/vnd.dev.sigstore.bundle+json;version="
BUNDLES: list[tuple[Change, str]] = [
    (change_signature, "signature is wrong"),
    (change_payload, "signature is wrong"),
    (lambda bundle: entry_of(bundle).update(logIndex="12"), "log's entry"),
    (lambda bundle: entry_of(bundle)["inclusionPromise"].update(signedEntryTimestamp="AAAA"), "log's entry"),
    (lambda bundle: entry_of(bundle)["inclusionProof"].update(rootHash="AAAA"), "log's entry"),
    (lambda bundle: bundle["verificationMaterial"].update(tlogEntries=[]), "it has no log entry"),
    (lambda bundle: bundle["verificationMaterial"].update(tlogEntries=[{}, {}]), "it has 2 log entries"),
    (lambda bundle: entry_of(bundle).pop("inclusionPromise"), "nothing that is trusted says when"),
    (lambda bundle: bundle["verificationMaterial"].pop("certificate"), "it has no certificate"),
    (lambda bundle: bundle.update(mediaType=f"{OLDER_BUNDLE}0.2"), "it has no certificate chain"),
    (lambda bundle: entry_of(bundle).update(logIndex="none"), "logIndex"),
    (lambda bundle: bundle["dsseEnvelope"].pop("payload"), "can't be"),
]


@pytest.mark.parametrize(("change", "word"), BUNDLES)
def test_a_bundle_that_was_changed_fails(
    internet: Internet, signer: Signer, change: Change, word: str
) -> None:
    bundle = signer.sign()
    change(bundle)
    internet.publish(bundle)
    require_failure(internet, signer, "signature", word)


def test_another_entry_of_the_log_fails(internet: Internet, signer: Signer) -> None:
    bundle, other = signer.sign(), signer.sign(statement_of(replace(SOURCE, commit="b" * 40)))
    bundle["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]
    internet.publish(bundle)
    require_failure(internet, signer, "signature", "log's entry")


def test_one_good_attestation_of_several_is_enough(internet: Internet, signer: Signer) -> None:
    broken = signer.sign()
    change_signature(broken)
    internet.publish(broken, {"nothing": 1}, signer.sign())
    assert verify(internet, signer)[0] == 0
    internet.publish(signer.sign(), broken)
    assert verify(internet, signer)[0] == 0


def test_an_app_of_very_many_modules_is_verified_by_its_manifest(internet: Internet, signer: Signer) -> None:
    statement = statement_of()
    del statement["subject"][1:]
    internet.publish(signer.sign(statement))
    assert verify(internet, signer)[0] == 0


# Files instead of GitHub.


def test_an_attestation_is_read_from_a_file(internet: Internet, signer: Signer, tmp_path: Path) -> None:
    del internet.answers[internet.attestation_path]
    bundle, file = signer.sign(), tmp_path / "bundle.json"
    contents = [
        json.dumps(bundle, indent=2),
        json.dumps({"attestations": [{"bundle": bundle}]}),
        f"{json.dumps(bundle)}\n{json.dumps(bundle)}\n",
        # JSON may have characters that Python takes for line ends.
        json.dumps({"more": "\u2028"}, ensure_ascii=False) + f"\n{json.dumps(bundle)}\n",
    ]
    for content in contents:
        file.write_text(content)
        assert verify(internet, signer, "--bundle", str(file))[0] == 0, content[:100]


@pytest.mark.parametrize("content", ["[]", '{"attestations": []}'])
def test_a_file_without_an_attestation_fails(
    internet: Internet, signer: Signer, tmp_path: Path, content: str
) -> None:
    (tmp_path / "bundle.json").write_text(content)
    options = ("--bundle", str(tmp_path / "bundle.json"))
    require_failure(internet, signer, "attestation", "there is no attestation", options=options)


# What can't be checked is not called wrong.


@pytest.mark.parametrize("minutes", [-11, 11, -600_000])
def test_what_was_seen_long_ago_says_nothing_of_now(internet: Internet, signer: Signer, minutes: int) -> None:
    time = datetime.now(UTC) + timedelta(minutes=minutes)
    internet.document["checkedAt"] = f"{time:%Y-%m-%dT%H:%M:%SZ}"
    require_error(*verify(internet, signer), "deployed", "says nothing of now")
    flip(internet.document)
    require_failure(internet, signer, "deployed", "index.js changed")


@pytest.mark.parametrize("change", [{"version": 3}, {"version": True}, {"assets": []}])
def test_a_manifest_of_a_later_form_is_not_called_right(
    internet: Internet, signer: Signer, change: dict[str, Any]
) -> None:
    manifest = internet.document["manifest"] | change
    sha256 = hashlib.sha256(rfc8785.dumps(manifest)).hexdigest()
    internet.document.update(manifest=manifest, manifestSha256=sha256)
    require_error(*verify(internet, signer), "manifest", "this version of codius doesn't know")


def test_a_manifest_of_the_first_form_which_says_nothing_of_what_is_left_out_is_known(
    internet: Internet, signer: Signer
) -> None:
    manifest = internet.document["manifest"] | {"version": 1}
    del manifest["leftOut"]
    sha256 = hashlib.sha256(rfc8785.dumps(manifest)).hexdigest()
    internet.document.update(manifest=manifest, manifestSha256=sha256)
    _, report = verify(internet, signer)
    assert [check["status"] for check in report["checks"] if check["name"] == "manifest"] == ["ok"]


def require_error(status: int, report: dict[str, Any], name: str, word: str) -> None:
    assert status == 2, report
    (check,) = (check for check in report["checks"] if check["status"] == "error")
    assert check["name"] == name
    assert word in check["detail"]


def list_bundle(internet: Internet, **item: Any) -> None:
    internet.answers[internet.attestation_path] = {"attestations": [{"repository_id": 1, **item}]}


def test_a_bundle_may_be_in_the_list_or_plain(internet: Internet, signer: Signer) -> None:
    list_bundle(internet, bundle=signer.sign())
    assert verify(internet, signer)[0] == 0
    internet.answers["/plain.json"] = signer.sign()
    list_bundle(internet, bundle=None, bundle_url=f"http://127.0.0.1:{internet.port}/plain.json")
    assert verify(internet, signer)[0] == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, {}), "answers with status 403"),
        (b"\xff" * 9, "can't be unpacked"),
        # Its first bytes announce 64 MB.
        (b"\x80\x80\x80\x20\x00a", "more than 4,194,304 bytes"),
    ],
)
def test_a_bundle_that_can_not_be_had_is_not_called_wrong(
    internet: Internet, signer: Signer, answer: Any, words: str
) -> None:
    internet.answers["/1.json.sn"] = answer
    list_bundle(internet, bundle=None, bundle_url=f"http://127.0.0.1:{internet.port}/1.json.sn")
    require_error(*verify(internet, signer), "signature", words)


def test_a_stored_bundle_that_is_none_is_told_as_what_it_is(internet: Internet, signer: Signer) -> None:
    internet.answers["/1.json.sn"] = bytes(cramjam.snappy.compress_raw(b"nothing"))
    list_bundle(internet, bundle=None, bundle_url=f"http://127.0.0.1:{internet.port}/1.json.sn")
    require_error(*verify(internet, signer), "signature", "the attestation is not JSON")


def test_who_can_not_be_reached_is_named(internet: Internet, signer: Signer) -> None:
    internet.document["attestation"]["url"] = f"http://127.0.0.1:9{internet.attestation_path}"
    require_error(*verify(internet, signer), "attestation", "127.0.0.1:9")
    require_error(*verify(internet, signer, url="http://127.0.0.1:9"), "document", "127.0.0.1:9")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_an_app_that_can_not_tell_now_is_not_called_wrong(
    internet: Internet, signer: Signer, status: int
) -> None:
    internet.answers["/.well-known/codius"] = (
        status,
        {"error": "x", "message": "Cloudflare is \x1b[2J down."},
    )
    require_error(*verify(internet, signer), "document", "Cloudflare is")


def test_a_server_that_asks_to_wait_is_not_waited_for(internet: Internet, signer: Signer) -> None:
    internet.answers["/.well-known/codius"] = (503, {"message": "later"}, {"retry-after": "86400"})
    require_error(*verify(internet, signer), "document", "later")
    assert len(internet.asked) == 1


def test_few_redirects_are_followed(internet: Internet, signer: Signer) -> None:
    moved = internet.document
    internet.answers["/.well-known/codius"] = (301, {}, {"location": "/moved"})
    internet.answers["/moved"] = moved
    assert verify(internet, signer)[0] == 0
    internet.answers["/moved"] = (302, {}, {"location": "/moved"})
    require_error(*verify(internet, signer), "document", "too many redirects")


def test_an_answer_is_not_read_without_end(internet: Internet, signer: Signer) -> None:
    internet.answers["/.well-known/codius"] = b" " * (8 * 1024 * 1024 + 1)
    require_error(*verify(internet, signer), "document", "more than 8,388,608 bytes")


def test_an_answer_that_does_not_come_to_an_end_is_given_up(
    internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "ANSWER_SECONDS", 0.2)
    is_over = threading.Event()
    internet.answers["/.well-known/codius"] = lambda: (is_over.wait(), internet.document_of(SOURCE))[1]
    require_error(*verify(internet, signer), "document", "takes more than 0.2 seconds to answer")
    is_over.set()


def test_a_missing_file_is_named(internet: Internet, signer: Signer) -> None:
    require_error(*verify(internet, signer, "--bundle", "/no/such/file"), "attestation", "/no/such/file")


def test_a_missing_root_of_trust_is_named(internet: Internet, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", internet.app_url, "--trusted-root", "/no/such/root"]) == 2
    assert "/no/such/root can't be read: No such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "http://",
        "http://a:b@c",
        "http://x:99999",
        "http://x:y",
        "://",
        "http://.x",
        "http://[",
        "http://a\u2100b",
        # What a Windows shell may give, and what ends a name to others.
        "\\\\host\\share",
        "C:\\app",
        "C:/app",
        "C:",
        "https://evil.example\\.apps.example",
        "http://x y.localhost",
        "http://x%00.localhost",
        "http://[fe80::1%25eth0]",
        " ",
        "https://b\u00fccher.example",
    ],
)
def test_what_is_no_address_is_a_usage_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["verify", url])
    assert error.value.code == 2
    assert "is not the address of an app" in capsys.readouterr().err


def test_what_others_say_can_not_command_the_terminal(
    internet: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    internet.document["appId"] = "\x1b[2J\u202eevil"
    main(["verify", internet.app_url, "--trusted-root", signer.trusted_root])
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert "\\x1b[2J" in output


def test_what_others_say_is_not_said_without_end(
    internet: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    internet.answers["/.well-known/codius"] = (503, {"message": "x" * 1_000_000})
    main(["verify", internet.app_url, "--trusted-root", signer.trusted_root])
    assert len(capsys.readouterr().out) < 10_000


def test_a_terminal_that_can_not_show_a_character_is_given_an_escape(
    internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    internet.document["appId"] = "größe"
    output = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(output, encoding="ascii"))
    assert main(["verify", internet.app_url, "--trusted-root", signer.trusted_root]) == 1
    assert b"gr\\xf6\\xdfe" in output.getvalue()


def test_the_manifest_here_is_the_one_that_the_workflow_makes() -> None:
    assert json.loads(MANIFEST.encoded)["appId"] == APP
