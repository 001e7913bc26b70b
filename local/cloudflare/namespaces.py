"""A stand-in for the part of Cloudflare's API (v4) that deploys Workers to dispatch namespaces.

It answers in the API's envelope, to the real wrangler among others, and refuses what the API refuses.
What it stores the namespace's Worker runs. Codes and paths: the API reference, "Workers for Platforms".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from local.cloudflare import script_settings, versions
from local.cloudflare.answers import (
    EXCEPTION_HANDLERS,
    ApiError,
    collection,
    envelope,
    timestamp,
)
from local.cloudflare.compatibility import check_compatibility
from local.cloudflare.d1 import Databases
from local.cloudflare.namespace_store import NamespaceStore, Script
from local.cloudflare.permissions import ACCOUNT_MIDDLEWARE
from local.cloudflare.upload import MAX_UPLOAD_BYTES, parse_metadata, read_form, script_from

WORKER_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}")
MAX_TAGS = 8  # "Tags" in "Workers for Platforms"
NO_ASSETS = (
    "The local namespace takes no assets from wrangler: an app gets its static files when the dashboard "
    "deploys it. Name its folder in REPOSITORIES for `make dev`, and deploy the address that is printed."
)
# Told the name of a script after it was stored or deleted.
OnChange = Callable[[str], Awaitable[None]]


def summary(namespace: str, name: str, script: Script) -> dict[str, Any]:
    """A script as the API lists it."""
    return {
        "id": name,
        "etag": script["etag"],
        "created_on": script["created_on"],
        "modified_on": script["modified_on"],
        "dispatch_namespace": namespace,
        "tags": script["tags"],
        "has_assets": script.get("has_assets", False),
        **script_settings.told(script.get("settings", {})),
        "startup_time_ms": 1,
        "deployment_id": script["etag"][:32],
    }


class DispatchNamespaces:
    """The routes of the stand-in, over a store; `namespaces` are the ones that exist.

    Without `has_versions` it is as it was before a namespace's scripts had versions. `databases` are the
    account's, `workers` the names of its own Workers, `account` the routes that tell of them.
    """

    def __init__(
        self,
        store: NamespaceStore,
        namespaces: tuple[str, ...],
        on_change: OnChange,
        has_versions: bool = True,
        databases: Databases | None = None,
        workers: Container[str] = (),
        account: Sequence[Route] = (),
    ) -> None:
        self._workers, self._account = workers, account
        self._trusted: set[str] = set()
        self._has_versions = has_versions
        self._databases = databases
        self._store = store
        self._namespaces = namespaces
        self._on_change = on_change

    def application(self) -> Starlette:
        script = "/workers/dispatch/namespaces/{namespace}/scripts/{name}"
        account = [
            Route("/workers/dispatch/namespaces", self.list_namespaces),
            Route("/workers/dispatch/namespaces/{namespace}", self.get_namespace, methods=["GET"]),
            Route("/workers/dispatch/namespaces/{namespace}", self.patch_namespace, methods=["PATCH"]),
            Route("/workers/dispatch/namespaces/{namespace}/scripts", self.list_scripts),
            Route(script, self.get_script, methods=["GET"]),
            Route(script, self.put_script, methods=["PUT"]),
            Route(script, self.delete_script, methods=["DELETE"]),
            Route(f"{script}/assets-upload-session", self.refuse_assets, methods=["POST"]),
            Route(f"{script}/content", self.get_content),
            Route(f"{script}/settings", self.get_settings, methods=["GET"]),
            Route(f"{script}/settings", self.patch_settings, methods=["PATCH"]),
            Route(f"{script}/tags", self.get_tags, methods=["GET"]),
            Route(f"{script}/tags", self.put_tags, methods=["PUT"]),
            *(self._version_routes(script) if self._has_versions else ()),
            *self._account,
            # Wrangler looks for an ordinary Worker of the same name before it uploads to a namespace.
            Route("/workers/scripts/{name}/{rest:path}", self.no_ordinary_script),
            *(self._databases.routes() if self._databases else ()),
        ]
        return Starlette(
            routes=[
                Mount("/client/v4/accounts/{account}", routes=account, middleware=ACCOUNT_MIDDLEWARE),
                Route("/local/scripts/{name}", self.download),
            ],
            exception_handlers=EXCEPTION_HANDLERS,
        )

    def _version_routes(self, script: str) -> list[Route]:
        return [
            *collection(f"{script}/versions", self.list_versions, self.create_version),
            *collection(f"{script}/deployments", self.list_deployments, self.create_deployment),
        ]

    def _require_token(self, request: Request) -> None:
        if not request.headers.get("authorization", "").startswith("Bearer "):
            raise ApiError(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")

    def _namespace(self, request: Request) -> str:
        self._require_token(request)
        namespace: str = request.path_params["namespace"]
        if namespace not in self._namespaces:
            raise ApiError(404, 100119, f"Dispatch namespace {namespace!r} not found.")
        return namespace

    def _script(self, request: Request) -> tuple[str, str, Script]:
        namespace, name = self._namespace(request), request.path_params["name"]
        script = self._store.get(namespace, name) if WORKER_NAME.fullmatch(name) else None
        if script is None:
            raise ApiError(404, 10092, "workers.api.error.script_not_found_in_dispatch_namespace")
        return namespace, name, script

    async def list_namespaces(self, request: Request) -> Response:
        self._require_token(request)
        return envelope([self._described(name) for name in self._namespaces])

    async def get_namespace(self, request: Request) -> Response:
        return envelope(self._described(self._namespace(request)))

    def _described(self, name: str) -> dict[str, Any]:
        return {"namespace_id": name, "namespace_name": name, "trusted_workers": name in self._trusted}

    async def patch_namespace(self, request: Request) -> Response:
        """Whether its Workers are trusted is described; the local ones run untrusted all the same."""
        namespace = self._namespace(request)
        self._trusted.discard(namespace)
        self._trusted |= {namespace} if (await request.json())["trusted_workers"] else set()
        return await self.get_namespace(request)

    async def list_scripts(self, request: Request) -> Response:
        namespace = self._namespace(request)
        scripts = [(name, self._store.get(namespace, name)) for name in self._store.list(namespace)]
        return envelope([summary(namespace, name, script) for name, script in scripts if script])

    async def get_script(self, request: Request) -> Response:
        namespace, name, script = self._script(request)
        return envelope(
            {
                "dispatch_namespace": namespace,
                "created_on": script["created_on"],
                "modified_on": script["modified_on"],
                "script": summary(namespace, name, script),
            }
        )

    async def put_script(self, request: Request) -> Response:
        namespace, name = self._namespace(request), request.path_params["name"]
        if not WORKER_NAME.fullmatch(name):
            raise ApiError(400, 10016, f"Invalid Worker name {name!r}.")
        if int(request.headers.get("content-length", 0)) > MAX_UPLOAD_BYTES:
            raise ApiError(413, 10027, "The request body is too large.")
        before = self._store.get(namespace, name)
        script = await self._uploaded(request, before)
        self._store.put(namespace, name, script)
        await self._on_change(name)
        return envelope(summary(namespace, name, script))

    async def _uploaded(self, request: Request, before: Script | None) -> Script:
        now, before = timestamp(), before or {}
        metadata, parts = await read_form(request)
        script = script_from(metadata, parts, now)
        await check_compatibility(script["compatibility_date"], script["compatibility_flags"])
        given = parse_metadata(metadata)
        settings = script_settings.changed(before.get("settings", {}), given, self._workers)
        return {**script, "settings": settings, "created_on": before.get("created_on", now)}

    async def list_versions(self, request: Request) -> Response:
        return envelope({"items": versions.described_versions(self._script(request)[2])})

    async def create_version(self, request: Request) -> Response:
        namespace, name, before = self._script(request)
        upload = await self._uploaded(request, before)
        upload["settings"] = before.get("settings", {})  # which are no version's
        self._store.put(namespace, name, versions.with_version(before, upload))
        return envelope({"version_id": versions.version_id(upload), **summary(namespace, name, upload)})

    async def list_deployments(self, request: Request) -> Response:
        return envelope(versions.described_deployments(self._script(request)[2]))

    async def create_deployment(self, request: Request) -> Response:
        namespace, name, script = self._script(request)
        script = versions.with_deployment(script, await request.json())
        self._store.put(namespace, name, script)
        await self._on_change(name)
        return envelope(versions.described_deployments(script)["deployments"][0])

    async def delete_script(self, request: Request) -> Response:
        namespace, name, _ = self._script(request)
        self._store.delete(namespace, name)
        await self._on_change(name)
        return envelope(None)

    async def get_content(self, request: Request) -> Response:
        """The modules as they were uploaded, as multipart/form-data."""
        _, _, script = self._script(request)
        boundary = script["etag"]
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{module["name"]}"; '
            f'filename="{module["name"]}"\r\nContent-Type: {module["type"]}\r\n\r\n'.encode()
            + base64.b64decode(module["content"])
            + b"\r\n"
            for module in script["modules"]
        ]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        headers = {"cf-entrypoint": script["main_module"], "etag": script["etag"]}
        return Response(body, headers=headers, media_type=f"multipart/form-data; boundary={boundary}")

    async def get_settings(self, request: Request) -> Response:
        _, _, script = self._script(request)
        hidden = [
            {
                key: value
                for key, value in binding.items()
                if binding["type"] != "secret_text" or key != "text"
            }
            for binding in script["bindings"]
        ]
        kept = {key: script[key] for key in ("compatibility_date", "compatibility_flags", "limits", "tags")}
        return envelope({**script_settings.told(script.get("settings", {})), **kept, "bindings": hidden})

    async def patch_settings(self, request: Request) -> Response:
        """Changes those that no version has, of the form's part `settings`."""
        namespace, name, script = self._script(request)
        async with request.form() as form:
            part = form.get("settings")
            given = parse_metadata(await part.read() if isinstance(part, UploadFile) else part)
        settings = script_settings.changed(script.get("settings", {}), given, self._workers)
        self._store.put(namespace, name, {**script, "settings": settings})
        return await self.get_settings(request)

    async def get_tags(self, request: Request) -> Response:
        _, _, script = self._script(request)
        return envelope(script["tags"])

    async def put_tags(self, request: Request) -> Response:
        namespace, name, script = self._script(request)
        try:
            tags = json.loads(await request.body())
        except ValueError:
            tags = None
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise ApiError(400, 10026, "The tags must be an array of strings.")
        if len(tags) > MAX_TAGS or any("," in tag or "&" in tag for tag in tags):
            raise ApiError(400, 10026, f"At most {MAX_TAGS} tags, without commas and ampersands.")
        self._store.put(namespace, name, {**script, "tags": tags})
        return envelope(tags)

    async def no_ordinary_script(self, request: Request) -> Response:
        self._require_token(request)
        raise ApiError(404, 10007, "This Worker does not exist on your account.")

    async def refuse_assets(self, request: Request) -> Response:
        """Where wrangler asks first when a Worker has `assets`. Cloudflare takes them."""
        self._namespace(request)
        raise ApiError(400, 10021, NO_ASSETS)

    async def download(self, request: Request) -> Response:
        """What the namespace's Worker loads: a script whole, from the namespace that dispatch is bound to."""
        script = self._store.get(self._namespaces[0], request.path_params["name"])
        return JSONResponse(versions.serving(script)) if script else Response(status_code=404)
