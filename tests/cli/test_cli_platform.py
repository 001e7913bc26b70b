"""`codius verify --platform`: the platform's own Workers at the local Cloudflare, as they are signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from codius.cloudflare import script_of
from codius.errors import CheckFailedError, UncheckableError
from codius.given import given, not_signed
from codius.main import main
from codius.platform_manifest import PlatformManifest as SignedManifest
from codius.platform_manifest import compare, is_same
from deploy.attested import predicate
from deploy.configs import Installation
from deploy.platform import Commit, PlatformManifest, manifest_of
from deploy.read_back import is_same_binding, problems_at_cloudflare
from local.cloudflare.account import CloudflareAccount
from local.cloudflare.permissions import READ_TOKEN
from local.cloudflare.script_settings import told
from local.cloudflare.workers import Script, Version
from local.staging import ROOT
from pipeline.upload_form import Part, UploadForm
from tests.cli.conftest import ACCOUNT, OPERATOR, RUN, Internet, Signer
from tests.cli.test_cli_verdicts import SCHEMA
from tests.cli.test_cli_verify import verify
from tests.given_settings import HARMLESS, LISTENER
from tests.pipeline.support import served

FORK = "d" * 40
INSTALLATION = Installation(ROOT, "production")
BINDINGS: dict[str, list[dict[str, Any]]] = {
    "billing": [
        {"name": "BILLING", "type": "durable_object_namespace", "class_name": "BillingDurableObject"}
    ],
    "dashboard": [
        {"name": "APPS_DOMAIN", "type": "plain_text", "text": "localhost"},
        {"name": "DISPATCH_NAMESPACE", "type": "plain_text", "text": "testing"},
        {"name": "CLOUDFLARE_ACCOUNT_ID", "type": "plain_text", "text": ACCOUNT},
        {"name": "DB", "type": "d1", "id": "database"},
    ],
    "dispatch": [
        {"name": "APPS_DOMAIN", "type": "plain_text", "text": "localhost"},
        {
            "name": "BILLING",
            "type": "durable_object_namespace",
            "class_name": "BillingDurableObject",
            "script_name": "codius-billing",
        },
        {"name": "DASHBOARD", "type": "service", "service": "codius-dashboard"},
        {"name": "DISPATCHER", "type": "dispatch_namespace", "namespace": "testing"},
    ],
}


def form_of(part: str, content: bytes = b"def fetch(): ...\n", more: Any = ()) -> UploadForm:
    metadata = {
        "main_module": "entry.py",
        "bindings": [*BINDINGS[part], *more],
        "compatibility_date": "2026-11-01",
        "compatibility_flags": ["python_workers"],
        # As in the three configs.
        "observability": {"enabled": True, "redact_query_string": True},
    }
    if part == "dashboard":
        metadata["assets"] = {"jwt": "of an upload of static files"}
    return UploadForm(metadata, (Part("entry.py", "text/x-python", content),))


def signed_form(form: UploadForm) -> UploadForm:
    """As wrangler has it on a dry run, which knows of no database's id."""
    bindings = [
        {"name": item["name"], "type": "inherit"} if item["type"] == "d1" else item
        for item in form.metadata["bindings"]
    ]
    return UploadForm({**form.metadata, "bindings": bindings}, form.modules)


def uploaded(name: str) -> Script:
    """Another Worker of the account, with nothing in it."""
    version = Version("1", {"bindings": [], "main_module": "index.js"}, [], "now")
    script = Script(name, [version])
    script.deploy(version)
    return script


@dataclass
class Fork:
    """An operator's installation: what was signed of each Worker, and what is at Cloudflare."""

    api: str
    account: CloudflareAccount
    internet: Internet
    signer: Signer
    commit: str = FORK
    manifests: dict[str, PlatformManifest] = field(default_factory=dict)

    def sign(self, **claims: str) -> None:
        commit = Commit(OPERATOR, self.commit)
        workers = {worker.name: worker for worker in INSTALLATION.workers}
        made = [manifest_of(workers[part], signed_form(form_of(part)), commit) for part in workers]
        self.manifests = {manifest.part: manifest for manifest in made}
        workflow = f"{OPERATOR}/.github/workflows/deploy-platform.yml@refs/heads/main"
        env = {f"GITHUB_{name.upper()}": value for name, value in RUN.items()}
        env |= {"GITHUB_WORKFLOW_REF": workflow, "CLOUDFLARE_ACCOUNT_ID": ACCOUNT}
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": item.file, "digest": {"sha256": item.sha256}} for item in made],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": predicate(made, "production", env),
        }
        uri = {"job_workflow_uri": f"https://github.example/{workflow}"}
        bundle = self.signer.sign(statement, claims=uri | claims)
        for manifest in made:
            path = f"/repos/{OPERATOR}/attestations/sha256:{manifest.sha256}"
            self.internet.answers[path] = {"attestations": [{"bundle": bundle}]}

    def upload(self, part: str, form: UploadForm | None = None, path: str = "", message: str = "") -> None:
        """As wrangler deploys it, or with a path only uploads it."""
        form = form or form_of(part)
        annotations = {"workers/message": message or self.manifests[part].message}
        metadata = {**form.metadata, "annotations": annotations}
        files = [("metadata", (None, json.dumps(metadata), "application/json"))]
        modules = [(item.name, (item.name, item.content, item.content_type)) for item in form.modules]
        url = f"{self.api}/accounts/{ACCOUNT}/workers/scripts/codius-{part}{path}"
        answer = httpx.request(
            "POST" if path else "PUT",
            url,
            headers={"authorization": "Bearer local", "user-agent": "test"},
            files=[*files, *modules],
        )
        assert answer.status_code == 200, answer.text

    def give(self, part: str, settings: dict[str, Any]) -> None:
        """As wrangler sets what no version has."""
        url = f"{self.api}/accounts/{ACCOUNT}/workers/scripts/codius-{part}/script-settings"
        headers = {"authorization": "Bearer local", "user-agent": "test"}
        answer = httpx.patch(url, headers=headers, json=settings)
        assert answer.status_code == 200, answer.text

    def verify(self, *options: str) -> tuple[int, dict[str, tuple[str, str]]]:
        trusted = ("--signer-repo", OPERATOR, "--cloudflare-api", self.api)
        status, report = verify(self.internet, self.signer, "--platform", *trusted, *options)
        Draft202012Validator(SCHEMA).validate(report)
        return status, {check["name"]: (check["status"], check["detail"]) for check in report["checks"]}

    def require_failure(self, name: str, words: str) -> None:
        status, checks = self.verify()
        assert status == 1, checks
        assert [key for key, (word, _) in checks.items() if word == "failed"] == [name], checks
        assert words in checks[name][1], checks[name]


@pytest.fixture
def fork(internet: Internet, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fork]:
    """Deployed as it was signed, of a commit on the fork's branch."""
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{internet.port}")
    account = CloudflareAccount(ACCOUNT)
    account.workers.namespaces.append("testing")
    account.workers.scripts[LISTENER] = uploaded(LISTENER)
    account.databases.by_id["database"] = object()  # type: ignore[assignment]
    with served(account.application()) as address:
        fork = Fork(f"{address}/client/v4", account, internet, signer)
        fork.sign()
        for part in ("billing", "dashboard", "dispatch"):
            fork.upload(part)
        internet.document["cloudflare"] = {
            "api": fork.api,
            "account": ACCOUNT,
            "namespace": "testing",
            "token": READ_TOKEN,
        }
        publish_commits(internet)
        yield fork


def publish_commits(internet: Internet) -> None:
    """What GitHub says of the fork's commit: it is on the branch, and has the files of a release."""
    repos, upstream = f"/repos/{OPERATOR}", "/repos/project/codius-workers"
    internet.answers[f"{repos}/compare/main...{FORK}?per_page=1"] = {"status": "behind"}
    internet.answers[repos] = {"source": {"full_name": "project/codius-workers"}}
    internet.answers[f"{repos}/commits/{FORK}"] = {"commit": {"tree": {"sha": "1" * 40}}}
    internet.answers[f"{upstream}/releases/latest"] = {"tag_name": "v1.0"}
    internet.answers[f"{upstream}/commits/v1.0"] = {"commit": {"tree": {"sha": "1" * 40}}}


def test_the_platform_is_what_was_signed_of_the_fork_s_commit(fork: Fork) -> None:
    status, checks = fork.verify()
    assert status == 0, checks
    assert list(checks) == ["document", "dispatch", "billing", "dashboard", "wiring", "commit", "release"]
    assert checks["dispatch"][1].startswith("codius-dispatch: 1 module, those of the manifest")
    # What it is told of its visitors' requests is signed, and is said all the same.
    assert checks["dispatch"][1].endswith("; its config gives it logs, logs of each request")
    assert checks["commit"][1] == f"{FORK} is on the branch main of {OPERATOR}"
    assert checks["release"][1] == "the same files as project/codius-workers at v1.0"


def test_how_far_it_is_from_a_release_is_told(fork: Fork) -> None:
    upstream = "/repos/project/codius-workers/commits"
    fork.internet.answers[f"{upstream}/v1.0"] = {"commit": {"tree": {"sha": "2" * 40}}}
    status, checks = fork.verify()
    assert status == 0
    compare = f"https://github.example/{OPERATOR}/compare/project:v1.0...{FORK}"
    assert checks["release"][1] == f"differs from project/codius-workers at v1.0: {compare}"
    fork.internet.answers[f"{upstream}/v2"] = {"commit": {"tree": {"sha": "1" * 40}}}
    assert "at v2" in fork.verify("--release", "project/codius-workers@v2")[1]["release"][1]


def test_the_output_ends_with_what_is_still_trusted_in_four_lines(
    fork: Fork, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--signer-repo", OPERATOR, "--cloudflare-api", fork.api]
    root = ["--trusted-root", fork.signer.trusted_root]
    assert main(["verify", "--platform", fork.internet.app_url, *options, *root]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-5] == "Still trusted:"
    assert [line.split(":")[0].strip() for line in lines[-4:]] == [
        "Cloudflare",
        "GitHub",
        "Sigstore",
        "The operator",
    ]


def test_a_changed_dispatch_is_caught(fork: Fork) -> None:
    fork.upload("dispatch", form_of("dispatch", b"def fetch(): return evil\n"))
    fork.require_failure("dispatch", "the module entry.py changed")


def test_a_dispatch_that_was_deployed_from_a_clone_is_told(fork: Fork) -> None:
    for version in fork.account.workers.scripts["codius-dispatch"].versions:
        version.metadata["annotations"] = {"workers/tag": "x"}
    fork.require_failure("dispatch", "was deployed from a clone: nothing was signed of it")


def test_the_attested_code_as_a_version_that_does_not_serve_is_caught(fork: Fork) -> None:
    fork.upload("dispatch", form_of("dispatch", b"evil\n"))
    fork.upload("dispatch", path="/versions")
    fork.require_failure("dispatch", "the newest upload is")


@pytest.mark.parametrize(
    ("part", "more", "words"),
    [
        (
            "dispatch",
            {"name": "X", "type": "service", "service": "codius-billing"},
            "the binding X is another",
        ),
        ("dashboard", {"name": "MORE", "type": "plain_text", "text": "1"}, "the plain variables changed"),
    ],
)
def test_more_bindings_than_were_signed_are_caught(
    fork: Fork, part: str, more: dict[str, Any], words: str
) -> None:
    fork.upload(part, form_of(part, more=[more]))
    fork.require_failure(part, words)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("DASHBOARD", {"entrypoint": "Another"}),
        ("DASHBOARD", {"environment": "another"}),
        ("DISPATCHER", {"outbound": {"worker": {"service": "codius-billing"}}}),
    ],
)
def test_what_was_not_signed_of_a_binding_is_caught(fork: Fork, name: str, more: dict[str, Any]) -> None:
    form = form_of("dispatch")
    form.metadata["bindings"] = [
        item | (more if item["name"] == name else {}) for item in form.metadata["bindings"]
    ]
    fork.upload("dispatch", form)
    fork.require_failure("dispatch", f"the binding {name} is another")


def test_what_cloudflare_adds_to_a_binding_changes_nothing(fork: Fork) -> None:
    added = {
        "BILLING": {"namespace_id": "1", "environment": None},
        "DASHBOARD": {"environment": "production"},
    }
    form = form_of("dispatch")
    form.metadata["bindings"] = [item | added.get(item["name"], {}) for item in form.metadata["bindings"]]
    fork.upload("dispatch", form)
    assert fork.verify()[0] == 0


def test_a_binding_that_leads_elsewhere_is_caught(fork: Fork) -> None:
    fork.upload("billing")
    fork.account.workers.scripts["evil-billing"] = fork.account.workers.scripts["codius-billing"]
    form = form_of("dispatch")
    for item in form.metadata["bindings"]:
        if item["name"] == "BILLING":
            item |= {"script_name": "evil-billing"}
    try:
        fork.upload("dispatch", form)
        fork.require_failure("dispatch", "the binding BILLING is another")
    finally:
        BINDINGS["dispatch"][1]["script_name"] = "codius-billing"


def test_a_binding_that_leads_elsewhere_is_read_back_as_such(
    fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", fork.api)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "local")
    signed = fork.manifests["dispatch"]
    assert list(problems_at_cloudflare(INSTALLATION, signed)) == []
    form = form_of("dispatch", more=[{"name": "X", "type": "service", "service": "codius-billing"}])
    form.metadata["bindings"] = [
        item | ({"service": "codius-billing"} if item["name"] == "DASHBOARD" else {})
        for item in form.metadata["bindings"]
    ]
    fork.upload("dispatch", form)
    fork.give("dispatch", {"logpush": True, "observability": {"enabled": True}})
    assert list(problems_at_cloudflare(INSTALLATION, signed)) == [
        "codius-dispatch: logpush",
        "codius-dispatch: observability.redact_query_string",
        "codius-dispatch: the binding DASHBOARD",
        "codius-dispatch: the binding X",
    ]


@pytest.mark.parametrize(
    ("more", "is_the_same"),
    [
        ({"namespace_id": "5", "environment": "production", "outbound": None}, True),
        ({"outbound": {"worker": {"service": "listener"}}}, False),
        ({"environment": "staging"}, False),
        ({"namespace": "another"}, False),
    ],
)
def test_the_command_and_the_workflow_take_a_binding_alike(more: dict[str, Any], is_the_same: bool) -> None:
    signed = {"name": "DISPATCHER", "type": "dispatch_namespace", "namespace": "testing"}
    assert is_same(signed, signed | more) is is_the_same
    assert is_same_binding(signed, signed | more) is is_the_same


def test_what_was_added_to_a_worker_is_read_back_as_such(fork: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", fork.api)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "local")
    fork.account.workers.scripts["codius-billing"].secrets.add("BACKDOOR")
    on = {"enabled": True, "redact_query_string": True, "traces": {"enabled": True}}
    fork.give("billing", {"observability": on})
    assert list(problems_at_cloudflare(INSTALLATION, fork.manifests["billing"])) == [
        "codius-billing: observability.traces.enabled",
        "codius-billing: the secret BACKDOOR",
    ]


def test_a_secret_that_was_not_signed_is_caught(fork: Fork) -> None:
    fork.account.workers.scripts["codius-dashboard"].secrets.add("STRIPE_SECRET_KEY")
    assert fork.verify()[0] == 0
    fork.account.workers.scripts["codius-dashboard"].secrets.add("BACKDOOR")
    fork.require_failure("dashboard", "it has the secret BACKDOOR")


ON = {"enabled": True, "redact_query_string": True}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"streaming_tail_consumers": [{"service": LISTENER}]}, "the streaming tail Worker listener"),
        ({"observability": {"enabled": True}}, "logs with query strings"),
        ({"observability": {**ON, "logs": {"enabled": True, "destinations": ["x"]}}}, "the destination x"),
    ],
)
def test_whoever_is_told_of_requests_and_was_not_signed_is_named(
    fork: Fork, settings: dict[str, Any], words: str
) -> None:
    """Of dispatch it is each app's requests: a tail Worker of a dispatcher is told of what it dispatches."""
    fork.give("dispatch", settings)
    fork.require_failure("dispatch", f"it was given {words}, which was not signed")


def test_less_than_was_signed_is_told_to_nobody(fork: Fork) -> None:
    fork.give("billing", HARMLESS)
    assert fork.verify()[0] == 0


def test_logs_of_each_request_are_more_than_logs() -> None:
    """Dispatch's config has them off."""
    quiet = {**ON, "logs": {"enabled": True, "invocation_logs": False}}
    known = not_signed({"observability": quiet}, given(told({"observability": quiet})), False)
    more = not_signed({"observability": quiet}, given(told({"observability": ON})), False)
    assert (known, more) == ([], ["logs of each request"])
    # What a config leaves out is signed as wrangler means it.
    plain = {"observability": {"enabled": True}}
    assert not_signed(plain, given(told(plain)), False) == []


def test_a_tail_worker_that_was_signed_is_not_another_of_its_name() -> None:
    signed = {"tail_consumers": [{"service": LISTENER}]}
    known = [{"service": LISTENER, "environment": "production"}]
    assert not_signed(signed, given({"tail_consumers": known}), False) == []
    other = [{"service": LISTENER, "namespace": "testing"}]
    assert not_signed(signed, given({"tail_consumers": other}), False) == ["the tail Worker testing/listener"]


QUIET = {"observability": {**ON, "logs": {"enabled": True, "invocation_logs": False}}}


@pytest.mark.parametrize(
    ("signed", "told", "error"),
    [
        (QUIET, QUIET["observability"], None),
        # Defaults, left out.
        ({"observability": {**ON, "traces": {"enabled": False}}}, ON, None),
        ({"observability": {"enabled": True, "redact_query_string": False}}, {"enabled": True}, None),
        ({"observability": {"enabled": True, "logs": {"invocation_logs": True}}}, {"enabled": True}, None),
        ({}, {"head_sampling_rate": 1}, None),
        # What was signed isn't the default, and nothing is told of it.
        (
            QUIET,
            {"enabled": True, "logs": {"enabled": None}},
            "logs of each request, logs with query strings",
        ),
        ({"observability": {**ON, "logs": {"enabled": False}}}, ON, "logs, logs of each request"),
    ],
)
def test_what_cloudflare_leaves_out_is_its_default_or_is_not_known_and_never_wrong(
    signed: dict[str, Any], told: dict[str, Any], error: str | None
) -> None:
    if error is None:
        compare_settings(signed, told)
        return
    with pytest.raises(UncheckableError, match=f"doesn't tell whether it was given {error}$"):
        compare_settings(signed, told)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"enabled": True, "logs": {"invocation_logs": True}}, "logs of each request"),
        ({"enabled": True, "redact_query_string": False}, "logs with query strings"),
    ],
)
def test_what_cloudflare_tells_otherwise_than_it_was_signed_is_wrong(
    told: dict[str, Any], words: str
) -> None:
    with pytest.raises(CheckFailedError, match=f"it was given {words}, which was not signed$"):
        compare_settings(QUIET, told)


def compare_settings(signed: dict[str, Any], observability: dict[str, Any]) -> None:
    """A Worker that has nothing but these settings."""
    told = {"observability": observability}
    manifest = SignedManifest(
        content={"main": None, "compatibilityDate": "", "compatibilityFlags": [], "vars": {}, "modules": []},
        sha256="0" * 64,
        part="billing",
        script="codius-billing",
        environment="production",
        repository=OPERATOR,
        commit=FORK,
        variables={},
        bindings={},
        secrets=[],
        settings=signed,
        has_assets=False,
    )
    compare(script_of(told, None, [], None), manifest, "codius-billing", "billing")


def test_static_files_before_dispatch_are_caught(fork: Fork) -> None:
    form = form_of("dispatch")
    fork.upload("dispatch", UploadForm({**form.metadata, "assets": {"jwt": "x"}}, form.modules))
    fork.require_failure("dispatch", "it was given static files, which was not signed")


def test_what_was_signed_before_settings_were_is_not_called_wrong(
    fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.platform.VERSION", 1)
    fork.sign()
    fork.upload("dispatch")
    status, checks = fork.verify()
    assert (status, checks["dispatch"][0]) == (2, "error")
    assert "must be deployed by its workflow once more" in checks["dispatch"][1]


def test_a_second_worker_that_can_call_the_apps_is_caught(fork: Fork) -> None:
    workers = fork.account.workers.scripts
    workers["front"] = workers["codius-dispatch"]
    fork.require_failure(
        "dispatch", "not one Worker of the account can call testing, but codius-dispatch, front"
    )


def test_a_commit_that_is_not_on_the_branch_is_caught(fork: Fork) -> None:
    path = f"/repos/{OPERATOR}/compare/main...{FORK}?per_page=1"
    fork.internet.answers[path] = {"status": "diverged"}
    fork.require_failure("commit", "is not on the branch main")


def test_what_github_says_is_not_asked_of_a_server_that_the_operator_names(
    fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would say that any commit is on the branch, and has a release's files."""
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{fork.internet.port}/real")
    asked = len(fork.internet.asked)
    status, checks = fork.verify()
    assert (status, checks["commit"][0]) == (2, "error")
    later = [path for _, path in fork.internet.asked[asked:] if "/compare/" in path]
    assert later == [f"/real/repos/{OPERATOR}/compare/main...{FORK}?per_page=1"]
    # Nor is the address of the difference the operator's word.
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{fork.internet.port}")
    fork.internet.document["attestation"]["signer"] = f"https://else.example/{OPERATOR}/.github/workflows/x"
    path = "/repos/project/codius-workers/commits/v1.0"
    fork.internet.answers[path] = {"commit": {"tree": {"sha": "2" * 40}}}
    assert f": https://github.example/{OPERATOR}/compare/" in fork.verify()[1]["release"][1]


def test_another_workflow_s_signature_of_the_platform_fails(fork: Fork) -> None:
    uri = f"https://github.example/{OPERATOR}/.github/workflows/deploy-worker.yml@refs/heads/main"
    fork.sign(job_workflow_uri=uri)
    fork.require_failure("dispatch", "is not a workflow that deploys the platform")
    fork.sign(sha="e" * 40)
    fork.require_failure("dispatch", "is not of the commit that the run was of")


def test_a_platform_for_another_domain_or_account_fails(fork: Fork) -> None:
    fork.internet.document["cloudflare"]["account"] = "another"
    status, checks = fork.verify()
    assert status == 1
    assert "signed for the account local, not another" in checks["dispatch"][1]


def test_without_a_token_the_platform_can_not_be_checked(internet: Internet, signer: Signer) -> None:
    status, report = verify(internet, signer, "--platform", "--signer-repo", OPERATOR)
    assert status == 2
    assert "publishes no token" in report["checks"][0]["detail"]
    assert {check["status"] for check in report["checks"][1:]} == {"unchecked"}
