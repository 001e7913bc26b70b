"""`codius verify` asks Cloudflare itself: what a dashboard says doesn't count where Cloudflare differs.

Cloudflare is the local stand-in, whose tokens have permissions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from clients.given import given as dashboard_given
from codius.given import OBSERVERS
from codius.given import given as settings_given
from local.cloudflare.namespace_store import NamespaceStore
from local.cloudflare.namespaces import DispatchNamespaces
from local.cloudflare.permissions import READ_TOKEN
from local.cloudflare.script_settings import told
from pipeline.cloudflare import OFF, is_off
from tests.cli.conftest import ACCOUNT, APP, ARTIFACT, MANIFEST, Internet, Signer, statement_of
from tests.cli.test_cli_verdicts import SCHEMA
from tests.cli.test_cli_verify import flip, require_error, require_failure, verify
from tests.given_settings import GIVEN, HARMLESS, LISTENER, SILENT
from tests.pipeline.support import served

NAMESPACE = "testing"
TYPES = {name: ARTIFACT.media_type(name) for name in ARTIFACT.modules}
GOOD = dict(ARTIFACT.modules)


async def nothing(name: str) -> None:
    pass


@dataclass
class Account:
    """The operator's account at Cloudflare, with a token that does everything."""

    api: str
    account: str = ACCOUNT
    namespace: str = NAMESPACE

    @property
    def script(self) -> str:
        base = f"{self.api}/accounts/{self.account}/workers/dispatch/namespaces"
        return f"{base}/{self.namespace}/scripts/{APP}"

    @property
    def options(self) -> tuple[str, ...]:
        return ("--cloudflare-api", self.api, "--require-cloudflare")

    def upload(
        self, modules: dict[str, bytes], path: str = "", bindings: tuple[Any, ...] = (), **more: Any
    ) -> Any:
        """Upload a Worker with the app's settings; return what the API says."""
        metadata = {
            "main_module": "index.js",
            "compatibility_date": ARTIFACT.compatibility_date,
            "bindings": [{"type": "plain_text", "name": "A", "text": "1"}, *bindings],
            **more,
        }
        files = [("metadata", (None, json.dumps(metadata), "application/json"))]
        parts = [(name, (name, content, TYPES[name])) for name, content in modules.items()]
        method = "POST" if path else "PUT"
        return self.ask(method, path, files=[*files, *parts])

    def ask(self, method: str, path: str, **options: Any) -> Any:
        headers = {"authorization": "Bearer local", "user-agent": "test"}
        answer = httpx.request(method, self.script + path, headers=headers, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    def give(self, settings: dict[str, Any]) -> None:
        self.ask("PATCH", "/settings", files={"settings": (None, json.dumps(settings), "application/json")})


@pytest.fixture
def account(internet: Internet, tmp_path: Path) -> Iterator[Account]:
    """The app is deployed there as it was signed, and its document tells how to ask."""
    namespaces = DispatchNamespaces(NamespaceStore(tmp_path), (NAMESPACE,), nothing, workers=(LISTENER,))
    with served(namespaces.application()) as address:
        account = Account(f"{address}/client/v4")
        account.upload(GOOD)
        tags = [f"commit-{'a' * 40}", f"manifest-{MANIFEST.sha256}"]
        account.ask("PUT", "/tags", json=tags)
        internet.document["cloudflare"] = {
            "api": account.api,
            "account": ACCOUNT,
            "namespace": NAMESPACE,
            "token": READ_TOKEN,
        }
        yield account


def test_cloudflare_says_so_itself(internet: Internet, signer: Signer, account: Account) -> None:
    status, report = verify(internet, signer, *account.options)
    assert status == 0, report
    (check,) = (check for check in report["checks"] if check["name"] == "cloudflare")
    assert (
        check["detail"]
        == "2 modules, those of the manifest: Cloudflare says so, of testing of the account local"
    )
    assert "the operator says so" in report["checks"][2]["detail"]
    # Where the operator publishes a token it is used, whether or not it is required.
    status, report = verify(internet, signer, "--cloudflare-api", account.api)
    assert (status, report["checks"][-1]["name"]) == (0, "cloudflare")


def test_an_operator_who_serves_other_code_than_the_dashboard_says_is_caught(
    internet: Internet, signer: Signer, account: Account
) -> None:
    """The document is as good as ever."""
    account.upload(GOOD | {"index.js": b"export default { fetch: () => new Response('evil') }"})
    require_failure(internet, signer, "cloudflare", "the module index.js changed", options=account.options)
    account.upload(GOOD, bindings=({"type": "secret_text", "name": "KEY", "text": "x"},))
    words = "it was given the binding KEY (secret_text)"
    require_failure(internet, signer, "cloudflare", words, options=account.options)
    account.upload(GOOD | {"text.txt": b"other"})
    require_failure(internet, signer, "cloudflare", "the module text.txt changed", options=account.options)


def test_whoever_else_is_told_of_an_app_s_requests_is_named(
    internet: Internet, signer: Signer, account: Account
) -> None:
    account.give({"tail_consumers": [{"service": LISTENER}], "logpush": True})
    words = "it was given the tail Worker listener; it was given Logpush"
    require_failure(internet, signer, "cloudflare", words, options=account.options)


@pytest.mark.parametrize(("settings", "words"), [*GIVEN, (HARMLESS, ""), *((item, "") for item in SILENT)])
def test_the_command_the_dashboard_and_the_deploy_read_it_alike(settings: dict[str, Any], words: str) -> None:
    for answer in (settings, told(settings)):
        assert settings_given(answer)[:1] == ([words] if words else [])
        require_alike(answer)


ENABLED = st.sampled_from(({}, {"enabled": None}, {"enabled": False}, {"enabled": True}))
PLACES = st.sampled_from(
    ({}, {"destinations": None}, {"destinations": ["cloudflare"]}, {"destinations": ["x"]})
)
PART = st.none() | st.builds(lambda first, more: first | more, ENABLED, PLACES)
PARTS = st.dictionaries(st.sampled_from(OBSERVERS), PART)


@given(st.none() | st.builds(lambda first, parts: first | parts, ENABLED, PARTS), st.none() | ENABLED)
def test_they_read_all_settings_alike(
    observability: dict[str, Any] | None, cache_options: dict[str, Any] | None
) -> None:
    require_alike({"observability": observability, "cache_options": cache_options})


def require_alike(settings: dict[str, Any]) -> None:
    """The command also tells kinds of logs apart, which of an app are too much all the same."""
    found = [item for item in settings_given(settings) if not item.startswith("logs ")]
    assert dashboard_given(settings, False) == found
    assert all(is_off(settings.get(key)) for key in OFF) is not bool(found)


def test_what_answers_before_an_app_is_named(internet: Internet, signer: Signer, account: Account) -> None:
    account.give(HARMLESS)
    assert verify(internet, signer, *account.options)[0] == 0
    account.upload(GOOD, assets={"jwt": "of an upload of static files"})
    require_failure(internet, signer, "cloudflare", "it was given static files", options=account.options)
    account.upload(GOOD)
    namespace = account.script.partition("/scripts/")[0]
    headers = {"authorization": "Bearer local", "user-agent": "test"}
    assert httpx.patch(namespace, headers=headers, json={"trusted_workers": True}).is_success
    words = "it was given a cache shared with other apps"
    require_failure(internet, signer, "cloudflare", words, options=account.options)


def test_the_attested_code_as_a_newer_version_that_does_not_serve_is_caught(
    internet: Internet, signer: Signer, account: Account
) -> None:
    account.upload(GOOD | {"index.js": b"evil"})
    account.upload(GOOD, "/versions")
    require_failure(internet, signer, "cloudflare", "the newest upload is", options=account.options)
    serving = account.ask("GET", "/deployments")["deployments"][0]["versions"][0]["version_id"]
    newest = account.ask("GET", "/versions")["items"][0]["id"]
    split = [{"version_id": serving, "percentage": 1}, {"version_id": newest, "percentage": 99}]
    account.ask("POST", "/deployments", json={"strategy": "percentage", "versions": split})
    require_failure(internet, signer, "cloudflare", "not one version serves", options=account.options)


def test_a_document_of_another_account_is_caught(
    internet: Internet, signer: Signer, account: Account
) -> None:
    """There the attested code is; the one that serves runs something else."""
    other = Account(account.api, account="another")
    other.upload(GOOD)
    internet.document["cloudflare"]["account"] = "another"
    words = "names testing of the account another, but the deploy was to testing of local"
    require_failure(internet, signer, "cloudflare", words, options=account.options)


def test_a_deploy_that_was_signed_without_its_account_proves_nothing_of_it(
    internet: Internet, signer: Signer, account: Account
) -> None:
    statement = statement_of()
    del statement["predicate"]["buildDefinition"]["externalParameters"]["vars"]["CLOUDFLARE_ACCOUNT_ID"]
    internet.publish(signer.sign(statement))
    require_error(*verify(internet, signer, *account.options), "cloudflare", "signed without its account")
    status, report = verify(internet, signer, "--cloudflare-api", account.api)
    assert status == 0
    assert "which was not signed: the operator says so" in report["checks"][-1]["detail"]


def test_other_tags_are_of_another_upload(internet: Internet, signer: Signer, account: Account) -> None:
    account.ask("PUT", "/tags", json=[f"commit-{'b' * 40}"])
    require_failure(internet, signer, "cloudflare", "its tag commit-bbbb", options=account.options)


def test_what_is_not_there_fails(internet: Internet, signer: Signer, account: Account) -> None:
    account.ask("DELETE", "")
    require_failure(internet, signer, "cloudflare", "has no such script", options=account.options)


def test_without_a_token_it_is_the_operator_s_word(internet: Internet, signer: Signer) -> None:
    assert verify(internet, signer)[0] == 0
    require_error(*verify(internet, signer, "--require-cloudflare"), "cloudflare", "publishes no token")


def test_only_cloudflare_s_own_api_is_asked_or_the_visitor_s(
    internet: Internet, signer: Signer, account: Account
) -> None:
    words = "only https://api.cloudflare.com/client/v4 is asked"
    require_error(*verify(internet, signer), "cloudflare", words)
    internet.document["cloudflare"]["api"] = f"http://127.0.0.1:{internet.port}/client/v4"
    require_error(*verify(internet, signer, *account.options), "cloudflare", f"only {account.api} is asked")
    assert not [path for _, path in internet.asked if path.startswith("/client/v4")]


@pytest.mark.parametrize(
    "change",
    [{"token": None}, {"token": "x\r\ny: z"}, {"account": "../x"}, {"namespace": "a/b"}, {"api": 1}],
)
def test_an_access_of_another_form_fails(
    internet: Internet, signer: Signer, account: Account, change: dict[str, Any]
) -> None:
    internet.document["cloudflare"].update(change)
    require_failure(internet, signer, "document", "cloudflare", options=account.options)


ANSWERS: list[tuple[Response, str]] = [
    (
        JSONResponse({"success": False, "errors": [{"message": "Authentication error"}]}, 403),
        "refuses the token",
    ),
    (JSONResponse({}, 429, {"retry-after": "9"}), "answers no more questions for now: again in 9 seconds"),
    (JSONResponse({}, 500), "answers with status 500"),
    (JSONResponse({"success": True, "result": 1}), "can't be read"),
    (JSONResponse([]), "not of the form of its API"),
    (Response("<html>"), "is a page of HTML"),
    (Response("", 302, {"location": "https://else.example"}), "too many redirects"),
]


@pytest.mark.parametrize(("answer", "words"), ANSWERS)
def test_a_token_that_is_refused_limited_or_lies_is_not_called_wrong(
    internet: Internet, signer: Signer, account: Account, answer: Response, words: str
) -> None:
    async def settings(request: Any) -> Response:
        return answer

    application = Starlette(routes=[Mount("/client/v4", routes=[Route("/{rest:path}", settings)])])
    with served(application) as address:
        internet.document["cloudflare"]["api"] = f"{address}/client/v4"
        options = ("--cloudflare-api", f"{address}/client/v4")
        require_error(*verify(internet, signer, *options), "cloudflare", words)


def test_a_form_that_is_cut_off_or_is_none_is_not_called_right(
    internet: Internet, signer: Signer, account: Account
) -> None:
    real = account.api.removesuffix("/client/v4")

    async def forward(request: Any) -> Response:
        headers = {"authorization": request.headers["authorization"], "user-agent": "test"}
        async with httpx.AsyncClient() as client:
            answer = await client.get(real + request.url.path, headers=headers)
        is_form = request.url.path.endswith("/content")
        body = answer.content[: -len(answer.content) // 3] if is_form else answer.content
        return Response(body, answer.status_code, {"content-type": answer.headers["content-type"]})

    with served(Starlette(routes=[Route("/{rest:path}", forward)])) as address:
        internet.document["cloudflare"]["api"] = f"{address}/client/v4"
        options = ("--cloudflare-api", f"{address}/client/v4")
        require_error(*verify(internet, signer, *options), "cloudflare", "cut off")


def test_the_published_token_reads_scripts_and_nothing_else(account: Account) -> None:
    headers = {"authorization": f"Bearer {READ_TOKEN}", "user-agent": "test"}
    assert httpx.get(f"{account.script}/settings", headers=headers).status_code == 200
    for method, url in (
        ("PUT", account.script),
        ("DELETE", account.script),
        ("PUT", f"{account.script}/tags"),
        ("PATCH", f"{account.script}/settings"),
        ("GET", f"{account.api}/accounts/{ACCOUNT}/d1/database"),
    ):
        answer = httpx.request(method, url, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, 10000)


def test_what_cloudflare_said_is_saved_as_digests_and_repeated(
    internet: Internet, signer: Signer, account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "check.json"
    assert verify(internet, signer, *account.options, "--save", str(file))[0] == 0
    assert GOOD["index.js"].decode() not in file.read_text()
    account.ask("DELETE", "")
    flip(internet.document)
    status, report = verify(internet, signer, *account.options, "--offline", str(file))
    assert (status, report["asOf"] is None) == (0, False)


def fields(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from fields(value, (*path, key))


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_cloudflare_says_instead_is_told(
    internet: Internet, signer: Signer, account: Account, tmp_path: Path, data: st.DataObject
) -> None:
    file = tmp_path / "check.json"
    if not file.exists():
        assert verify(internet, signer, *account.options, "--save", str(file))[0] == 0
    saved = json.loads(file.read_text())
    answers = [item for item in saved["answers"] if "/accounts/" in item["url"]]
    answer = data.draw(st.sampled_from(answers))
    *path, last = data.draw(st.sampled_from([("json", *path) for path in fields(answer["json"])]))
    place = answer
    for key in path:
        place = place[key]
    place[last] = data.draw(st.sampled_from([None, True, 10**400, float("inf"), "\u202e", [], [1], {"a": 1}]))
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(saved))
    status, report = verify(internet, signer, *account.options, "--offline", str(changed))
    Draft202012Validator(SCHEMA).validate(report)
    (check,) = (check for check in report["checks"] if check["name"] == "cloudflare")
    assert {0: "ok", 1: "failed", 2: "error"}[status] == check["status"]
