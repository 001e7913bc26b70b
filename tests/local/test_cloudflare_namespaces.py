import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from local.cloudflare.namespace_store import NamespaceStore
from local.cloudflare.namespaces import DispatchNamespaces
from local.cloudflare.upload import MAX_UPLOAD_BYTES, MAX_VARIABLE_BYTES, MAX_VARIABLES, MAX_WORKER_BYTES

ACCOUNT = "/client/v4/accounts/local"
SCRIPTS = f"{ACCOUNT}/workers/dispatch/namespaces/testing/scripts"
AUTHORIZATION = {"authorization": "Bearer local"}
JAVASCRIPT = "application/javascript+module"
MAIN = b"export default { fetch: () => new Response('hi') };\r\n"

Module = tuple[str, bytes, str]


def index_js(content: bytes = MAIN) -> Module:
    return "index.js", content, JAVASCRIPT


class Api:
    """The stand-in over a folder, with wrangler's requests as methods."""

    def __init__(self, folder: Path) -> None:
        self.changes: list[str] = []
        self._application = DispatchNamespaces(
            NamespaceStore(folder), ("testing", "other"), self._note, workers=("listener",)
        ).application()

    async def _note(self, name: str) -> None:
        self.changes.append(name)

    def request(
        self, method: str, path: str, headers: dict[str, str] = AUTHORIZATION, **options: Any
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._application)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(send())

    def upload(self, name: str, *modules: Module, metadata: Any = None, raw: str = "") -> httpx.Response:
        """PUT a script of `modules` (index.js alone by default), with `metadata` beside main_module."""
        written = raw or json.dumps({"main_module": "index.js"} | (metadata or {}))
        files: list[tuple[str, tuple[str | None, Any, str]]] = [
            ("metadata", (None, written, "application/json"))
        ]
        files += [(name, (name, content, kind)) for name, content, kind in modules or [index_js()]]
        return self.request("PUT", f"{SCRIPTS}/{name}", files=files)

    def script(self, name: str) -> Any:
        return result_of(self.request("GET", f"{SCRIPTS}/{name}"))["script"]

    def content(self, name: str) -> list[Module]:
        return asyncio.run(modules_of(self.request("GET", f"{SCRIPTS}/{name}/content")))


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path / "namespaces")


def result_of(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["success"], body["errors"], body["messages"]) == (True, [], [])
    return body["result"]


def assert_refused(response: httpx.Response, status: int, code: int) -> str:
    """Check the error envelope; return its message."""
    body = response.json()
    assert (response.status_code, [error["code"] for error in body["errors"]]) == (status, [code])
    assert (body["success"], body["messages"], body["result"]) == (False, [], None)
    message: str = body["errors"][0]["message"]
    assert message
    return message


async def modules_of(response: httpx.Response) -> list[Module]:
    async def body() -> AsyncGenerator[bytes, None]:
        yield response.content

    form = await MultiPartParser(Headers(raw=response.headers.raw), body()).parse()
    modules = []
    for name, part in form.multi_items():
        assert isinstance(part, UploadFile)
        assert part.filename == name
        modules.append((name, await part.read(), part.content_type or ""))
    await form.close()
    return modules


# What wrangler does.


def test_an_uploaded_script_can_be_read(api: Api) -> None:
    uploaded = result_of(api.upload("hello", metadata={"tags": ["a", "b"]}))
    assert uploaded["id"] == "hello"
    assert uploaded["dispatch_namespace"] == "testing"
    assert uploaded["tags"] == ["a", "b"]
    assert uploaded["etag"]
    assert uploaded["created_on"] == uploaded["modified_on"]
    found = result_of(api.request("GET", f"{SCRIPTS}/hello"))
    assert found["script"] == uploaded
    assert found["dispatch_namespace"] == "testing"
    assert found["created_on"] == uploaded["created_on"]


def test_scripts_are_listed_by_namespace(api: Api) -> None:
    assert result_of(api.request("GET", SCRIPTS)) == []
    for name in ("zebra", "ant"):
        api.upload(name)
    assert [script["id"] for script in result_of(api.request("GET", SCRIPTS))] == ["ant", "zebra"]
    assert result_of(api.request("GET", SCRIPTS.replace("testing", "other"))) == []


def test_namespaces_are_listed_and_read(api: Api) -> None:
    namespaces = f"{ACCOUNT}/workers/dispatch/namespaces"
    testing = {"namespace_id": "testing", "namespace_name": "testing", "trusted_workers": False}
    assert result_of(api.request("GET", namespaces))[0] == testing
    assert len(result_of(api.request("GET", namespaces))) == 2
    assert result_of(api.request("GET", f"{namespaces}/testing")) == testing


def test_settings_of_a_script_stay_until_something_is_said_of_them(api: Api) -> None:
    def settings() -> Any:
        found = result_of(api.request("GET", f"{SCRIPTS}/hello/settings"))
        listed = api.script("hello")
        assert {key: listed[key] for key in ("logpush", "observability", "tail_consumers")} == {
            key: found[key] for key in ("logpush", "observability", "tail_consumers")
        }
        return found

    api.upload("hello")
    assert settings()["observability"] is settings()["tail_consumers"] is None
    assert settings()["logpush"] is False
    api.upload("hello", metadata={"tail_consumers": [{"service": "listener"}], "logpush": True})
    api.upload("hello")
    assert settings()["tail_consumers"] == [{"service": "listener"}]
    assert settings()["logpush"] is True
    api.upload("hello", metadata={"tail_consumers": [], "observability": {"enabled": True}})
    assert settings()["tail_consumers"] is None
    assert settings()["observability"]["logs"]["invocation_logs"] is True
    assert settings()["observability"]["traces"]["enabled"] is False


@pytest.mark.parametrize(
    ("metadata", "status", "code"),
    [
        ({"tail_consumers": [{"service": "nobody"}]}, 404, 10007),
        ({"streaming_tail_consumers": ["listener"]}, 404, 10007),
        ({"logpush": "yes"}, 400, 10026),
        ({"observability": {"enabled": 1}}, 400, 10026),
    ],
)
def test_settings_that_the_api_refuses(api: Api, metadata: Any, status: int, code: int) -> None:
    answer = api.upload("hello", metadata=metadata)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


def test_modules_come_back_as_they_were_uploaded(api: Api) -> None:
    modules = [
        index_js(),
        ("entry.py", "print('é')\r\n--\r\n".encode(), "text/x-python"),
        ("python_modules/data.bin", bytes(range(256)) * 3, "application/octet-stream"),
        ("empty.txt", b"", "text/plain"),
        ("ünï.wasm", b"\0asm\r\n", "application/wasm"),
    ]
    result_of(api.upload("hello", *modules))
    assert api.content("hello") == modules
    headers = api.request("GET", f"{SCRIPTS}/hello/content").headers
    assert headers["cf-entrypoint"] == "index.js"


def test_source_maps_are_not_stored(api: Api) -> None:
    result_of(api.upload("hello", index_js(), ("index.js.map", b"{}", "application/source-map")))
    assert api.content("hello") == [index_js()]


def test_settings_tell_of_a_secret_only_that_it_is_there(api: Api) -> None:
    bindings = [
        {"name": "GREETING", "type": "plain_text", "text": "Hello"},
        {"name": "LIMITS", "type": "json", "json": {"n": 1}},
        {"name": "KEY", "type": "secret_text", "text": "hush-hush"},
    ]
    api.upload(
        "hello",
        metadata={
            "bindings": bindings,
            "compatibility_date": "2026-11-01",
            "compatibility_flags": ["nodejs_compat"],
            "tags": ["a"],
        },
    )
    response = api.request("GET", f"{SCRIPTS}/hello/settings")
    assert (
        result_of(response).items()
        >= {
            "bindings": [*bindings[:2], {"name": "KEY", "type": "secret_text"}],
            "compatibility_date": "2026-11-01",
            "compatibility_flags": ["nodejs_compat"],
            "tags": ["a"],
        }.items()
    )
    assert "hush-hush" not in response.text + api.request("GET", f"{SCRIPTS}/hello").text


def test_a_replaced_script_keeps_when_it_was_created(api: Api) -> None:
    first = result_of(api.upload("hello"))
    second = result_of(api.upload("hello", index_js(b"// changed")))
    assert second["created_on"] == first["created_on"]
    assert second["modified_on"] > first["modified_on"]
    assert second["etag"] != first["etag"]
    assert api.content("hello") == [index_js(b"// changed")]


@pytest.mark.parametrize(
    ("modules", "metadata"),
    [
        ([index_js(b"// other")], {}),
        ([("index.js", MAIN, "application/javascript")], {}),
        ([index_js(), ("more.txt", b"", "text/plain")], {}),
        ([index_js()], {"compatibility_date": "2026-11-01"}),
        ([index_js()], {"bindings": [{"name": "KEY", "type": "secret_text", "text": "new"}]}),
    ],
)
def test_the_etag_changes_with_whatever_decides_how_a_script_runs(
    api: Api, modules: list[Module], metadata: Any
) -> None:
    before = result_of(api.upload("hello"))["etag"]
    assert result_of(api.upload("hello", *modules, metadata=metadata))["etag"] != before
    assert result_of(api.upload("hello"))["etag"] == before


def test_a_deleted_script_is_gone(api: Api) -> None:
    api.upload("hello")
    assert result_of(api.request("DELETE", f"{SCRIPTS}/hello")) is None
    for method, path in (("GET", ""), ("GET", "/content"), ("GET", "/settings"), ("DELETE", "")):
        assert_refused(api.request(method, f"{SCRIPTS}/hello{path}"), 404, 10092)
    assert result_of(api.request("GET", SCRIPTS)) == []


def test_changes_are_told(api: Api) -> None:
    api.upload("hello")
    assert api.changes == ["hello"]
    api.upload("hello", index_js(b"// changed"))
    assert api.changes == ["hello", "hello"]
    api.request("DELETE", f"{SCRIPTS}/hello")
    assert api.changes == ["hello", "hello", "hello"]
    api.request("DELETE", f"{SCRIPTS}/hello")
    assert len(api.changes) == 3


def test_the_namespace_downloads_the_whole_script(api: Api) -> None:
    api.upload("hello", metadata={"bindings": [{"name": "KEY", "type": "secret_text", "text": "hush"}]})
    script = api.request("GET", "/local/scripts/hello").json()
    assert script["main_module"] == "index.js"
    assert script["bindings"][0]["text"] == "hush"
    assert api.request("GET", "/local/scripts/nobody").status_code == 404


# What it refuses.


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", SCRIPTS),
        ("GET", f"{SCRIPTS}/hello"),
        ("PUT", f"{SCRIPTS}/hello"),
        ("DELETE", f"{SCRIPTS}/hello"),
        ("GET", f"{SCRIPTS}/hello/content"),
        ("GET", f"{SCRIPTS}/hello/settings"),
    ],
)
def test_a_request_needs_a_token_and_a_namespace_that_exists(api: Api, method: str, path: str) -> None:
    api.upload("hello")
    assert_refused(api.request(method, path, headers={}), 400, 9106)
    assert_refused(api.request(method, path, headers={"authorization": "Basic eDp5"}), 400, 9106)
    assert_refused(api.request(method, path.replace("testing", "unknown")), 404, 100119)
    assert api.script("hello")
    assert api.changes == ["hello"]


NAMELESS = {"type": "plain_text", "text": "x"}
TOO_LARGE = bytes(MAX_WORKER_BYTES)  # it counts as it is, however well it compresses
TOO_LONG = "x" * (MAX_VARIABLE_BYTES + 1)


def variables(count: int = 1, **binding: Any) -> dict[str, Any]:
    listed = [
        {"name": f"NAME_{number}", "type": "plain_text", "text": "x", **binding} for number in range(count)
    ]
    return {"metadata": {"bindings": listed}}


def compatible(date: str, *flags: str) -> dict[str, Any]:
    return {"metadata": {"compatibility_date": date, "compatibility_flags": flags}}


@pytest.mark.parametrize(
    ("modules", "upload", "status", "code"),
    [
        ([], {"metadata": {"main_module": "absent.js"}}, 400, 10021),
        ([], {"metadata": {"main_module": None}}, 400, 10021),
        ([], {"metadata": {"main_module": ["index.js"]}}, 400, 10021),
        ([("index.js", b"{}", "application/source-map")], {}, 400, 10021),
        ([index_js(), ("a.php", b"", "text/x-php")], {}, 400, 10021),
        ([index_js(), ("a", TOO_LARGE, "application/octet-stream")], {}, 413, 10027),
        ([], {"metadata": {"bindings": [NAMELESS]}}, 400, 10052),
        ([], {"metadata": {"bindings": [NAMELESS | {"name": ""}]}}, 400, 10052),
        ([], {"metadata": {"bindings": [{"name": "DB", "type": "d1", "id": "x"}]}}, 400, 10056),
        ([], {"metadata": {"bindings": [{"name": "X"}]}}, 400, 10056),
        ([], variables(MAX_VARIABLES + 1), 400, 10055),
        ([], variables(text=TOO_LONG), 400, 10054),
        ([], variables(type="secret_text", text=TOO_LONG), 400, 10054),
        ([], variables(type="json", text=None, json=[TOO_LONG]), 400, 10054),
        ([], compatible("9999-12-31"), 400, 10021),
        ([], compatible("soon"), 400, 10021),
        ([], compatible("2026-11-01", "nodejs_compat", "no_such_flag"), 400, 10021),
        ([], compatible("2026-11-01", 'a"b'), 400, 10021),
        ([], compatible("2026-11-01", "experimental"), 400, 10021),
        ([], compatible("2026-11-01", "python_workers", "python_workers_development"), 400, 10021),
        ([], {"raw": '{"main_module":'}, 400, 10026),
        ([], {"raw": '["index.js"]'}, 400, 10026),
        ([], {"raw": "null"}, 400, 10026),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_a_refused_upload_changes_nothing(
    api: Api, modules: list[Module], upload: Any, status: int, code: int
) -> None:
    assert_refused(api.upload("hello", *modules, **upload), status, code)
    assert_refused(api.request("GET", f"{SCRIPTS}/hello"), 404, 10092)
    before = result_of(api.upload("hello"))
    assert_refused(api.upload("hello", *modules, **upload), status, code)
    assert api.script("hello") == before
    assert api.content("hello") == [index_js()]
    assert api.changes == ["hello"]


def test_the_message_names_the_module_and_the_binding(api: Api) -> None:
    response = api.upload("hello", index_js(), ("a.php", b"", "text/x-php"))
    message = assert_refused(response, 400, 10021)
    assert "'a.php'" in message
    assert "'text/x-php'" in message
    response = api.upload("hello", metadata={"bindings": [{"name": "DB", "type": "d1"}]})
    assert "'DB'" in assert_refused(response, 400, 10056)
    message = assert_refused(api.upload("hello", **compatible("2026-11-01", "no_such_flag")), 400, 10021)
    assert message == "No such compatibility flag: no_such_flag"
    message = assert_refused(api.upload("hello", **compatible("2026-11-01", "experimental")), 400, 10021)
    assert message.endswith("experimental and cannot yet be used in Workers deployed to Cloudflare.")


@pytest.mark.parametrize(
    "upload",
    [
        variables(MAX_VARIABLES),
        variables(text="x" * MAX_VARIABLE_BYTES),
        compatible("2021-11-02"),
        compatible("2024-01-01", "nodejs_compat", "global_fetch_strictly_public"),
        # Became the default since, which is no error.
        compatible("2026-11-01", "nodejs_compat"),
        compatible("2026-11-01", "python_workers"),
        # Later than the pinned workerd, not than now.
        compatible(datetime.now(UTC).date().isoformat()),
    ],
)
def test_what_is_just_allowed_is_taken(api: Api, upload: dict[str, Any]) -> None:
    result_of(api.upload("hello", **upload))


def test_who_does_not_say_what_it_is_is_refused(api: Api) -> None:
    for name in ("", "Python-urllib/3.11"):
        response = api.request("GET", SCRIPTS, AUTHORIZATION | {"user-agent": name})
        assert (response.status_code, response.text) == (403, "error code: 1010")


def test_a_worker_of_the_largest_size_is_taken(api: Api) -> None:
    zeros = bytes(MAX_WORKER_BYTES - len(MAIN))
    result_of(api.upload("hello", index_js(), ("zeros", zeros, "application/octet-stream")))


def test_an_upload_that_says_it_is_too_long_is_not_read(api: Api) -> None:
    headers = AUTHORIZATION | {
        "content-type": "multipart/form-data; boundary=x",
        "content-length": str(MAX_UPLOAD_BYTES + 1),
    }
    assert_refused(api.request("PUT", f"{SCRIPTS}/hello", headers, content=b"--x"), 413, 10027)


def test_an_upload_without_metadata_is_refused(api: Api) -> None:
    response = api.request("PUT", f"{SCRIPTS}/hello", files=[("index.js", index_js())])
    assert_refused(response, 400, 10021)


@pytest.mark.parametrize(
    "content_type", ["application/javascript", "application/x-www-form-urlencoded", "", "multipart/mixed"]
)
def test_an_upload_that_is_no_form_is_refused(api: Api, content_type: str) -> None:
    headers = AUTHORIZATION | {"content-type": content_type}
    assert_refused(api.request("PUT", f"{SCRIPTS}/hello", headers, content=MAIN), 415, 10001)
    assert api.changes == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("multipart/form-data", b"x"), ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--\r\n")],
)
def test_a_broken_form_is_refused_in_the_envelope(api: Api, content_type: str, body: bytes) -> None:
    headers = AUTHORIZATION | {"content-type": content_type}
    assert_refused(api.request("PUT", f"{SCRIPTS}/hello", headers, content=body), 400, 7003)
    assert api.changes == []


@pytest.mark.parametrize("name", ["Hello", "a.b", "-hello", "hellö", "a b", "a" * 64])
def test_a_bad_script_name_is_refused(api: Api, name: str) -> None:
    assert_refused(api.upload(name), 400, 10016)
    assert_refused(api.request("GET", f"{SCRIPTS}/{name}"), 404, 10092)
    assert api.changes == []


@pytest.mark.parametrize("name", ["a", "0", "hello-2_x", "a" * 63])
def test_a_good_script_name_is_taken(api: Api, name: str) -> None:
    assert result_of(api.upload(name))["id"] == name


def test_there_are_no_ordinary_scripts(api: Api) -> None:
    api.upload("hello")
    for rest in ("settings", "secrets", "deployments/1"):
        assert_refused(api.request("GET", f"{ACCOUNT}/workers/scripts/hello/{rest}"), 404, 10007)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/client/v4/user", 404),
        ("GET", f"{ACCOUNT}/pages/projects", 404),
        ("GET", f"{SCRIPTS}/hello/secrets", 404),
        ("POST", f"{SCRIPTS}/hello", 405),
        ("DELETE", SCRIPTS, 405),
    ],
)
def test_an_unknown_route_is_answered_in_the_envelope(api: Api, method: str, path: str, status: int) -> None:
    message = assert_refused(api.request(method, path), status, 7003)
    assert status == 405 or path in message


# Versions.


def version_of(api: Api, content: bytes) -> str:
    """Upload a version that doesn't serve by itself."""
    files = {
        "metadata": (None, '{"main_module": "index.js"}', "application/json"),
        "index.js": ("index.js", content, JAVASCRIPT),
    }
    found: str = result_of(api.request("POST", f"{SCRIPTS}/hello/versions", files=files))["version_id"]
    return found


def deploy_versions(api: Api, *versions: tuple[str, int]) -> httpx.Response:
    listed = [{"version_id": id_, "percentage": share} for id_, share in versions]
    content = {"strategy": "percentage", "versions": listed}
    return api.request("POST", f"{SCRIPTS}/hello/deployments", json=content)


def served(api: Api) -> bytes:
    """What the namespace's Worker loads."""
    script = api.request("GET", "/local/scripts/hello").json()
    return base64.b64decode(script["modules"][0]["content"])


def test_a_version_serves_when_it_is_deployed(api: Api) -> None:
    result_of(api.upload("hello"))
    (first,) = result_of(api.request("GET", f"{SCRIPTS}/hello/deployments"))["deployments"][0]["versions"]
    assert first["percentage"] == 100
    second = version_of(api, b"// two")
    assert api.content("hello") == [index_js(b"// two")]
    assert served(api) == MAIN
    listed = result_of(api.request("GET", f"{SCRIPTS}/hello/versions"))["items"]
    assert [(item["id"], item["number"]) for item in listed] == [(second, 2), (first["version_id"], 1)]
    for share, content in ((10, MAIN), (0, MAIN), (90, b"// two"), (100, b"// two")):
        result_of(deploy_versions(api, (second, share), (first["version_id"], 100 - share)))
        assert served(api) == content
    assert api.changes == ["hello"] * 5
    # A whole upload takes the place of all of them.
    result_of(api.upload("hello"))
    assert (served(api), len(result_of(api.request("GET", f"{SCRIPTS}/hello/versions"))["items"])) == (
        MAIN,
        1,
    )


@pytest.mark.parametrize("shares", [(50, 40), (100,), (100, 0, 0), ()])
def test_a_deployment_that_is_none_is_refused(api: Api, shares: tuple[int, ...]) -> None:
    result_of(api.upload("hello"))
    version = version_of(api, b"// two")
    ids = ["unknown"] if shares == (100,) else [version] * 3
    assert_refused(deploy_versions(api, *zip(ids, shares, strict=False)), 400, 10021)
    assert served(api) == MAIN
