"""What deploy-platform.yml does: two clones of a commit give one manifest, and nothing else is deployed.

Its own commands are run, with the real wrangler, and what they leave is checked as a visitor does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.configs import SECRETS
from deploy.read_back import differences, with_defaults
from local.cloudflare.permissions import READ_TOKEN
from local.cloudflare.script_settings import told
from local.staging import ROOT
from tests.cli.conftest import APP, Internet, Signer, internet, signer  # noqa: F401
from tests.cli.test_cli_platform import publish_commits
from tests.cli.test_cli_verify import verify
from tests.deploy.support import ACCOUNT, DOMAIN, Operator

RUN = {
    "ENV": "production",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "operator/platform",
    "GITHUB_WORKFLOW_REF": "operator/platform/.github/workflows/deploy-platform.yml@refs/heads/main",
    "GITHUB_SHA": "d" * 40,
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_EVENT_NAME": "workflow_dispatch",
}
PARTS = ("billing", "dashboard", "dispatch")
JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy-platform.yml").read_text())["jobs"]


def step_of(job: str, key: str, words: str) -> Any:
    (found,) = (step for step in JOBS[job]["steps"] if words in step.get(key, ""))
    return found


def command(job: str) -> list[str]:
    """The arguments that a job of the workflow gives."""
    run: str = step_of(job, "run", "deploy.attested")["run"]
    return run.partition("python -m deploy.attested ")[2].split()


def attested(root: Path, *arguments: str, **env: str) -> tuple[int, str]:
    """Run a job in a clone; return its status and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.attested", *arguments],
        cwd=root,
        env={**os.environ, **RUN, **env, "PYTHONPATH": str(root), "WRANGLER_LOG_PATH": str(root / "logs")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    return done.returncode, done.stdout


def clone(folder: Path) -> Path:
    """This repository's commit, with what its Workers vendor installed there."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], check=True)
    for name in ("node_modules", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "local/setup.py", "workers"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_two_clones_of_one_commit_give_one_manifest(tmp_path: Path) -> None:
    clones = [clone(tmp_path / "one"), clone(tmp_path / "other" / "place")]
    made = []
    for root in clones:
        status, output = attested(root, "build", str(root / "manifests"))
        assert status == 0, output
        made.append({part: (root / "manifests" / f"{part}.json").read_bytes() for part in PARTS})
    assert made[0] == made[1]
    dispatch = json.loads(made[0]["dispatch"])
    assert dispatch["script"] == "codius-dispatch"
    assert {"name": "DASHBOARD", "type": "service", "service": "codius-dashboard"} in dispatch["bindings"]
    dashboard = json.loads(made[0]["dashboard"])
    assert {"name": "DB", "type": "d1"} in dashboard["bindings"]
    assert set(SECRETS) <= set(dashboard["secrets"])
    assert "entry.py" in {module["name"] for module in dashboard["modules"]}


def test_what_was_signed_is_deployed_and_read_back_and_nothing_else(
    operator: Operator,
    internet: Internet,  # noqa: F811
    signer: Signer,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, folder = operator.root, operator.root / "manifests"
    # Where names lead to this machine, the visitor's too.
    for path in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(path, DOMAIN, "apps.localhost")
    (root / "local").symlink_to(ROOT / "local")
    env = {**operator.environment, "http_proxy": operator.address, "no_proxy": "127.0.0.1"}
    status, output = attested(root, *command("build"), **env)
    assert status == 0, output
    outputs = {"GITHUB_OUTPUT": str(tmp_path / "outputs")}
    status, output = attested(root, *command("attest"), **env, **outputs)
    assert status == 0, output
    digests = (tmp_path / "outputs").read_text().strip().removeprefix("manifests=")
    signed = statement_of(root)
    assert [item["digest"]["sha256"] for item in signed["subject"]] == digests.split()
    # The secrets are there already: `make deploy` has said which are missing, once.
    operator.put_secret("dashboard", SECRETS[0])
    operator.account.workers.scripts["codius-dashboard"].secrets |= set(SECRETS)
    status, output = attested(root, *command("deploy"), **env, MANIFESTS_SHA256=digests)
    assert status == 0, output
    assert "Read back: Cloudflare has what was signed." in output
    for part in PARTS:
        serving = operator.account.workers.scripts[f"codius-{part}"].active
        manifest = json.loads((folder / f"{part}.json").read_bytes())
        assert serving.annotations["workers/message"].startswith("manifest-"), manifest["script"]
        assert serving.annotations["workers/tag"].endswith("-attested")
    # A visitor finds it so.
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{internet.port}")
    workflow = {"job_workflow_uri": f"{RUN['GITHUB_SERVER_URL']}/{RUN['GITHUB_WORKFLOW_REF']}"}
    publish(internet, operator.address, signed, signer.sign(signed, claims=workflow))
    options = ("--signer-repo", "operator/platform", "--cloudflare-api", f"{operator.address}/client/v4")
    url = f"http://{APP}.apps.localhost:{internet.port}"
    status, report = verify(internet, signer, "--platform", *options, url=url)
    assert status == 0, report
    assert report["checks"][4]["detail"].endswith("this billing and this dashboard, for apps.localhost")
    # What was signed is left as it is by hand.
    assert operator.is_done("dispatch")
    operator.take_changes()
    # One byte that isn't what was signed, in one of the Workers, stops it before anything is changed.
    with open(root / "dispatch" / "answers.py", "a") as file:
        file.write("\n")
    status, output = attested(root, *command("deploy"), **env, MANIFESTS_SHA256=digests)
    assert status == 1
    assert "Built once more, dispatch is not what was signed." in output
    status, output = attested(root, *command("deploy"), **env, MANIFESTS_SHA256="0" * 64)
    assert "What was built is not what was signed." in output
    assert operator.take_changes() == []


def statement_of(root: Path) -> dict[str, Any]:
    """What the workflow's action signs of what it is given."""
    given = step_of("attest", "uses", "actions/attest@")["with"]
    lines = (root / given["subject-checksums"]).read_text().splitlines()
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": line.split()[1], "digest": {"sha256": line.split()[0]}} for line in lines],
        "predicateType": given["predicate-type"],
        "predicate": json.loads((root / given["predicate-path"]).read_text()),
    }


def publish(visited: Internet, address: str, statement: dict[str, Any], bundle: Any) -> None:
    """GitHub gives out what was signed, and an app's document tells how to ask Cloudflare."""
    for subject in statement["subject"]:
        path = f"/repos/operator/platform/attestations/sha256:{subject['digest']['sha256']}"
        visited.answers[path] = {"attestations": [{"bundle": bundle}]}
    publish_commits(visited)
    visited.document["cloudflare"] = {
        "api": f"{address}/client/v4",
        "account": ACCOUNT,
        "namespace": "testing",
        "token": READ_TOKEN,
    }


@pytest.mark.parametrize(
    "change", [{"GITHUB_SHA": "e" * 40}, {"ENV": "staging"}, {"GITHUB_REPOSITORY": "a/b"}]
)
def test_manifests_of_something_else_are_not_signed(tmp_path: Path, change: dict[str, str]) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    source = {"repository": "operator/platform", "commit": "d" * 40}
    for part in PARTS:
        content = {"part": part, "environment": "production", "source": source}
        (folder / f"{part}.json").write_text(json.dumps(content))
    status, output = attested(ROOT, "statement", str(folder), str(tmp_path / "statement"), **change)
    assert status == 1
    assert "is of something else" in output


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["statement", "folder"], "production"),
        (["build"], "staging"),
        (["build", "folder"], "live"),
        ([], ""),
    ],
)
def test_what_is_no_job_is_told(arguments: list[str], env: str) -> None:
    status, output = attested(ROOT, *arguments, ENV=env)
    assert status == 2
    assert output.endswith("ENV must be one of production, staging.\n")


@pytest.mark.parametrize(
    ("key", "signed", "more", "places"),
    [
        ("tail_consumers", [{"service": "t"}], [{"service": "t", "environment": "production"}], []),
        ("tail_consumers", [{"service": "t"}], [{"service": "other"}], ["tail_consumers[0].service"]),
        ("tail_consumers", [{"service": "t"}], [{"service": "t"}, {"service": "o"}], ["tail_consumers"]),
        (
            "tail_consumers",
            [{"service": "t"}],
            [{"service": "t", "namespace": "testing"}],
            ["tail_consumers[0].namespace"],
        ),
        ("logpush", None, False, []),
        ("logpush", None, True, ["logpush"]),
        ("cache_options", None, {"enabled": False, "cross_version_cache": False}, []),
        (
            "cache_options",
            {"enabled": False},
            {"cross_version_cache": True},
            ["cache_options.cross_version_cache"],
        ),
        ("observability", {"enabled": True, "redact_query_string": True}, {"redact_query_string": None}, []),
        ("observability", None, told({"observability": {"enabled": False}})["observability"], []),
        ("observability", {"enabled": True}, told({"observability": {"enabled": True}})["observability"], []),
        ("observability", {"enabled": True}, {"logs": {"destinations": ["cloudflare"], "persist": True}}, []),
        ("observability", {"enabled": True}, {"traces": {"enabled": True}}, ["observability.traces.enabled"]),
        ("observability", {"enabled": True}, {"issues": {"enabled": True}}, ["observability.issues.enabled"]),
        ("observability", {"enabled": True}, {"metrics": {"to": "x"}}, ["observability.metrics.to"]),
        ("observability", {"enabled": False}, {"logs": {"enabled": True}}, ["observability.logs.enabled"]),
        (
            "observability",
            {"enabled": True, "logs": {"enabled": False}},
            {"enabled": True, "logs": {"enabled": True}},
            ["observability.logs.enabled"],
        ),
        (
            "observability",
            {"enabled": True, "redact_query_string": True},
            {"enabled": True, "redact_query_string": False, "logs": {"destinations": ["elsewhere"]}},
            ["observability.redact_query_string", "observability.logs.destinations[0]"],
        ),
    ],
)
def test_what_is_told_beside_what_was_signed_is_off_or_a_default_or_is_named(
    key: str, signed: Any, more: Any, places: list[str]
) -> None:
    assert list(differences(key, with_defaults(key, signed), more)) == places
