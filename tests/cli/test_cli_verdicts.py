"""`codius verify`: which of several attestations counts, what isn't one, and who is asked for them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cramjam
import pytest
from jsonschema import Draft202012Validator
from urllib3.exceptions import ConnectTimeoutError

from codius import addresses, bundles, web
from codius.errors import UncheckableError
from codius.main import main
from codius.web import Web
from tests.cli.conftest import APP, SIGNER, SOURCE, Internet, Signer, statement_of
from tests.cli.test_cli_verify import change_signature, require_error, require_failure, verify

TRUSTED = ("--signer-repo", "operator/platform")
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "verify.schema.json").read_text())
TOKEN = "ghs_of_this_test"


# Who signed.


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        # The operator's workflow, called by somebody else: its name and commit are the operator's.
        ({"repository": "mallory/caller"}, "mallory/caller had the workflow run"),
        ({"repository": "operator/platform-x"}, "operator/platform-x had the workflow run"),
        ({"ref": "refs/heads/other"}, "the run was of refs/heads/other, not of refs/heads/main"),
        ({"ref": "refs/tags/main"}, "the run was of refs/tags/main"),
    ],
)
def test_a_workflow_that_somebody_else_called_fails(
    internet: Internet, signer: Signer, claims: dict[str, str], words: str
) -> None:
    internet.publish(signer.sign(claims=claims))
    require_failure(internet, signer, "identity", words)
    require_failure(internet, signer, "identity", words, options=TRUSTED)


# Which of several counts.


def broken(signer: Signer) -> Any:
    bundle = signer.sign()
    change_signature(bundle)
    return bundle


def publish(internet: Internet, *items: Any) -> None:
    internet.answers[internet.attestation_path] = {"attestations": list(items)}


def unreachable(internet: Internet) -> dict[str, Any]:
    internet.answers["/gone.json.sn"] = (503, {})
    return {"bundle": None, "bundle_url": f"http://127.0.0.1:{internet.port}/gone.json.sn"}


def test_the_order_of_attestations_decides_nothing(internet: Internet, signer: Signer) -> None:
    bad, good = {"bundle": broken(signer)}, {"bundle": signer.sign()}
    other = {"bundle": signer.sign(claims={"runner_environment": "self-hosted"})}
    unknown = unreachable(internet)
    for items, expected, words in (
        ([bad, other, unknown, good], 0, "certificate, transparency log and signature"),
        ([bad, other, unknown], 2, "the attestation's server answers with status 503"),
        # The one that came furthest is told.
        ([bad, other, {"bundle": signer.sign(claims={"iss": "https://else.example"})}], 1, "certificate, "),
    ):
        found = set()
        for order in itertools.permutations(items):
            publish(internet, *order)
            status, report = verify(internet, signer)
            found.add((status, tuple((check["status"], check["detail"]) for check in report["checks"][4:])))
        ((status, checks),) = found
        assert status == expected, items
        assert words in checks[0][1]


def test_attestations_of_all_pages_are_read(
    internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = f"http://127.0.0.1:{internet.port}/more?after=1"
    first = {"attestations": [{"bundle": broken(signer)}]}
    internet.answers[internet.attestation_path] = (
        200,
        first,
        {"link": f'<http://127.0.0.1:9/x>; rel="prev", <{following}>; rel="next"'},
    )
    internet.answers["/more?after=1"] = {"attestations": [{"bundle": signer.sign()}]}
    assert verify(internet, signer)[0] == 0
    assert any("predicate_type=provenance" in path for _, path in internet.asked)
    # A list that never ends, and one that goes on elsewhere: what is in it nobody knows.
    internet.answers["/more?after=1"] = (200, first, {"link": f'<{following}>; rel="next"'})
    require_error(*verify(internet, signer), "signature", "there are more than 100")
    internet.answers["/more?after=1"] = (200, first, {"link": '<http://127.0.0.1:9/x>; rel="next"'})
    require_error(*verify(internet, signer), "signature", "continues its list elsewhere")
    monkeypatch.setattr(bundles, "LIST_SECONDS", 0)
    require_error(*verify(internet, signer), "signature", "to read all attestations takes more than")
    monkeypatch.undo()
    internet.answers["/more?after=1"] = (200, first, {"link": '<http://[>; rel="next"'})
    require_error(*verify(internet, signer), "signature", "continues its list elsewhere")
    internet.answers["/more?after=1"] = (502, {})
    require_error(*verify(internet, signer), "signature", "answers with status 502")


# What is no attestation.


OTHERS: list[tuple[Callable[[Any], bytes], str]] = [
    (lambda bundle: b"", "is empty"),
    (lambda bundle: b"nothing", "is not JSON"),
    (lambda bundle: b"<!DOCTYPE html><html>", "is a page of HTML"),
    (lambda bundle: json.dumps(bundle).encode()[:2000], "is not JSON: Unterminated string"),
    (lambda bundle: json.dumps(bundle["dsseEnvelope"]).encode(), "an envelope without the certificate"),
    (lambda bundle: json.dumps(statement_of()).encode(), "a statement that nobody has signed"),
    (lambda bundle: b"{}", "a JSON object with nothing in it"),
    (lambda bundle: b"[1]", "the JSON value 1"),
    (lambda bundle: b'{"mediaType": "application/json"}', "a document of the type application/json"),
    (
        lambda bundle: json.dumps(
            bundle | {"mediaType": "application/vnd.dev.sigstore.bundle.v9+json"}
        ).encode(),
        "its mediaType is 'application/vnd.dev.sigstore.bundle.v9+json'",
    ),
    (
        lambda bundle: json.dumps({k: v for k, v in bundle.items() if k != "mediaType"}).encode(),
        "a bundle without its mediaType",
    ),
    (
        lambda bundle: json.dumps(
            {k: v for k, v in bundle.items() if k != "dsseEnvelope"} | {"messageSignature": {}}
        ).encode(),
        "the signature of a file",
    ),
    (lambda bundle: b'{"a": 1}\n{"b": \n', "line 2 is not JSON"),
]


@pytest.mark.parametrize(("content", "words"), OTHERS)
def test_a_file_of_another_kind_is_told_as_what_it_is(
    internet: Internet, signer: Signer, tmp_path: Path, content: Callable[[Any], bytes], words: str
) -> None:
    file = tmp_path / "bundle.json"
    file.write_bytes(content(signer.sign()))
    status, report = verify(internet, signer, "--bundle", str(file))
    details = [check["detail"] for check in report["checks"] if check["status"] == "error"]
    assert status == 2, report
    if "line 2" not in words:
        assert words in details[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_byte_order_mark_is_read_over(
    internet: Internet, signer: Signer, tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "bundle.json").write_bytes(json.dumps(signer.sign()).encode(encoding))
    assert verify(internet, signer, "--bundle", str(tmp_path / "bundle.json"))[0] == 0
    internet.answers["/.well-known/codius"] = json.dumps(internet.document).encode(encoding)
    assert verify(internet, signer)[0] == 0


def test_a_bundle_is_no_larger_than_one_can_be(internet: Internet, signer: Signer) -> None:
    bundle = signer.sign()
    proof = bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    proof["checkpoint"]["envelope"] += "\u2014 x AAAA\n" * 30_000
    publish(internet, {"bundle": bundle})
    require_error(*verify(internet, signer), "signature", "more than 262,144 bytes beside what was signed")
    internet.answers["/large.json.sn"] = bytes(cramjam.snappy.compress_raw(b" " * (4 * 1024 * 1024 + 1)))
    publish(internet, {"bundle_url": f"http://127.0.0.1:{internet.port}/large.json.sn"})
    require_error(*verify(internet, signer), "signature", "more than 4,194,304 bytes")


# Roots.


def test_roots_in_lines_are_read_and_any_may_be_the_right_one(
    internet: Internet, signer: Signer, tmp_path: Path
) -> None:
    signer.sign(authority="another")
    own = json.loads(Path(signer.trusted_root).read_text())
    other = json.loads((Path(signer.trusted_root).parents[1] / "another/trusted_root.json").read_text())
    file = tmp_path / "roots.jsonl"
    without_log = other | {"tlogs": []}
    for roots in ([own, other], [other, own], [own], [without_log, own]):
        file.write_text("".join(json.dumps(root) + "\n" for root in roots))
        assert verify(internet, signer, "--trusted-root", str(file))[0] == 0
    file.write_text(json.dumps(other))
    options = ("--trusted-root", str(file))
    require_failure(internet, signer, "signature", "the certificate", options=options)
    file.write_text(json.dumps(without_log))
    require_error(*verify(internet, signer, *options), "signature", "no transparency log instances")
    for content, words in (("", "is empty"), ("[]", "of the kind None"), ('{"mediaType": "x"}', "'x'")):
        file.write_text(content)
        require_error(*verify(internet, signer, *options), "signature", words)


# Nobody is asked.


def test_a_saved_check_is_repeated_without_asking_anybody(
    internet: Internet, signer: Signer, tmp_path: Path
) -> None:
    file, options = tmp_path / "check.json", (*TRUSTED, "--save", str(tmp_path / "check.json"))
    assert verify(internet, signer, *options)[0] == 0
    saved = json.loads(file.read_text())
    assert saved["answers"][0]["json"]["appId"] == APP
    assert saved["trustedRoots"] == [json.loads(Path(signer.trusted_root).read_text())]
    internet.asked.clear()
    output = run_offline(internet, file)
    assert output["verified"] is True
    assert output["asOf"] == saved["savedAt"]
    assert internet.asked == []
    # What is in the file is what counts.
    saved["answers"][0]["json"]["deployed"]["modules"].pop()
    file.write_text(json.dumps(saved))
    assert run_offline(internet, file)["verified"] is False
    assert internet.asked == []


def run_offline(internet: Internet, file: Path, *options: str) -> Any:
    command = [sys.executable, "-m", "codius", "verify", internet.app_url, "--json", "--offline", str(file)]
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(web.__file__).parents[1]),
        "HOME": str(file.parent),
    }
    done = subprocess.run([*command, *TRUSTED, *options], capture_output=True, text=True, env=env)
    assert done.returncode in (0, 1, 2), done.stderr
    return json.loads(done.stdout)


def test_of_attestations_alone_there_is_who_signed_them_and_nobody_is_asked(
    internet: Internet, signer: Signer, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.json"
    for bundle, status, words in (
        (signer.sign(), 2, "nobody is asked"),
        (broken(signer), 1, "nobody is asked"),
        (signer.sign(claims={"repository": "mallory/caller"}), 1, "nobody is asked"),
    ):
        file.write_text(json.dumps(bundle))
        found, report = verify(internet, signer, *TRUSTED, "--offline", str(file))
        assert found == status, report
        assert words in report["checks"][0]["detail"]
    file.write_text("{")
    require_error(*verify(internet, signer, *TRUSTED, "--offline", str(file)), "attestation", "is not JSON")
    assert internet.asked == []


# Who is asked, and for how long.


def test_the_token_of_github_is_for_github_alone(
    internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    assert verify(internet, signer)[0] == 0
    assert TOKEN not in str(internet.headers)
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{internet.port}")
    assert verify(internet, signer)[0] == 0
    told = {path.partition("?")[0] for path, headers in internet.headers if TOKEN in str(headers)}
    assert internet.attestation_path in told
    assert "/.well-known/codius" not in told


def test_a_rate_limit_says_when_it_is_over(internet: Internet, signer: Signer) -> None:
    limits = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795000000"}
    internet.answers[internet.attestation_path] = (403, {}, limits)
    require_error(*verify(internet, signer), "attestation", "again at 2026-11-18 11:06:40 UTC")
    internet.answers[internet.attestation_path] = (429, {}, {"retry-after": "77"})
    status, report = verify(internet, signer)
    require_error(status, report, "attestation", "again in 77 seconds")
    # It isn't GitHub's API.
    assert "GITHUB_TOKEN" not in str(report)


def test_a_proxy_of_the_environment_is_used(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{internet.port}")
    internet.answers["http://app.example/x"] = {"by": "proxy"}
    assert Web("http://app.example").json("http://app.example/x") == (200, {"by": "proxy"})
    monkeypatch.setenv("no_proxy", "app.example")
    with pytest.raises(UncheckableError, match=r"app\.example can't be reached"):
        Web("http://app.example").json("http://app.example/x")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/x", "is this machine"),
        ("http://x.localhost:9/x", "is this machine"),
        ("https://[::1]/x", "is this machine"),
        ("http://github.example/x", "only https is safe"),
        ("https://10.0.0.1/x", "10.0.0.1 is not an address of the public web"),
        ("https://169.254.169.254/latest", "169.254.169.254 is not"),
        ("https://[::ffff:10.0.0.1]/x", "is not an address of the public web"),
        ("https://[64:ff9b::a00:1]/x", "is not an address of the public web"),
        ("https://[fd00::1]/x", "is not an address of the public web"),
        ("https://0/x", "is not an address of the public web"),
        ("https://2130706433/x", "is not an address of the public web"),
        ("https://localhost./x", "is this machine"),
        ("https://[::127.0.0.1]/x", "is not an address of the public web"),
        ("https://[64:ff9b:1::7f00:1]/x", "is not an address of the public web"),
        ("https://[fec0::1]/x", "is not an address of the public web"),
        ("https://127.1/x", "127.0.0.1 is not an address of the public web"),
        ("https://\uff11\uff12\uff17.0.0.1/x", "its name may be taken for another"),
    ],
)
@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
def test_a_document_leads_to_public_addresses_only(
    url: str, words: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(UncheckableError, match=words.replace(".", r"\.")):
        Web("https://app.example").get(url)


def test_a_name_of_an_address_that_is_not_public_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", ("192.168.1.1", 443))]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *arguments, **options: found)
    with pytest.raises(UncheckableError, match=r"192\.168\.1\.1 is not an address of the public web"):
        Web("https://app.example").get("https://github.example/x")


def test_a_redirect_leads_no_further_than_an_address(internet: Internet, signer: Signer) -> None:
    for target, words in (
        ("https://10.0.0.1/x", "10.0.0.1 is not an address of the public web"),
        ("http://github.example/x", "only https is safe"),
        ("file:///etc/passwd", "leads to what is not an address of the web"),
        ("http://[", "leads to what is not an address of the web"),
    ):
        internet.answers["/.well-known/codius"] = (302, {}, {"location": target})
        require_error(*verify(internet, signer), "document", words)


def test_one_time_is_for_all_of_a_request(
    internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each redirect answers soon enough, all of them together do not."""
    monkeypatch.setattr(web, "ANSWER_SECONDS", 0.5)
    is_over = threading.Event()
    internet.answers["/.well-known/codius"] = lambda: (is_over.wait(0.2), (302, {}, {"location": "/later"}))[
        1
    ]
    internet.answers["/later"] = lambda: (is_over.wait(), {})[1]
    require_error(*verify(internet, signer), "document", "takes more than 0.5 seconds")
    is_over.set()


# What is written.


def test_a_closed_pipe_and_a_full_disk_end_it_quietly(
    internet: Internet, signer: Signer, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "codius",
        "verify",
        internet.app_url,
        "--trusted-root",
        signer.trusted_root,
    ]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(web.__file__).parents[1])}
    reader, writer = os.pipe()
    os.close(reader)
    with open("/dev/full", "wb") as full, os.fdopen(writer, "wb") as pipe:
        for output in (full, pipe):
            done = subprocess.run(
                [*command, *TRUSTED], stdout=output, stderr=subprocess.PIPE, text=True, env=env
            )
            assert done.returncode == 2
            assert done.stderr.startswith("The result could not be written: ")
            assert len(done.stderr.splitlines()) == 1
    done = subprocess.run(
        [*command, *TRUSTED, "--save", "/dev/full"], capture_output=True, text=True, env=env
    )
    assert (done.returncode, done.stderr) == (2, "/dev/full could not be written: No space left on device.\n")


def test_a_stream_that_is_closed_is_no_failure_of_its_own_and_nothing_goes_to_the_other(
    internet: Internet, tmp_path: Path
) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(web.__file__).parents[1])}
    command = f"{sys.executable} -m codius verify {internet.app_url} --json --save {tmp_path}/no/file"

    def run(closed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", f"{command} {closed}"], capture_output=True, text=True, env=env)

    done = run(">&-")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "The result could not be written: stdout is closed."
    done = run("2>&-")
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["url"] == internet.app_url
    done = run("--nonsense 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectTimeoutError(object(), "Connection to x timed out. (connect timeout=10)"), "timed out"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    ],
)
def test_why_a_server_is_out_of_reach_is_said_in_words(error: Exception, words: str) -> None:
    said = web.reason_of(error)
    assert words in said
    assert "object at" not in said


def test_what_is_printed_as_json_is_what_the_schema_says(internet: Internet, signer: Signer) -> None:
    validator = Draft202012Validator(SCHEMA)
    status, report = verify(internet, signer, *TRUSTED)
    assert status == 0
    validator.validate(report)
    certificate = report["certificate"]
    assert certificate["workflow"] == SIGNER
    assert certificate["signerCommit"] == "d" * 40
    assert certificate["sourceRepository"] == "https://github.example/operator/platform"
    assert certificate["sourceRef"] == "refs/heads/main"
    assert report["run"] == "https://github.example/operator/platform/actions/runs/77/attempts/2"
    assert report["signedAt"] is not None
    assert report["statement"] == statement_of(SOURCE)
    for answer in ({}, (404, {}), (503, {"message": "x"})):
        internet.answers["/.well-known/codius"] = answer
        validator.validate(verify(internet, signer)[1])
    # Each field is described, and nothing else.
    described = SCHEMA["$defs"]["report"]
    assert set(described["properties"]) == set(described["required"]) == set(report)
    assert main(["verify", "http://127.0.0.1:9", "--json"]) == 2
