"""`make deploy` with the real wrangler against Cloudflare's API: from nothing to live, and again."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from deploy.configs import SECRETS, Installation
from local.cloudflare.account import CloudflareAccount
from local.staging import NODE_BIN, ROOT
from tests.pipeline.support import served

ACCOUNT = "a" * 32
DOMAIN, STAGING_DOMAIN = "apps.codius.test", "apps-staging.codius.test"
FOLDERS = ("billing", "dashboard", "deploy", "dispatch", "migrations", "pages", "python_modules")
STEPS = [
    *("check", "database", "migrations", "namespace", "billing", "dashboard", "dispatch", "pages", "smoke"),
]
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


class Operator:
    """An operator's clone, whose settings are filled in, and their account."""

    def __init__(self, root: Path, account: CloudflareAccount, address: str) -> None:
        self.root, self.account, self.address = root, account, address
        for name in FOLDERS:
            # Other tests work in this checkout meanwhile: what they leave for a moment can't be copied.
            passing = shutil.ignore_patterns(".wrangler", "__pycache__")
            shutil.copytree(ROOT / name, root / name, ignore=passing)
        shutil.copy(ROOT / "wrangler.toml", root)
        for name in ("node_modules", ".venv"):
            (root / name).symlink_to(ROOT / name)
        self.change("wrangler.toml", "apps.example", DOMAIN)
        for path in ("wrangler.toml", "dashboard/wrangler.toml"):
            self.change(path, "https://codius-workers.pages.dev", address)
        self.change("dashboard/wrangler.toml", "apps.example", DOMAIN)
        self.change("dashboard/wrangler.toml", '"example"', '"Iv1.client"')
        self.change("dashboard/wrangler.toml", "example/codius-workers", "alice/codius-workers")
        self.change("dashboard/wrangler.toml", "0" * 32, ACCOUNT)

    def set_up_staging(self) -> None:
        self.change("wrangler.toml", "apps-staging.example", STAGING_DOMAIN)
        for path in ("wrangler.toml", "dashboard/wrangler.toml"):
            self.change(path, "https://staging.codius-workers.pages.dev", self.address)
        self.change("dashboard/wrangler.toml", "apps-staging.example", STAGING_DOMAIN)

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text, (path, old)
        (self.root / path).write_text(text.replace(old, new))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}",
            "CLOUDFLARE_API_BASE_URL": f"{self.address}/client/v4",
            "CLOUDFLARE_API_TOKEN": "token-of-the-operator",
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_LOG_PATH": str(self.root / "logs"),
        }

    def deploy(self, **settings: str) -> tuple[int, str]:
        """Run it; return its status and all it said. Every name but 127.0.0.1 leads to the local server."""
        done = subprocess.run(
            [sys.executable, "-m", "deploy"],
            cwd=self.root,
            env={
                **self.environment,
                "PYTHONPATH": str(self.root),
                "http_proxy": self.address,
                "no_proxy": "127.0.0.1",
                **settings,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=300,
        )
        assert "token-of-the-operator" not in done.stdout
        return done.returncode, done.stdout

    def put_secrets(self, *options: str) -> None:
        """One as the message says, by the real command; the others as it then asks for them."""
        first, *others = SECRETS
        self.put_secret("dashboard", first, *options)
        (script,) = self.account.workers.scripts
        url = f"{self.address}/client/v4/accounts/{ACCOUNT}/workers/scripts/{script}/secrets"
        for name in others:
            secret = {"name": name, "text": "the value of a secret", "type": "secret_text"}
            headers = {"authorization": "Bearer token-of-the-operator"}
            httpx.put(url, json=secret, headers=headers).raise_for_status()

    def put_secret(self, worker: str, name: str, *options: str) -> None:
        done = subprocess.run(
            [
                *(self.root / "node_modules" / ".bin" / "wrangler", "secret", "put", name),
                *("--config", f"{worker}/wrangler.toml", *options),
            ],
            cwd=self.root,
            env=self.environment,
            input="the value of a secret",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def is_done(self, step: str, **settings: str) -> bool:
        """Run a single step; return whether there was nothing to do."""
        status, output = self.deploy(STEP=step, **settings)
        assert status == 0, output
        return "nothing to do" in lines_of(output)[step]

    def take_changes(self) -> list[str]:
        changes = list(self.account.changes.made)
        self.account.changes.made.clear()
        return changes


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    account = CloudflareAccount(ACCOUNT)
    api = account.application()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        """Cloudflare's API, and the Workers' health where something is deployed."""
        if scope["type"] == "http" and urlsplit(scope["path"]).path == "/healthz":
            deployed = {name.removesuffix("-staging") for name in account.workers.scripts}
            is_live = {"codius-dashboard", "codius-dispatch"} <= deployed
            # Cloudflare's Browser Integrity Check.
            is_refused = b"python-urllib" in dict(scope["headers"])[b"user-agent"].lower()
            status = 403 if is_refused else 200 if is_live else 404
            await JSONResponse({"status": "ok"}, status)(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/github/users/alice":
            await JSONResponse({"login": "alice", "id": 1001})(scope, receive, send)
        else:
            await api(scope, receive, send)

    with served(application) as address:
        yield Operator(tmp_path / "clone", account, address)


def lines_of(output: str) -> dict[str, str]:
    """What was said of each step."""
    words = [line.split(maxsplit=1) for line in output.splitlines() if line.startswith("  ")]
    return {parts[0]: parts[1] for parts in words if parts[0] in STEPS}


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
    for step in CHANGES if is_soak else ("migrations", "dispatch"):
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
        assert metadata["observability"] == {"enabled": True, "redact_query_string": True, **logs}
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


def test_staging_is_an_installation_of_its_own(operator: Operator) -> None:
    operator.set_up_staging()
    operator.put_secrets("--env", "staging")
    status, output = operator.deploy(ENV="staging")
    assert status == 0, output
    account = operator.account
    names = ("billing", "dashboard", "dispatch")
    assert account.workers.scripts.keys() == {f"codius-{name}-staging" for name in names}
    assert account.workers.namespaces == ["staging"]
    (route,) = account.workers.scripts["codius-dispatch-staging"].routes
    assert route["pattern"] == f"*.{STAGING_DOMAIN}/*"
    # Each is bound to staging's own.
    for name in names:
        metadata = account.workers.scripts[f"codius-{name}-staging"].active.metadata
        for binding in metadata["bindings"]:
            named = binding.get("service") or binding.get("script_name")
            assert named is None or named.endswith("-staging"), binding
            assert binding.get("namespace") in (None, "staging")
    (database,) = account.databases.by_id.values()
    assert database.name == "codius-staging"
    assert account.pages.uploads[-1]["branch"] == "staging"
    operator.take_changes()
    assert operator.deploy(ENV="staging")[0] == 0
    assert operator.take_changes() == []
    # And a single step of it.
    status, output = operator.deploy(ENV="staging", STEP="billing")
    assert list(lines_of(output)) == ["billing"], output


def test_a_secret_that_changed_deploys_nothing_anew(operator: Operator) -> None:
    assert operator.is_done("billing") is False
    operator.put_secret("billing", "NAME", "--env=")
    billing = operator.account.workers.scripts["codius-billing"]
    assert billing.active.annotations == {"workers/triggered_by": "secret"}
    operator.take_changes()
    assert operator.is_done("billing") is True
    assert operator.take_changes() == []
    # What serves was uploaded by somebody else; the secret that came after it doesn't hide that.
    billing.versions[-1].parts = []
    assert operator.is_done("billing") is False


def test_a_pages_deployment_that_failed_is_not_done(operator: Operator) -> None:
    assert operator.is_done("pages") is False
    (deployment,) = operator.account.pages.deployments["codius-workers"]
    deployment["latest_stage"]["status"] = "failure"
    assert operator.is_done("pages") is False
    # One that fails later doesn't undo the one that serves.
    failed = {**deployment, "id": "later", "latest_stage": {"name": "build", "status": "failure"}}
    operator.account.pages.deployments["codius-workers"].insert(0, failed)
    assert operator.is_done("pages") is True


def test_staging_never_takes_a_domain_from_production(operator: Operator) -> None:
    path, host = "dashboard/wrangler.toml", "dashboard.codius.test"
    own = f'routes = [{{ pattern = "{host}", custom_domain = true }}]'
    operator.change(path, "workers_dev = false\n", f"workers_dev = false\n{own}\n")
    operator.set_up_staging()
    for environment in ("production", "staging"):
        for step in ("database", "billing", "dashboard"):
            assert operator.is_done(step, ENV=environment) is False
    scripts = operator.account.workers.scripts
    assert {"codius-dashboard", "codius-dashboard-staging"} < scripts.keys()
    assert operator.account.domains.owners == {host: "codius-dashboard"}
    # Without a line of its own, or with the same domain, nothing is deployed, whole or in steps.
    operator.take_changes()
    for routes, words in (
        ("", "dashboard/wrangler.toml (staging) has production's routes; write its own, or `routes = []`"),
        (own.replace(host, host.upper()), f"(staging) has the route {host}, which is also"),
        (f'route = "{host}/*"', f"(staging) has the route {host}, which is also"),
    ):
        operator.change(path, "[env.staging]\nroutes = []", f"[env.staging]\n{routes}")
        for settings in ({"ENV": "staging"}, {"ENV": "production"}, {"ENV": "staging", "STEP": "dashboard"}):
            status, output = operator.deploy(**settings)
            assert status == 1, output
            assert words in output
        operator.change(path, f"[env.staging]\n{routes}", "[env.staging]\nroutes = []")
    assert operator.take_changes() == []


def test_what_wrangler_warns_of_is_shown_once(operator: Operator) -> None:
    operator.change("billing/wrangler.toml", "workers_dev = false", "workers_dev = false\nworkers_prod = 1")
    status, output = operator.deploy(STEP="billing")
    assert status == 0, output
    assert output.count('Unexpected fields found in top-level field: "workers_prod"') == 1


def test_a_login_among_the_operators_is_refused_and_its_id_is_told(operator: Operator) -> None:
    path = "dashboard/wrangler.toml"
    operator.change(path, "https://api.github.com", f"{operator.address}/github")
    whole, _, staging = (operator.root / path).read_text().partition("[env.staging]")
    for value, words in (
        ("alice", "OPERATORS has 'alice'; write the account's numeric id in its place: 1001\n"),
        ("1001, nobody", f"in its place (`id` in {operator.address}/github/users/nobody)"),
        ("1001 a/b", "OPERATORS has 'a/b'; write the account's numeric id in its place\n"),
    ):
        changed = whole.replace('OPERATORS = ""', f'OPERATORS = "{value}"')
        (operator.root / path).write_text(f"{changed}[env.staging]{staging}")
        status, output = operator.deploy(STEP="check")
        assert status == 1, output
        assert words in output
        assert output.count("OPERATORS has") == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ENV": "test"}, "ENV must be one of production, staging, not 'test'."),
        ({"STEP": "all"}, "STEP must be one of check, database, migrations,"),
    ],
)
def test_what_is_not_known_is_named(operator: Operator, settings: dict[str, str], words: str) -> None:
    status, output = operator.deploy(**settings)
    assert status == 2
    assert words in output


def test_without_a_login_it_says_how_to_log_in(operator: Operator) -> None:
    status, output = operator.deploy(CLOUDFLARE_API_BASE_URL="http://127.0.0.1:9/client/v4")
    assert status == 1
    assert "npx wrangler login`, or set CLOUDFLARE_API_TOKEN." in output


def test_an_address_under_pages_dev_that_is_not_the_projects_is_refused(operator: Operator) -> None:
    for path in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(path, operator.address, "https://codius-workers.pages.dev")
    status, output = operator.deploy(STEP="smoke")
    assert status == 1
    assert "DASHBOARD_URL, codius-workers.pages.dev, leads nowhere: the Pages project" in output
    assert "is at no address yet" in output
    operator.account.pages.taken_subdomains.add("codius-workers")
    assert operator.deploy(STEP="pages")[0] == 0
    status, output = operator.deploy(STEP="smoke")
    assert status == 1
    assert "is at codius-workers-1ab.pages.dev. Put its address into DASHBOARD_URL" in output


def test_a_dashboard_on_a_domain_of_its_own_needs_a_route(operator: Operator) -> None:
    for path in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(path, operator.address, "https://codius.test")
    status, output = operator.deploy(STEP="smoke")
    assert status == 1
    assert 'routes = [{ pattern = "codius.test", custom_domain = true }]' in output


# The settings, without wrangler.


def problems(operator: Operator) -> list[str]:
    return list(Installation(operator.root, "production").problems())


def test_settings_that_are_filled_in_have_no_problem(operator: Operator) -> None:
    assert problems(operator) == []


def test_the_committed_settings_must_all_be_filled_in() -> None:
    for environment in ("production", "staging"):
        found = " ".join(Installation(ROOT, environment).problems())
        for setting in ("APPS_DOMAIN", "GITHUB_REPOSITORY", "GITHUB_CLIENT_ID", "CLOUDFLARE_ACCOUNT_ID"):
            assert setting in found


@pytest.mark.parametrize(
    ("path", "old", "new", "words"),
    [
        ("dashboard/wrangler.toml", "Iv1.client", "", "dashboard/wrangler.toml: GITHUB_CLIENT_ID is ''"),
        ("dashboard/wrangler.toml", ACCOUNT, "0" * 32, "CLOUDFLARE_ACCOUNT_ID is '000"),
        ("dashboard/wrangler.toml", DOMAIN, "other.test", "APPS_DOMAIN is not the same in"),
        ("wrangler.toml", 'namespace = "testing"', 'namespace = "other"', "DISPATCH_NAMESPACE is not"),
        ("wrangler.toml", f"*.{DOMAIN}/*", "*.other.test/*", f"routes must have the pattern *.{DOMAIN}/*"),
        ("wrangler.toml", f'zone_name = "{DOMAIN}"', 'zone_name = "other.test"', "the zone_name of *."),
        ("wrangler.toml", f'APPS_DOMAIN = "{DOMAIN}"', 'APPS_DOMAIN = "https://x"', "a domain's name"),
    ],
)
def test_a_wrong_setting_has_its_own_message(
    operator: Operator, path: str, old: str, new: str, words: str
) -> None:
    operator.change(path, old, new)
    if "routes" in words or "zone_name" in words or "domain" in words:
        for file in ("wrangler.toml", "dashboard/wrangler.toml"):
            operator.change(file, operator.address, "https://codius.example")
    assert any(words in problem for problem in problems(operator)), problems(operator)


@pytest.mark.parametrize(
    ("path", "line", "words"),
    [
        ("wrangler.toml", "APPS_DOMAIN = ", "wrangler.toml: APPS_DOMAIN is None"),
        ("dashboard/wrangler.toml", "DASHBOARD_URL = ", "dashboard/wrangler.toml: DASHBOARD_URL is None"),
        ("wrangler.toml", "routes = ", f"routes must have the pattern *.{DOMAIN}/*"),
    ],
)
def test_a_setting_that_is_not_there_has_its_own_message(
    operator: Operator, path: str, line: str, words: str
) -> None:
    for file in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(file, operator.address, "https://codius.example")
    whole, _, own = (operator.root / path).read_text().partition("[env.staging]")
    kept = [text for text in whole.splitlines() if not text.startswith(line)]
    (operator.root / path).write_text("\n".join([*kept, f"[env.staging]{own}" if own else ""]))
    assert any(words in problem for problem in problems(operator)), problems(operator)


def test_a_route_may_name_its_zone_by_id(operator: Operator) -> None:
    operator.change("wrangler.toml", f'zone_name = "{DOMAIN}"', 'zone_id = "0f"')
    for file in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(file, operator.address, "https://dashboard.test")
    assert problems(operator) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://codius.test", "DASHBOARD_URL must begin with https://"),
        (f"https://{DOMAIN}", "must be on different domains"),
        (f"https://www.{DOMAIN}", "must be on different domains"),
        ("https://codius.test", "must be on different domains"),
        ("https://Codius.example", "in lower case, without a path"),
        ("https://codius.example/dashboard", "in lower case, without a path"),
    ],
)
def test_an_unsafe_address_of_the_dashboard_is_refused(operator: Operator, url: str, words: str) -> None:
    for path in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(path, operator.address, url)
    assert any(words in problem for problem in problems(operator)), problems(operator)
