"""What the dashboard says of the code that answers: read from Cloudflare, compared with what was signed."""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import html
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cramjam
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from attestation.checks import BUDGET
from attestation.comparison import SETTINGS, differences
from clients.cloudflare import CONTENT_SECONDS
from clients.github_attestations import MAX_MANIFEST_BYTES, log_index_of
from clients.http import TIMEOUT_SECONDS
from clients.multipart import HashingParser, NotMultipartError, parameter
from local.cloudflare.namespace_store import NamespaceStore, Script
from local.cloudflare.namespaces import DispatchNamespaces
from local.cloudflare.upload import Part, script_from
from model.json_text import read_json
from model.progress import job_report
from pipeline import limits, manifest
from pipeline.artifact import Artifact
from pipeline.inputs import Source
from pipeline.manifest import Manifest
from store.attestations import encoded
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import CLOUDFLARE, GITHUB, OPERATOR, SOURCE, Site, signed
from tests.given_settings import GIVEN, HARMLESS, LISTENER
from upkeep import CHECKS_AT_ONCE, OVERDUE_MS
from web.attestation_pages import verify_command

APP = "bcdfghjkmnpq"
DOCUMENT, PAGE = f"/apps/{APP}/attestation.json", f"/apps/{APP}/attestation"
MODULES = {"index.js": b"export default {}", "lib/data.bin": b"\0\r\n--x\r\n\xff", "text.txt": b""}
ARTIFACT = Artifact(
    main="index.js",
    compatibility_date="2026-11-01",
    compatibility_flags=("nodejs_compat", "global_navigator"),
    variables={"GREETING": "hi", "NUMBERS": [1, 2.5]},
    modules=MODULES,
    types={"index.js": "ESModule", "lib/data.bin": "Data", "text.txt": "Text"},
)
LOG_INDEX = 123_456_789
MANIFEST = Manifest.of(
    Source(APP, SOURCE.repository, SOURCE.commit_hash, SOURCE.git_ref, SOURCE.directory), ARTIFACT
)


class Attested:
    """A site with one deployed and attested app; `store` is Cloudflare's, `github` says what it is told."""

    def __init__(self, folder: Path) -> None:
        self.store = NamespaceStore(folder)
        self.github = CannedServer()
        namespaces = DispatchNamespaces(self.store, ("testing",), self.on_change, workers=(LISTENER,))
        cloudflare = namespaces.application()
        self.site = Site({CLOUDFLARE: cloudflare, GITHUB: self.github})

    async def on_change(self, name: str) -> None:
        pass

    async def deploy(self, is_known: bool = True) -> None:
        metadata = {
            "main_module": ARTIFACT.main,
            "compatibility_date": ARTIFACT.compatibility_date,
            "compatibility_flags": list(ARTIFACT.compatibility_flags),
            "bindings": [
                {"name": "GREETING", "type": "plain_text", "text": "hi"},
                {"name": "NUMBERS", "type": "json", "json": [1, 2.5]},
            ],
        }
        parts = [Part(name, ARTIFACT.media_type(name), content) for name, content in MODULES.items()]
        script = script_from(json.dumps(metadata), parts, "now")
        self.store.put("testing", APP, script | {"created_on": "now"})
        await self.site.deployed_app(APP)
        if is_known:
            await self.site.services.checks.store.set_digest(APP, MANIFEST.sha256)
        self.attest(MANIFEST.encoded)

    def attest(self, *contents: bytes) -> None:
        """GitHub has attestations of the manifest's digest with these byproducts."""
        items = []
        for number, content in enumerate(contents):
            path = f"/attestations/{number}.json.sn"
            self.github.on(
                "GET",
                path,
                content=bytes(cramjam.snappy.compress_raw(json.dumps(bundle_with(content)).encode())),
            )
            items.append({"repository_id": 1, "bundle": None, "bundle_url": f"{GITHUB}{path}?sig=1"})
        self.list_attestations(*items)

    def list_attestations(self, *items: Any) -> None:
        path = f"/attestations/sha256:{MANIFEST.sha256}"
        self.github.on("GET", path, content={"attestations": items})

    def tamper(self, change: Callable[[Script], object]) -> None:
        """Change what is deployed behind the platform's back."""
        script = self.store.get("testing", APP)
        assert script is not None
        change(script)
        self.store.put("testing", APP, script)

    def answer(self, path: str, status: int, content: Any) -> None:
        """Have Cloudflare's API answer questions with this end so."""
        api = self.site.servers[CLOUDFLARE]

        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            is_meant = scope["path"].endswith(path)
            await (JSONResponse(content, status) if is_meant else api)(scope, receive, send)

        self.site.servers[CLOUDFLARE] = application

    async def ask(self, method: str, path: str, content: Any = None, **options: Any) -> Any:
        """Ask Cloudflare's API about the script, as the operator could."""
        namespace = f"{CLOUDFLARE}/client/v4/accounts/account/workers/dispatch/namespaces/testing"
        transport = httpx.ASGITransport(self.site.servers[CLOUDFLARE])
        headers = {"authorization": "Bearer operator"}
        async with httpx.AsyncClient(transport=transport, headers=headers) as client:
            url = f"{namespace}/scripts/{APP}{path}"
            response = await client.request(method, url, json=content, **options)
        assert response.is_success, response.text
        return response.json()["result"]

    async def upload_version(self) -> str:
        """Other code, which doesn't serve by itself."""
        files = {
            "metadata": (None, json.dumps({"main_module": "index.js"}), "application/json"),
            "index.js": ("index.js", b"export default { fetch: evil }", "application/javascript+module"),
        }
        result: str = (await self.ask("POST", "/versions", files=files))["version_id"]
        return result

    async def deploy_versions(self, percentages: dict[str, int]) -> None:
        versions = [{"version_id": id_, "percentage": share} for id_, share in percentages.items()]
        await self.ask("POST", "/deployments", {"strategy": "percentage", "versions": versions})

    async def document(self, status: int = 200) -> Any:
        response = await self.site.visitor().get(DOCUMENT)
        assert response.status_code == status, response.text
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["content-type"] == "application/json"
        is_cached = response.headers["cache-control"] == "public, max-age=60"
        assert is_cached == (status == 200)
        return response.json()

    def reads(self) -> int:
        """How often Cloudflare was asked for the modules."""
        return sum(asked.endswith("/content") for asked in self.site.asked)


def bundle_with(manifest: bytes) -> Any:
    byproduct = {"name": "manifest.json", "content": base64.b64encode(manifest).decode()}
    statement = json.dumps({"predicate": {"runDetails": {"byproducts": [byproduct]}}}).encode()
    return {
        "verificationMaterial": {"tlogEntries": [{"logIndex": str(LOG_INDEX)}]},
        "dsseEnvelope": {"payload": base64.b64encode(statement).decode()},
    }


def with_app(folder: Path, work: Callable[[Attested], Awaitable[None]], is_known: bool = True) -> None:
    async def run() -> None:
        app = Attested(folder)
        await app.deploy(is_known)
        await work(app)

    asyncio.run(run())


def test_what_is_deployed_as_it_was_signed_agrees(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        document = await app.document()
        assert (document["agrees"], document["differences"]) == (True, [])
        assert document["appId"] == APP
        assert document["url"] == f"https://{APP}.apps.example/"
        assert document["source"] == {
            "repository": "https://github.example/alice/hello",
            "commit": "a" * 40,
            "ref": "main",
            "directory": "",
        }
        assert document["manifest"] == json.loads(MANIFEST.encoded)
        assert document["manifestSha256"] == MANIFEST.sha256
        assert document["deployed"] == {
            key: document["manifest"][key]
            for key in ("main", "compatibilityDate", "compatibilityFlags", "vars", "modules")
        }
        assert document["attestation"] == {
            "url": f"{GITHUB}/api/v3/repos/codius/codius-workers/attestations/sha256:{MANIFEST.sha256}",
            "signer": f"{GITHUB}/codius/codius-workers/.github/workflows/deploy-worker.yml@refs/heads/main",
            "issuer": "https://token.actions.githubusercontent.com",
            "run": f"{GITHUB}/codius/codius-workers/actions/runs/{(await app.site.app(APP)).run_id}",
            "logIndex": LOG_INDEX,
        }
        page = (await app.site.visitor().get(f"/apps/{APP}/attestation")).text
        assert f"{LOG_INDEX:,}" in page
        assert document["price"] == {
            "includedRequests": 100,
            "requestsPerUnit": 1_000_000,
            "unitPriceNanoUsd": 300_000_000,
        }
        assert document["checkedAt"] == "2027-01-15T08:00:00Z"

    with_app(tmp_path, work)


@pytest.mark.parametrize(
    ("entries", "index"),
    [([], None), ([{"logIndex": "7"}], 7), ([{"logIndex": "-1"}], None), ([{}], None), (None, None)],
)
def test_the_log_entry_is_known_where_the_bundle_has_one(entries: Any, index: int | None) -> None:
    assert log_index_of({"verificationMaterial": {"tlogEntries": entries}}) == index


def test_the_document_tells_how_to_ask_cloudflare_if_the_operator_publishes_a_token(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        assert (await app.document())["cloudflare"] is None
        app.site = Site(app.site.servers, database=app.site.database, CLOUDFLARE_READ_TOKEN="reads-scripts")
        app.site.now += BUDGET.app_ms
        assert (await app.document())["cloudflare"] == {
            "api": f"{CLOUDFLARE}/client/v4",
            "account": "account",
            "namespace": "testing",
            "token": "reads-scripts",
        }

    with_app(tmp_path, work)


def change_byte(script: Script) -> None:
    script["modules"][0]["content"] = base64.b64encode(b"export default {};").decode()


TAMPERED: list[tuple[Callable[[Script], object], str]] = [
    (change_byte, "The module index.js changed."),
    (lambda script: script["modules"].pop(1), "The module lib/data.bin is missing."),
    (
        lambda script: script["modules"].append({"name": "x.js", "type": "text/plain", "content": ""}),
        "The module x.js was added.",
    ),
    (
        lambda script: script["modules"][2].update(type="application/javascript+module"),
        "The module text.txt has another type.",
    ),
    (lambda script: script.update(main_module="text.txt"), "The main module changed."),
    (lambda script: script.update(compatibility_date="2025-01-01"), "The compatibility date changed."),
    (lambda script: script["compatibility_flags"].pop(), "The compatibility flags changed."),
    (lambda script: script["bindings"][0].update(text="bye"), "The plain variables changed."),
    (
        lambda script: script["bindings"].append({"name": "KEY", "type": "secret_text", "text": "s"}),
        "It was given the binding KEY (secret_text).",
    ),
    (lambda script: script.update(has_assets=True), "It was given static files."),
]


@pytest.mark.parametrize(("change", "sentence"), TAMPERED)
def test_what_was_changed_behind_the_platform_s_back_is_named(
    tmp_path: Path, change: Callable[[Script], object], sentence: str
) -> None:
    async def work(app: Attested) -> None:
        app.tamper(change)
        document = await app.document()
        assert (document["agrees"], document["differences"]) == (False, [sentence])
        page = (await app.site.visitor().get(PAGE)).text
        assert sentence in page

    with_app(tmp_path, work)


@pytest.mark.parametrize(("settings", "words"), [*GIVEN, (HARMLESS, "")])
def test_whoever_else_is_told_of_an_app_s_requests_is_named(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    async def work(app: Attested) -> None:
        await app.ask("PATCH", "/settings", files={"settings": (None, json.dumps(settings))})
        document = await app.document()
        told = [f"It was given {words}."] if words else []
        assert document["differences"][:1] == told
        assert document["agrees"] is not bool(words)

    with_app(tmp_path, work)


def test_a_difference_stands_first_on_the_operators_page_until_it_is_gone_and_is_logged_as_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(app: Attested) -> None:
        async def operators_page() -> str:
            return str((await app.site.visitor(OPERATOR).get("/operator")).text)

        script = app.store.get("testing", APP)
        assert script is not None
        kept = script["compatibility_date"]
        app.tamper(lambda script: script.update(compatibility_date="2025-01-01"))
        await app.document()
        shown = await operators_page()
        assert "Not what was signed" in shown
        assert shown.index("Not what was signed") < shown.index("<dl")
        assert '"event": "verification_differs"' in capsys.readouterr().err
        # What can't be found out changes nothing of it.
        app.site.now += 100_000
        app.answer("/settings", 500, {})
        await app.site.visitor().get(PAGE)
        assert "Not what was signed" in await operators_page()
        app.site.servers[CLOUDFLARE] = DispatchNamespaces(
            app.store, ("testing",), app.on_change
        ).application()
        app.tamper(lambda script: script.update(compatibility_date=kept))
        app.site.now += 100_000
        await app.document()
        assert "Not what was signed" not in await operators_page()

    with_app(tmp_path, work)


def test_a_script_that_is_gone_does_not_agree(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        app.store.delete("testing", APP)
        document = await app.document()
        assert (document["agrees"], document["deployed"]) == (False, None)

    with_app(tmp_path, work)


@pytest.mark.parametrize("percentages", [(100, None), (100, 0), (90, 10), (0, 100), (None, 100)])
def test_only_the_one_version_that_was_read_may_serve(
    tmp_path: Path, percentages: tuple[int | None, int | None]
) -> None:
    async def work(app: Attested) -> None:
        document = await app.document()
        signed_version = document["deployment"]["latest"]
        assert document["deployment"]["versions"] == {signed_version: 100}
        # Somebody with the operator's token uploads other code, and shares the requests out.
        other = await app.upload_version()
        shares = dict(zip((signed_version, other), percentages, strict=True))
        await app.deploy_versions({version: share for version, share in shares.items() if share is not None})
        app.site.now += BUDGET.app_ms
        document = await app.document()
        assert document["agrees"] is False
        assert document["deployment"]["latest"] == other
        found = document["differences"]
        if percentages == (100, None):
            assert f"Version {signed_version} serves, but a later one, {other}, is uploaded." in found
        elif percentages == (None, 100):  # it is one version, and what it is was read
            assert "The module index.js changed." in found
        else:
            words = " and ".join(f"{version} ({share} %)" for version, share in shares.items())
            assert f"Not one version serves all requests, but {words}." in found

    with_app(tmp_path, work)


@pytest.mark.parametrize("status", [404, 405])
def test_an_api_without_versions_lists_all_there_is(tmp_path: Path, status: int) -> None:
    async def work(app: Attested) -> None:
        app.answer("/deployments", status, {})
        document = await app.document()
        assert (document["agrees"], document["deployment"]) == (True, None)

    with_app(tmp_path, work)


@pytest.mark.parametrize(
    "content", [None, {"result": None}, {"result": {"deployments": [{"versions": [{}]}]}}]
)
def test_deployments_that_can_not_be_read_agree_with_nothing(tmp_path: Path, content: Any) -> None:
    async def work(app: Attested) -> None:
        app.answer("/deployments", 200, content)
        assert (await app.document(502))["error"] == "cloudflare_unavailable"

    with_app(tmp_path, work)


def test_a_version_whose_content_is_not_told_is_named(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        app.answer("/versions", 405, {})
        document = await app.document()
        (version,) = document["deployment"]["versions"]
        assert document["differences"] == [
            f"Version {version} serves; Cloudflare does not tell whether the modules are its."
        ]

    with_app(tmp_path, work)


def test_the_content_has_more_time_than_other_answers(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        await app.document()
        times = dict(zip(app.site.asked, app.site.patience, strict=True))
        (content,) = (seconds for asked, seconds in times.items() if asked.endswith("/content"))
        assert content == CONTENT_SECONDS
        assert sorted(times.values())[-2] == TIMEOUT_SECONDS

    with_app(tmp_path, work)


def test_cloudflare_is_asked_once_a_minute_whoever_asks(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        first = await app.document()
        app.tamper(change_byte)
        for _ in range(3):
            app.site.now += BUDGET.app_ms // 4
            assert await app.document() == first
        assert app.reads() == 1
        app.site.now += BUDGET.app_ms // 4
        assert (await app.document())["agrees"] is False
        assert app.reads() == 2

    with_app(tmp_path, work)


def test_many_who_ask_at_once_cause_one_check(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        await asyncio.gather(*(app.site.visitor().get(DOCUMENT) for _ in range(50)))
        assert app.reads() == 1
        assert (await app.document())["agrees"] is True

    with_app(tmp_path, work)


def test_an_app_that_is_checked_again_counts_again(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        store, budget = app.site.services.checks.store, replace(BUDGET, period_ms=300_000, checks=3)

        async def check(now: int) -> str | None:
            await store.want_check(APP, now, budget)
            return await store.begin_check(now, budget)

        for number in range(3):
            now = app.site.now + number * BUDGET.app_ms
            assert await check(now) == APP
        assert await check(now + BUDGET.app_ms) is None
        assert await check(now + budget.period_ms) == APP

    with_app(tmp_path, work)


def test_whatever_breaks_a_check_visitors_are_told_and_it_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(app: Attested) -> None:
        app.tamper(lambda script: script["bindings"][1].pop("json"))
        for _ in range(2):
            assert (await app.document(500))["error"] == "check_failed"
        assert app.reads() == 1
        assert json.loads(capsys.readouterr().err)["event"] == "check_failed"
        assert "could not be checked" in (await app.site.visitor().get(PAGE)).text

    with_app(tmp_path, work)


async def want_others(app: Attested, count: int) -> None:
    """Let so many other apps wait for a check, each since this moment."""
    execute, services = app.site.database.execute, app.site.services
    for number in range(count):
        await execute(
            "INSERT OR IGNORE INTO apps (id, user_id, repository, git_ref, commit_hash, directory, status, "
            "deployed_at, created_at, changed_at) "
            "VALUES (?, 1, 'alice/hello', 'main', ?, '', 'deployed', 1, 1, 1)",
            *(f"other-{number}", f"{number:040x}"),
        )
        await services.checks.store.want_check(f"other-{number}", app.site.now, BUDGET)


async def status_of(app: Attested) -> int:
    return (await app.site.visitor().get(DOCUMENT)).status_code


def test_checks_of_all_apps_together_are_limited(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        store, now = app.site.services.checks.store, app.site.now
        await want_others(app, 2 * BUDGET.checks)
        begun = [await store.begin_check(now, BUDGET) for _ in range(2 * BUDGET.checks)]
        assert len(set(begun) - {None}) == BUDGET.checks
        response = await app.site.visitor().get(DOCUMENT)
        assert (response.status_code, response.json()["error"]) == (503, "busy")
        assert int(response.headers["retry-after"]) > 0
        assert app.reads() == 0

    with_app(tmp_path, work)


def test_an_app_s_turn_comes_however_often_others_are_asked_for(tmp_path: Path) -> None:
    """Three times as many as can be checked in a minute, all of them again and again."""

    async def work(app: Attested) -> None:
        many, minutes = 3 * BUDGET.checks, 0
        await want_others(app, many)
        while await status_of(app) != 200:
            assert minutes < many / BUDGET.checks
            minutes += 1
            app.site.now += BUDGET.period_ms
            for number in range(BUDGET.checks):
                await want_others(app, many)
                await app.site.visitor().get(f"/apps/other-{number}/attestation.json")
        first = (await app.document())["checkedAt"]
        # And again, as all others.
        for _ in range(4):
            app.site.now += BUDGET.period_ms
            for number in range(BUDGET.checks):
                await app.site.visitor().get(f"/apps/other-{number}/attestation.json")
            await status_of(app)
        assert (await app.document())["checkedAt"] > first

    with_app(tmp_path, work)


@pytest.mark.parametrize("is_late", [False, True])
def test_what_is_deleted_leaves_no_documents_behind(tmp_path: Path, is_late: bool) -> None:
    """Also where a check was under way meanwhile; and what was begun still counts for all."""

    async def work(app: Attested) -> None:
        store, deployed = app.site.services.checks.store, await app.site.app(APP)
        document = await app.document()
        manifest = await store.signed(APP)
        assert manifest is not None
        assert manifest.manifest is not None
        await app.site.services.removals.delete(deployed, app.site.now)
        if is_late:
            await store.finish_check(APP, 200, document, True, app.site.now)
            await store.set_manifest(APP, manifest)
        assert not any("modules" in line for line in app.site.database.dump() if line.startswith("INSERT"))
        ((row),) = await app.site.database.execute("SELECT sum(made) AS made FROM checks")
        assert row["made"] == 1

    with_app(tmp_path, work)


def test_a_check_is_made_to_its_end_when_whoever_asked_has_gone(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        has_begun, goes_on = asyncio.Event(), asyncio.Event()

        async def pause() -> None:
            has_begun.set()
            await goes_on.wait()

        app.site.pause = pause
        asking = asyncio.ensure_future(app.site.visitor().get(DOCUMENT))
        await has_begun.wait()
        asking.cancel()
        await asyncio.wait([asking])
        goes_on.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others)
        check = await app.site.services.checks.store.check(APP)
        assert check is not None
        assert check.status == 200

    with_app(tmp_path, work)


def test_the_cron_trigger_makes_the_checks_that_nobody_came_back_for(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        await want_others(app, CHECKS_AT_ONCE)
        await app.site.services.checks.store.want_check(APP, app.site.now + 1, BUDGET)
        for _ in range(2):
            app.site.now += OVERDUE_MS
            await app.site.services.upkeep.run(app.site.now, lambda subject, error: None)
        assert sum(f"/{APP}/content" in asked for asked in app.site.asked) == 1
        assert (await app.document())["agrees"] is True

    with_app(tmp_path, work)


def test_another_app_s_check_that_breaks_is_nobody_else_s_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(app: Attested) -> None:
        await app.site.deployed_app("broken", source=SOURCE.__class__("a/b", "main", "b" * 40, ""))
        await app.site.services.checks.store.want_check("broken", app.site.now - 1, BUDGET)
        script = app.store.get("testing", APP)
        assert script is not None
        script["bindings"][1].pop("json")
        app.store.put("testing", "broken", script)
        assert await status_of(app) == 503
        assert json.loads(capsys.readouterr().err)["event"] == "check_failed"
        assert await status_of(app) == 200
        assert (await app.site.visitor().get("/apps/broken/attestation.json")).status_code == 500

    with_app(tmp_path, work)


def add_variable(script: Script, value: str, number: int = 1) -> None:
    script["bindings"] += [{"name": f"V{n}", "type": "plain_text", "text": value} for n in range(number)]


@pytest.mark.parametrize(
    "change",
    [
        lambda script: add_variable(script, "é" * 2_561),
        lambda script: add_variable(script, "a" * 1_000_000),
        lambda script: add_variable(script, "a", 129),
        lambda script: script["modules"].extend(
            {"name": f"{n}-{'x' * 200}", "type": "text/plain", "content": ""} for n in range(4_000)
        ),
    ],
)
def test_the_document_carries_no_more_than_an_app_can_have(
    tmp_path: Path, change: Callable[[Script], object]
) -> None:
    async def work(app: Attested) -> None:
        app.tamper(change)
        response = await app.site.visitor().get(DOCUMENT)
        document = response.json()
        (sentence,) = document["differences"]
        assert "not shown" in sentence
        assert document["agrees"] is False
        assert (document["deployed"]["vars"], document["deployed"]["modules"]) == ({}, [])
        assert len(response.content) < 10_000
        assert sentence in html.unescape((await app.site.visitor().get(PAGE)).text)

    with_app(tmp_path, work)


def test_an_older_result_is_given_with_its_time_while_there_are_too_many(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        first = await app.document()
        app.site.now += 2 * BUDGET.app_ms
        store = app.site.services.checks.store
        await want_others(app, BUDGET.checks + 1)
        for _ in range(BUDGET.checks):
            await store.begin_check(app.site.now, BUDGET)
        assert await app.document() == first

    with_app(tmp_path, work)


@pytest.mark.parametrize("app_id", ["nothing", "UPPER", "a" * 64, "pending", "failed", "deleted"])
def test_only_a_deployed_app_is_told_of(tmp_path: Path, app_id: str) -> None:
    async def work(app: Attested) -> None:
        if app_id in ("pending", "failed", "deleted"):
            source = SOURCE.__class__("alice/hello", "main", "b" * 40, "")
            other = await app.site.add_app(app_id, source=source)
            if app_id == "failed":
                await app.site.services.deployments._fail(other, "no reason", app.site.now)
            if app_id == "deleted":
                await app.site.services.apps.mark_deleted(app_id, app.site.now)
        response = await app.site.visitor().get(f"/apps/{app_id}/attestation.json")
        assert (response.status_code, response.json()["error"]) == (404, "no_such_app")
        assert response.headers["access-control-allow-origin"] == "*"
        assert (await app.site.visitor().get(f"/apps/{app_id}/attestation")).status_code == 404
        assert app.reads() == 0

    with_app(tmp_path, work)


@pytest.mark.parametrize("party", [CLOUDFLARE, GITHUB])
def test_who_can_not_be_asked_is_named_and_asked_again_later(tmp_path: Path, party: str) -> None:
    async def work(app: Attested) -> None:
        server = app.site.servers.pop(party)
        document = await app.document(502)
        assert document["error"] == f"{'cloudflare' if party == CLOUDFLARE else 'github'}_unavailable"
        assert "could not be reached" in document["message"]
        assert document["message"] in (await app.site.visitor().get(PAGE)).text
        app.site.servers[party] = server
        app.site.now += BUDGET.app_ms
        assert (await app.document())["agrees"] is True

    with_app(tmp_path, work)


def test_once_github_gave_the_manifest_out_it_is_not_asked_again(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        assert (await app.document())["agrees"] is True
        del app.site.servers[GITHUB]
        app.site.now += BUDGET.app_ms
        assert (await app.document())["agrees"] is True

    with_app(tmp_path, work)


def test_billing_that_is_down_is_named(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        app.site.billing.is_down = True
        assert (await app.document(503))["error"] == "billing_unavailable"

    with_app(tmp_path, work)


@pytest.mark.parametrize(
    "forged", [b"{}", MANIFEST.encoded + b" ", MANIFEST.encoded.replace(b"a" * 40, b"b" * 40)]
)
def test_a_manifest_of_another_digest_is_not_taken(tmp_path: Path, forged: bytes) -> None:
    async def work(app: Attested) -> None:
        app.attest(forged)
        document = await app.document()
        assert (document["agrees"], document["manifest"]) == (False, None)
        assert document["differences"] == ["No attestation of this app is known."]
        app.attest(forged, MANIFEST.encoded)
        app.site.now += BUDGET.app_ms
        assert (await app.document())["agrees"] is True

    with_app(tmp_path, work)


@pytest.mark.parametrize(
    ("item", "agrees"),
    [
        ({"bundle": bundle_with(MANIFEST.encoded)}, True),
        ({"bundle": None, "bundle_url": f"{GITHUB}/plain.json"}, True),
        ({"bundle": None, "bundle_url": f"{GITHUB}/junk.json.sn"}, False),
        ({"bundle": None, "bundle_url": f"{GITHUB}/large.json.sn"}, False),
        ({"bundle": None, "bundle_url": 7}, False),
    ],
)
def test_a_bundle_may_be_in_the_answer_or_elsewhere(tmp_path: Path, item: Any, agrees: bool) -> None:
    async def work(app: Attested) -> None:
        encoded = json.dumps(bundle_with(MANIFEST.encoded)).encode()
        large = encoded[:-1] + b" " * 4_000_000 + b"}"
        app.github.on("GET", "/plain.json", content=encoded)
        app.github.on("GET", "/junk.json.sn", content=b"\xff" * 9)
        app.github.on("GET", "/large.json.sn", content=bytes(cramjam.snappy.compress_raw(large)))
        app.list_attestations({"repository_id": 1, **item})
        assert (await app.document())["agrees"] is agrees

    with_app(tmp_path, work)


@pytest.mark.parametrize("url", [f"{GITHUB}/gone", "https://storage.example/1.json.sn"])
def test_a_bundle_that_can_not_be_had_is_asked_for_again(tmp_path: Path, url: str) -> None:
    async def work(app: Attested) -> None:
        app.list_attestations({"repository_id": 1, "bundle": None, "bundle_url": url})
        assert (await app.document(502))["error"] == "github_unavailable"
        app.attest(MANIFEST.encoded)
        app.site.now += BUDGET.app_ms
        assert (await app.document())["agrees"] is True

    with_app(tmp_path, work)


@pytest.mark.parametrize("answer", [None, [], {}, {"attestations": [None, 1, {}, {"bundle": None}]}])
def test_an_answer_of_github_s_that_makes_no_sense_is_no_attestation(tmp_path: Path, answer: Any) -> None:
    async def work(app: Attested) -> None:
        app.github.on("GET", f"/attestations/sha256:{MANIFEST.sha256}", content=answer)
        assert (await app.document())["agrees"] is False

    with_app(tmp_path, work)


# How the digest gets here: by the name of the workflow's last job.


def job(name: str, run_id: int | None, **changed: Any) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "run_attempt": 1,
        "name": name,
        "status": "completed",
        "conclusion": "success",
        **changed,
    }


NOTIFY = f"notify {APP} {MANIFEST.sha256}"


def test_the_digest_comes_with_a_signed_webhook(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        run_id = (await app.site.app(APP)).run_id
        event = {"repository": {"full_name": "codius/codius-workers"}, "workflow_job": job(NOTIFY, run_id)}
        body, headers = signed(event)
        for _ in range(2):
            answer = await app.site.visitor().ask(
                "POST", "/webhooks/github", headers | {"x-github-event": "workflow_job"}, body
            )
            assert answer.status_code == 204
        assert (await app.document())["agrees"] is True

    with_app(tmp_path, work, is_known=False)


def test_a_digest_that_no_webhook_brought_is_asked_for(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        run_id = (await app.site.app(APP)).run_id
        run = {
            "id": run_id,
            "run_attempt": 1,
            "event": "workflow_dispatch",
            "display_title": f"Deploy {APP}",
            "status": "completed",
            "conclusion": "success",
        }
        app.github.on("GET", f"/actions/runs/{run_id}", content=run)
        app.github.on("GET", f"/actions/runs/{run_id}/jobs", content={"jobs": [job(NOTIFY, run_id)]})
        assert (await app.document())["agrees"] is True

    with_app(tmp_path, work, is_known=False)


@pytest.mark.parametrize(
    "changed",
    [
        {"run_id": 7},
        {"run_attempt": 0},
        {"name": f"notify {APP} {'A' * 64}"},
        {"name": f"notify {APP} ${{{{ needs.attest.outputs.manifest }}}}"},
        {"status": "queued"},
        {"conclusion": "skipped"},
    ],
)
def test_a_job_that_is_not_the_app_s_brings_no_digest(tmp_path: Path, changed: dict[str, Any]) -> None:
    async def work(app: Attested) -> None:
        run_id = (await app.site.app(APP)).run_id
        report = job_report(job(NOTIFY, run_id) | changed)
        if report is not None:
            await app.site.services.deployments.report(APP, report, app.site.now)
        assert await app.site.services.checks.store.signed(APP) is None

    with_app(tmp_path, work, is_known=False)


def test_a_new_attempt_s_manifest_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        assert (await app.document())["agrees"] is True
        store = app.site.services.checks.store
        await store.set_digest(APP, "0" * 64)
        signed_now = await store.signed(APP)
        assert signed_now is not None
        assert (signed_now.manifest_sha256, signed_now.manifest) == ("0" * 64, None)

    with_app(tmp_path, work)


# The page.


def test_the_page_says_the_same_in_words_with_the_command(tmp_path: Path) -> None:
    async def work(app: Attested) -> None:
        page = (await app.site.visitor().get(PAGE)).text
        assert "This app runs exactly what the workflow built from this source." in page
        tool = "git+https://github.example/codius/codius-workers#subdirectory=cli"
        run = f"codius verify https://{APP}.apps.example/ --signer-repo codius/codius-workers"
        assert f"uvx --from &#39;{tool}&#39; {run}<" in page
        settings = replace(app.site.services.settings, github_branch="live")
        command = verify_command(settings, "https://app.example/")
        assert "codius/codius-workers@live#subdirectory=cli' codius verify https://app.example/" in command
        assert command.endswith(" --signer-repo codius/codius-workers@live")
        settings = replace(settings, cloudflare_read_token="reads-scripts")
        own = verify_command(settings, "https://app.example/")
        assert own == f"{command} --cloudflare-api {CLOUDFLARE}/client/v4"
        real = replace(settings, cloudflare_api_url="https://api.cloudflare.com/client/v4")
        assert verify_command(real, "https://app.example/") == command
        assert hashlib.sha256(MODULES["index.js"]).hexdigest() in page

    with_app(tmp_path, work)


# The parts.


NAMES = st.text(min_size=1, max_size=20).filter(str.isprintable)


@given(st.dictionaries(NAMES, st.binary(max_size=300)), st.data())
def test_modules_are_hashed_exactly_however_their_bytes_come(
    modules: dict[str, bytes], data: st.DataObject
) -> None:
    names = {name.replace('"', "'").replace("\\", "/"): content for name, content in modules.items()}
    boundary = b"boundary-that-is-in-no-module"
    body = (
        b"".join(
            b"--"
            + boundary
            + f'\r\nContent-Disposition: form-data; name="{name}"\r\n'.encode()
            + b"Content-Type: text/plain\r\n\r\n"
            + content
            + b"\r\n"
            for name, content in names.items()
        )
        + b"--"
        + boundary
        + b"--\r\n"
    )
    parser = HashingParser(boundary)
    while body:
        size = data.draw(st.integers(1, len(body)))
        parser.write(body[:size])
        body = body[size:]
    found = {part.name: part.sha256 for part in parser.parts}
    assert found == {name: hashlib.sha256(content).hexdigest() for name, content in names.items()}


def test_what_is_not_multipart_is_refused() -> None:
    with pytest.raises(NotMultipartError):
        HashingParser(b"x").write(b"export default {}")


@pytest.mark.parametrize(
    ("header", "boundary"),
    [("multipart/form-data; boundary=abc", "abc"), ('multipart/form-data; boundary="a b"', "a b"), ("x", "")],
)
def test_a_header_s_parameter_is_read(header: str, boundary: str) -> None:
    assert parameter(header, "boundary") == boundary


@given(st.data())
def test_any_other_content_of_a_module_is_found(data: st.DataObject) -> None:
    manifest = json.loads(MANIFEST.encoded)
    deployed = {name: copy.deepcopy(manifest[name]) for name in (*SETTINGS, "modules")}
    assert differences(manifest, deployed, []) == []
    module = data.draw(st.sampled_from(deployed["modules"]))
    digests = st.text("0123456789abcdef", min_size=64, max_size=64)
    module["sha256"] = data.draw(digests.filter(module["sha256"].__ne__))
    assert differences(manifest, deployed, []) == [f"The module {module['name']} changed."]


# What is kept.


def test_every_manifest_that_the_workflow_signs_can_be_read_and_kept() -> None:
    assert manifest.MAX_BYTES == MAX_MANIFEST_BYTES
    # A document has the manifest and what is deployed, and a value in D1 at most 2,000,000 bytes.
    assert 2 * MAX_MANIFEST_BYTES < 1_900_000


def test_every_variable_that_the_workflow_signs_can_be_read_where_it_is_deepest() -> None:
    levels = limits.MAX_VARIABLE_DEPTH
    deepest = json.loads("[" * levels + "]" * levels)
    settings = {"result": {"bindings": [{"name": "A", "type": "json", "json": deepest}]}}
    assert read_json(json.dumps(settings)) == settings


def test_what_is_deployed_is_compared_as_json_in_which_true_is_not_1() -> None:
    deployed = {"main": None, "compatibilityDate": None, "compatibilityFlags": None, "modules": []}
    manifest = {"vars": {"PAID": 1}, "modules": []}
    assert differences(manifest, {**deployed, "vars": {"PAID": True}}, []) == ["The plain variables changed."]
    assert differences(manifest, {**deployed, "vars": {"PAID": 1}}, []) == []


def test_a_document_is_kept_in_as_many_bytes_as_it_has() -> None:
    """Escaped it would have up to six times as many, and D1 takes 2,000,000."""
    assert len(encoded({"vars": {"A": "é" * 1_000}}).encode()) < 2_100
