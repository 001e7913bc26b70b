"""What a visitor can check: from a deploy over its attestation to `codius verify`, and attacks on the way."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from local.cloudflare.permissions import READ_TOKEN
from local.stack import NODE_BIN
from local.staging import ROOT
from tests.system.conftest import NewPage
from tests.system.journeys import address, deploy, log_in, wait_until_deployed
from tests.system.repositories import INJECTION
from tests.system.running import RunningStack

PATH = "/.well-known/codius"


def deploy_example(new_page: NewPage, stack: RunningStack, path: str, status: str = "deployed") -> str:
    # Without scripts, with which the app's page has it checked at once.
    page = new_page(java_script_enabled=False)
    log_in(page, stack, "alice")
    app = deploy(page, stack, path)
    wait_until_deployed(page, has_scripts=False, status=status)
    return app


def verify(stack: RunningStack, app: str, *options: str) -> tuple[int, dict[str, Any]]:
    return codius(stack, app, "--require-cloudflare", *options)


def codius(stack: RunningStack, app: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the command as a visitor does; return its status and its report."""
    root = stack.state / "sigstore" / "trusted_root.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "codius", "verify", f"http://{app}.localhost:{stack.port}", "--json"),
            *("--trusted-root", root, "--signer-repo", "codius/codius-workers"),
            *("--cloudflare-api", f"http://127.0.0.1:{stack.port}/client/v4"),
            *options,
        ],
        env={**os.environ, "PATH": f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def failed(report: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["detail"] for check in report["checks"] if check["status"] == "failed"}


def test_a_deploy_is_attested_and_verified_by_a_visitor(stack: RunningStack, new_page: NewPage) -> None:
    app = deploy_example(new_page, stack, "codius/examples/tree/main/palette")
    response = stack.get(app, PATH)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cache-control"] == "public, max-age=60"
    document = response.json()
    assert (document["appId"], document["agrees"]) == (app, True)
    assert stack.billing(app, "get_worker_billing")["requests"] == "0"
    status, report = verify(stack, app, "--rebuild")
    assert status == 0, report
    assert report["source"]["commit"] == document["source"]["commit"]
    # The app's page says the same, with scripts or without.
    for scripts in (True, False):
        page = new_page(java_script_enabled=scripts)
        page.goto(address(stack, f"/apps/{app}"))
        if not scripts:
            page.get_by_role("link", name="Check which code serves this app now").click()
        expect(page.get_by_text("This app runs exactly what the workflow built")).to_be_visible()
        expect(page.get_by_text(f"codius verify http://{app}.localhost:{stack.port}/")).to_be_visible()
    # The command that the page shows works as it stands there.
    command = shlex.split(page.locator("#attestation pre").inner_text())
    done = subprocess.run(
        [ROOT / ".venv" / "bin" / command[0], *command[1:]],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Verified: http://{app}.localhost:{stack.port} runs what was built from " in done.stdout
    check_platform(stack, app)


def check_platform(stack: RunningStack, app: str) -> None:
    """The platform runs from a clone here, of which nothing was signed: that is what the command tells."""
    status, report = codius(stack, app, "--platform")
    words = "codius-dispatch was deployed from a clone: nothing was signed of it"
    assert (status, failed(report)) == (1, {"dispatch": words})
    # Whoever asks is told of what runs, and of no secret.
    account = f"http://127.0.0.1:{stack.port}/client/v4/accounts/local/workers/scripts"
    headers = {"authorization": f"Bearer {READ_TOKEN}"}
    listed = httpx.get(account, headers=headers, timeout=60).json()["result"]
    has_assets = {item["id"]: item["has_assets"] for item in listed}
    assert has_assets == {"codius-dispatch": False, "codius-billing": False, "codius-dashboard": True}
    staged = stack.state / "staged"
    content = httpx.get(f"{account}/codius-dispatch/content/v2", headers=headers, timeout=60).content
    assert (staged / "dispatch" / "src" / "entry.py").read_bytes() in content
    told = httpx.get(f"{account}/codius-dashboard/settings", headers=headers, timeout=60)
    values = json.loads((staged / "dashboard" / "wrangler.json").read_text())["vars"]
    secrets = [item["name"] for item in told.json()["result"]["bindings"] if item["type"] == "secret_text"]
    assert set(secrets) >= {"GITHUB_TOKEN", "CLOUDFLARE_API_TOKEN", "STRIPE_SECRET_KEY"}
    # The token that deploys is "local" here, as much else is.
    assert not [name for name in secrets if values[name] != "local" and values[name] in told.text]


def test_a_python_worker_is_verified_by_building_it_anew(stack: RunningStack, new_page: NewPage) -> None:
    app = deploy_example(new_page, stack, "codius/examples/tree/main/hello-python")
    status, report = verify(stack, app, "--rebuild")
    assert status == 0, report


def test_static_files_are_served_as_by_cloudflare_and_verified(
    stack: RunningStack, new_page: NewPage
) -> None:
    app = deploy_example(new_page, stack, "codius/examples/tree/main/site")

    def get(path: str, **options: Any) -> tuple[int, str | None, str]:
        response = stack.get(app, path, **options)
        where = response.headers.get("location") or response.headers.get("content-type")
        return response.status_code, where, response.text

    status, kind, text = get("/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "These are static files" in text
    assert get("/notes")[:2] == (307, "/notes/")
    assert get("/notes/")[0] == 200
    assert get("/style.css")[1] == "text/css; charset=utf-8"
    status, _, text = get("/absent")
    assert (status, "There is no such page" in text) == (404, True)
    # The Worker, which asks for a file itself.
    status, kind, text = get("/api/count")
    assert (status, kind) == (200, "application/json")
    assert json.loads(text)["notes"] > 0
    # A browser that has a file already.
    tag = stack.get(app, "/style.css").headers["etag"]
    assert get("/style.css", headers={"if-none-match": tag})[0] == 304
    assert stack.request(f"{app}.localhost", "POST", "/style.css").status_code == 405
    status, report = verify(stack, app, "--rebuild")
    assert status == 0, report


def test_one_byte_changed_behind_the_platform_s_back_is_seen(stack: RunningStack, new_page: NewPage) -> None:
    app = deploy_example(new_page, stack, "alice/plain")
    script = f"/workers/dispatch/namespaces/testing/scripts/{app}"
    content = stack.api("GET", f"{script}/content").content
    module = content.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
    settings = stack.api("GET", f"{script}/settings").json()["result"]
    metadata = {**settings, "main_module": "index.js"}
    files = {
        "metadata": (None, json.dumps(metadata), "application/json"),
        "index.js": ("index.js", module + b" ", "application/javascript+module"),
    }
    put = stack.api("PUT", script, files=files)
    assert put.status_code == 200, put.text
    document = stack.get(app, PATH).json()
    assert (document["agrees"], document["differences"]) == (False, ["The module index.js changed."])
    status, report = verify(stack, app)
    assert status == 1
    words = "the module index.js changed"
    assert failed(report) == {"deployed": words, "cloudflare": words}
    page = new_page()
    page.goto(address(stack, f"/apps/{app}/attestation"))
    expect(page.get_by_text("What is deployed can't be shown to come from this source.")).to_be_visible()


def test_a_build_that_steals_gets_nothing_and_spoils_nothing(stack: RunningStack, new_page: NewPage) -> None:
    app = deploy_example(new_page, stack, "codius/examples/tree/main/malicious/thief")
    log = build_log(stack)
    looked = re.search(r"Looked into (\d+) files and (\d+) processes\.", log)
    assert looked is not None
    assert int(looked[1]) > 10
    assert int(looked[2]) > 2
    assert "Stolen" not in log
    status, report = verify(stack, app)
    assert status == 0, report


def test_a_build_that_forges_its_artifact_fails(stack: RunningStack, new_page: NewPage) -> None:
    app = deploy_example(new_page, stack, "codius/examples/tree/main/malicious/forger", "failed")
    assert "There is something at artifact already, which the build put there." in build_log(stack)
    assert stack.get(app, PATH).status_code == 404
    assert stack.get(app).status_code == 404


def test_a_branch_and_a_directory_are_never_commands(stack: RunningStack, new_page: NewPage) -> None:
    app = deploy_example(new_page, stack, f"alice/injector/tree/{INJECTION}/{INJECTION}")
    document = stack.get(app, PATH).json()
    assert (document["source"]["ref"], document["source"]["directory"]) == (INJECTION, INJECTION)
    assert verify(stack, app)[0] == 0
    assert list(stack.state.rglob("owned")) == []


def test_what_an_app_does_not_get_is_on_its_page_before_anyone_visits(
    stack: RunningStack, new_page: NewPage
) -> None:
    app = deploy_example(new_page, stack, "alice/greeter")
    page = stack.request("localhost", "GET", f"/apps/{app}")
    assert "<code>STORE</code> (KV Namespace) isn't there: code that uses it will throw." in page.text
    document = stack.get(app, PATH).json()
    assert document["manifest"]["leftOut"] == [{"name": "STORE", "kind": "KV Namespace"}]
    assert verify(stack, app)[0] == 0


def build_log(stack: RunningStack) -> str:
    """What the latest run's first job printed."""
    latest = max((stack.state / "github" / "runs").glob("*.json"), key=lambda path: int(path.stem))
    return "\n".join(json.loads(latest.read_text())["jobs"]["build"]["log"])


@pytest.mark.parametrize("app", ["nothing", "hello"])
def test_an_app_that_nobody_deployed_here_has_no_document(stack: RunningStack, app: str) -> None:
    response = stack.get(app, PATH)
    assert (response.status_code, response.json()["error"]) == (404, "no_such_app")
    assert response.headers["access-control-allow-origin"] == "*"


def test_only_the_document_itself_is_the_platform_s_and_only_to_be_read(stack: RunningStack) -> None:
    before = stack.billing("hello", "get_worker_billing")
    for below in (f"{PATH}/more", f"{PATH}/more{PATH}"):
        response = stack.get("hello", below)
        assert (response.status_code, response.json()["error"]) == (404, "not_found")
    assert stack.request("hello.localhost", "POST", PATH).status_code == 405
    head = stack.request("hello.localhost", "HEAD", PATH)
    assert (head.status_code, head.content) == (404, b"")
    assert stack.billing("hello", "get_worker_billing") == before
