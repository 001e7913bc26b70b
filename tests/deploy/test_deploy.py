"""`make deploy` with the real wrangler against Cloudflare's API: from nothing to live, and again."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest

from deploy.configs import SECRETS
from local.cloudflare.account import CloudflareAccount
from local.staging import ROOT
from tests.deploy.support import DOMAIN, STEPS, Operator, lines_of

# The request by which each step changes something.
CHANGES = {
    "database": "POST d1/database",
    "migrations": "POST d1/database/",
    "namespace": "POST workers/dispatch/namespaces",
    "billing": "PUT workers/scripts/codius-billing",
    # There already, as its secrets are.
    "dashboard": "POST workers/scripts/codius-dashboard/versions",
    "dispatch": "PUT workers/scripts/codius-dispatch",
    "pages": "POST pages/projects/codius-workers/deployments",
}


@pytest.mark.soak
def test_from_nothing_to_live_and_again(operator: Operator, is_soak: bool) -> None:
    account = operator.account
    # Without secrets nothing is done, and what is missing is said with the commands.
    status, output = operator.deploy()
    assert status == 1
    for name in SECRETS:
        assert f"npx wrangler secret put {name} --config dashboard/wrangler.toml" in output
    assert operator.take_changes() == []
    operator.put_secrets()
    operator.take_changes()
    # Only looking changes nothing.
    status, output = operator.deploy(DRY_RUN="1")
    assert status == 0, output
    said = lines_of(output)
    assert all("would be done" in said[step] for step in STEPS if step != "check"), output
    assert operator.take_changes() == []
    # Steps are made to fail (each in `make soak`); the next run goes on there.
    done: set[str] = set()
    for step in CHANGES if is_soak else ("dispatch",):
        account.changes.failing = CHANGES[step]
        status, output = operator.deploy()
        assert status == 1, output
        said = lines_of(output)
        assert list(said) == STEPS[: STEPS.index(step) + 1], output
        assert done == {earlier for earlier in CHANGES if "nothing to do" in said.get(earlier, "")}, output
        assert "Fix it and run it again." in output
        done = set(said) & CHANGES.keys() - {step}
    account.changes.failing = None
    status, output = operator.deploy()
    assert status == 0, output
    assert "dashboard and dispatch answer" in output
    assert f"https://<id>.{DOMAIN}" in output
    check_what_is_live(account)
    # A second run changes nothing, nor does one from another clone.
    operator.take_changes()
    shutil.rmtree(operator.root / "pages" / "dist")
    status, output = operator.deploy()
    assert status == 0, output
    said = lines_of(output)
    assert all("nothing to do" in said[step] for step in CHANGES), output
    assert operator.take_changes() == []
    # An edit deploys the one Worker that it is in.
    with open(operator.root / "dispatch" / "answers.py", "a") as file:
        file.write("\n# Edited.\n")
    status, output = operator.deploy()
    assert status == 0, output
    assert redone(output) == ["dispatch"]


def redone(output: str) -> list[str]:
    """The steps that a run took for not done."""
    said = lines_of(output)
    return [step for step in CHANGES if "nothing to do" not in said[step]]


def check_what_is_live(account: CloudflareAccount) -> None:
    bindings = {
        "codius-billing": {"d1", "durable_object_namespace"},
        "codius-dashboard": {"d1", "durable_object_namespace", "ratelimit", "service"},
        "codius-dispatch": {"dispatch_namespace", "durable_object_namespace", "ratelimit", "service"},
    }
    sources = {"codius-billing": "billing", "codius-dashboard": "dashboard", "codius-dispatch": "dispatch"}
    assert account.workers.scripts.keys() == bindings.keys()
    for name, kinds in bindings.items():
        version = account.workers.scripts[name].active
        metadata, modules = version.metadata, {part.name: part.content for part in version.parts}
        found = {binding["type"] for binding in metadata["bindings"]}
        assert found - {"plain_text", "json", "inherit"} == kinds, name
        assert metadata["main_module"] == "entry.py"
        assert metadata["compatibility_date"] == "2026-11-01"
        flags = {
            "codius-dispatch": {"disable_python_no_global_handlers"},
            "codius-dashboard": {"global_fetch_strictly_public"},
        }
        assert set(metadata["compatibility_flags"]) == {"python_workers"} | flags.get(name, set())
        logs = {"logs": {"enabled": True, "invocation_logs": False}} if name == "codius-dispatch" else {}
        off = {"traces": {"enabled": False}, "issues": {"enabled": False}}
        assert metadata["observability"] == {"enabled": True, "redact_query_string": True, **off, **logs}
        # Every source file, template and the SDK are there, and nothing of the local stack or of a secret.
        folder = ROOT / sources[name]
        files = [
            path.relative_to(folder).as_posix()
            for path in (*folder.rglob("*.py"), *folder.glob("templates/*"), *folder.glob("docs/*"))
            if "python_modules" not in path.parts
        ]
        assert set(files) <= modules.keys(), name
        assert "python_modules/workers/__init__.py" in modules
        assert not any(module.startswith(("local", "tests")) for module in modules)
        whole = b"".join(modules.values()) + repr(metadata).encode()
        assert b"the value of a secret" not in whole
        assert b"token-of-the-operator" not in whole
    assert account.workers.scripts["codius-billing"].migration_tag == "v1"
    assert account.workers.scripts["codius-dashboard"].schedules == [{"cron": "*/2 * * * *"}]
    (route,) = account.workers.scripts["codius-dispatch"].routes
    assert route["pattern"] == f"*.{DOMAIN}/*"
    assert account.workers.scripts["codius-dashboard"].secrets == set(SECRETS)
    (database,) = account.databases.by_id.values()
    (rows,) = asyncio.run(database.run(["SELECT name FROM sqlite_master;"], []))
    assert {"users", "apps", "payments", "attestations"} <= {row["name"] for row in rows}
    assert account.workers.scripts["codius-billing"].schedules == [{"cron": "* * * * *"}]
    assert account.workers.namespaces == ["testing"]
    assert account.pages.uploads[-1]["branch"] == "main"
    forwarder = account.pages.uploads[-1]["_worker.bundle"]
    assert b'{"name":"DASHBOARD","type":"service","service":"codius-dashboard"}' in forwarder


def test_the_commands_of_the_docs_do_the_same_by_hand(operator: Operator) -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    for line in page.partition("```bash\n")[2].partition("```")[0].strip().splitlines():
        wrangler = str(operator.root / "node_modules" / ".bin" / "wrangler")
        done = subprocess.run(
            line.replace("npx wrangler", wrangler).split(),
            cwd=operator.root,
            env=operator.environment | {"CI": "true"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    deployed = operator.account.workers.scripts.keys()
    assert deployed == {"codius-billing", "codius-dashboard", "codius-dispatch"}
    assert operator.account.workers.namespaces == ["testing"]
