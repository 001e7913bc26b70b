"""A stand-in for "Workers" of Cloudflare's API reference (v4), an account's own, as far as wrangler goes."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.cloudflare import script_settings
from local.cloudflare.answers import ApiError, collection, envelope, timestamp, token
from local.cloudflare.changes import Changes
from local.cloudflare.upload import Part, read_form

AUTHOR = "operator@example.com"
SCRIPT_NOT_FOUND, SERVICE_NOT_FOUND = 10007, 10090


@dataclass(slots=True)
class Version:
    """One upload of a Worker: the form's metadata and files."""

    id: str
    metadata: dict[str, Any]
    parts: list[Part]
    created_on: str

    @property
    def annotations(self) -> dict[str, str]:
        found: dict[str, str] = self.metadata.get("annotations") or {}
        return found

    @property
    def etag(self) -> str:
        """Of its code alone."""
        return hashlib.sha256(repr(self.parts).encode()).hexdigest()

    def described(self, number: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "number": number,
            "metadata": {"created_on": self.created_on, "source": "wrangler", "author_email": AUTHOR},
            "annotations": self.annotations,
            "resources": {
                "bindings": self.metadata.get("bindings", []),
                "script": {"etag": self.etag, "handlers": ["fetch"], "last_deployed_from": "wrangler"},
                "script_runtime": {"compatibility_date": self.metadata.get("compatibility_date")},
            },
        }


@dataclass(slots=True)
class Script:
    """A Worker: its versions, oldest first, of which the last deployed one serves.

    `settings` are those that no version has.
    """

    name: str
    versions: list[Version] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    routes: list[dict[str, Any]] = field(default_factory=list)
    schedules: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    migration_tag: str | None = None

    @property
    def active(self) -> Version:
        """The version that serves."""
        version_id = self.deployments[0]["versions"][0]["version_id"]
        return next(version for version in self.versions if version.id == version_id)

    def deploy(self, version: Version) -> None:
        deployment = {
            "id": str(uuid.uuid4()),
            "source": "wrangler",
            "strategy": "percentage",
            "author_email": AUTHOR,
            "created_on": timestamp(),
            "annotations": version.annotations,
            "versions": [{"version_id": version.id, "percentage": 100}],
        }
        self.deployments.insert(0, deployment)


class Workers:
    """The Workers by name, and the names of the dispatch namespaces."""

    def __init__(self, changes: Changes, has_database: Callable[[str], bool]) -> None:
        self.scripts: dict[str, Script] = {}
        self.namespaces: list[str] = []
        self._assets: set[str] = set()
        self._changes = changes
        self._has_database = has_database

    def routes(self) -> list[Route]:
        """Below the account."""
        script = "/workers/scripts/{name}"
        return [
            *collection("/workers/dispatch/namespaces", self.list_namespaces, self.create_namespace),
            Route("/workers/dispatch/namespaces/{name}", self.get_namespace),
            Route("/workers/services/{name}", self.get_service),
            Route("/workers/workers/{name}", self.get_worker),
            Route("/workers/subdomain", self.get_subdomain),
            *collection(f"{script}/deployments", self.list_deployments, self.create_deployment),
            *collection(f"{script}/versions", self.list_versions, self.create_version),
            Route(f"{script}/versions/{{version}}", self.get_version),
            Route(f"{script}/settings", self.get_settings),
            Route(f"{script}/content/v2", self.get_content),
            Route("/workers/scripts", self.list_scripts),
            Route(f"{script}/script-settings", self.patch_settings, methods=["PATCH"]),
            Route(f"{script}/subdomain", self.subdomain, methods=["GET", "POST"]),
            Route(f"{script}/secrets", self.list_secrets),
            Route(f"{script}/secrets", self.put_secret, methods=["PUT"]),
            Route(f"{script}/routes", self.put_routes, methods=["PUT"]),
            Route(f"{script}/schedules", self.put_schedules, methods=["PUT"]),
            Route(f"{script}/assets-upload-session", self.start_assets, methods=["POST"]),
            Route(script, self.put_script, methods=["PUT"]),
            Route("/workers/assets/upload", self.upload_assets, methods=["POST"]),
        ]

    def zone_routes(self) -> list[Route]:
        return [
            Route("/zones", self.list_zones),
            Route("/zones/{zone}/workers/routes", self.list_zone_routes),
        ]

    async def _script(self, request: Request) -> Script:
        script = self.scripts.get(request.path_params["name"])
        if script is None:
            raise ApiError(404, SCRIPT_NOT_FOUND, "This Worker does not exist on your account.")
        return script

    async def get_service(self, request: Request) -> Response:
        script = self.scripts.get(request.path_params["name"])
        if script is None:
            raise ApiError(404, SERVICE_NOT_FOUND, "workers.api.error.service_not_found")
        deployed = {"id": script.name, "tag": f"tag-{script.name}", "tags": []}
        environment = {
            "environment": "production",
            "script": {**deployed, "last_deployed_from": "wrangler"},
        }
        return envelope({"id": script.name, "default_environment": environment})

    async def get_worker(self, request: Request) -> Response:
        script = await self._script(request)
        return envelope({"id": f"tag-{script.name}", "name": script.name, "subdomain": {"enabled": False}})

    async def get_subdomain(self, request: Request) -> Response:
        return envelope({"subdomain": "operator"})

    async def subdomain(self, request: Request) -> Response:
        await self._script(request)
        return envelope({"enabled": False, "previews_enabled": False})

    async def put_script(self, request: Request) -> Response:
        self._changes.note(request)
        script = self.scripts.setdefault(request.path_params["name"], Script(request.path_params["name"]))
        version = self._add_version(script, *await read_form(request))
        script.settings = script_settings.changed(script.settings, version.metadata, self.scripts)
        script.deploy(version)
        return envelope(self._uploaded(script, version))

    async def create_version(self, request: Request) -> Response:
        self._changes.note(request)
        script = await self._script(request)
        return envelope(self._uploaded(script, self._add_version(script, *await read_form(request))))

    def _add_version(self, script: Script, metadata: bytes | None, parts: list[Part]) -> Version:
        settings = json.loads(metadata or b"{}")
        settings["bindings"] = inherited(script, settings.get("bindings", []))
        self._check_bindings(settings)
        if "migrations" in settings:
            script.migration_tag = settings["migrations"]["new_tag"]
        version = Version(str(uuid.uuid4()), settings, parts, timestamp())
        script.versions.append(version)
        return version

    def _add_secret_version(self, script: Script) -> Version:
        before = script.active
        metadata = {**before.metadata, "annotations": {"workers/triggered_by": "secret"}}
        version = Version(str(uuid.uuid4()), metadata, before.parts, timestamp())
        script.versions.append(version)
        return version

    def _check_bindings(self, settings: dict[str, Any]) -> None:
        """Refuse a binding to what isn't there, as the API does."""
        for binding in settings.get("bindings", []):
            match binding:
                case {"type": "service", "service": str(name)}:
                    code, known = 10143, name in self.scripts
                case {"type": "durable_object_namespace", "script_name": str(name)}:
                    code, known = 10061, name in self.scripts
                case {"type": "d1", "id": str(name)}:
                    code, known = 10181, self._has_database(name)
                case {"type": "dispatch_namespace", "namespace": str(name)}:
                    code, known = 10086, name in self.namespaces
                case _:
                    continue
            if not known:
                raise ApiError(400, code, f"The binding refers to {name!r}, which doesn't exist.")

    def _uploaded(self, script: Script, version: Version) -> dict[str, Any]:
        return {
            "id": version.id if len(script.versions) > 1 else script.name,
            "tag": f"tag-{script.name}",
            "etag": version.etag,
            "deployment_id": version.id,
            "version_id": version.id,
            "startup_time_ms": 1,
            "created_on": version.created_on,
            "modified_on": version.created_on,
            "resources": {"script": {"etag": version.etag}},
            "metadata": {"has_preview": False},
        }

    async def list_versions(self, request: Request) -> Response:
        script = await self._script(request)
        items = [version.described(number) for number, version in enumerate(script.versions, 1)]
        return envelope({"items": items[::-1]})

    async def get_version(self, request: Request) -> Response:
        script = await self._script(request)
        for number, version in enumerate(script.versions, 1):
            if version.id == request.path_params["version"]:
                return envelope(version.described(number))
        raise ApiError(404, 10092, "Version not found.")

    async def list_deployments(self, request: Request) -> Response:
        return envelope({"deployments": (await self._script(request)).deployments})

    async def create_deployment(self, request: Request) -> Response:
        self._changes.note(request)
        script = await self._script(request)
        wanted = (await request.json())["versions"][0]["version_id"]
        script.deploy(next(version for version in script.versions if version.id == wanted))
        return envelope(script.deployments[0])

    async def get_settings(self, request: Request) -> Response:
        script = await self._script(request)
        settings = script.active.metadata
        secrets = [{"name": name, "type": "secret_text"} for name in sorted(script.secrets)]
        return envelope(
            {
                "bindings": [*settings.get("bindings", []), *secrets],
                "compatibility_date": settings.get("compatibility_date"),
                "compatibility_flags": settings.get("compatibility_flags", []),
                "migration_tag": script.migration_tag,
                "tags": [],
                **script_settings.told(script.settings),
            }
        )

    async def patch_settings(self, request: Request) -> Response:
        """How wrangler sets what no version has, when it deploys a Worker that is there already."""
        script = await self._script(request)
        script.settings = script_settings.changed(script.settings, await request.json(), self.scripts)
        return envelope(script_settings.told(script.settings))

    async def get_content(self, request: Request) -> Response:
        """The newest upload's modules, as multipart/form-data."""
        version = (await self._script(request)).versions[-1]
        headers = {"cf-entrypoint": version.metadata["main_module"]}
        kind = f"multipart/form-data; boundary={version.etag}"
        return Response(form_of(version.parts, version.etag), headers=headers, media_type=kind)

    async def list_scripts(self, request: Request) -> Response:
        return envelope([listed(name, script) for name, script in self.scripts.items()])

    async def list_secrets(self, request: Request) -> Response:
        script = await self._script(request)
        return envelope([{"name": name, "type": "secret_text"} for name in sorted(script.secrets)])

    async def put_secret(self, request: Request) -> Response:
        """A secret's value is taken and forgotten; it makes a version of its own, which serves at once."""
        self._changes.note(request)
        content = await request.json()
        script = await self._script(request)
        script.secrets.add(content["name"])
        script.deploy(self._add_secret_version(script))
        return envelope({"name": content["name"], "type": "secret_text"})

    async def put_routes(self, request: Request) -> Response:
        script = await self._script(request)
        script.routes = await request.json()
        return envelope([{"id": str(number), **route} for number, route in enumerate(script.routes)])

    async def put_schedules(self, request: Request) -> Response:
        (await self._script(request)).schedules = await request.json()
        return envelope({"schedules": []})

    async def list_zones(self, request: Request) -> Response:
        """Whatever zone is asked for is the account's."""
        name = request.query_params["name"]
        return envelope([{"id": f"zone-{name}", "name": name}])

    async def list_zone_routes(self, request: Request) -> Response:
        return envelope([])

    async def start_assets(self, request: Request) -> Response:
        manifest = (await request.json())["manifest"]
        missing = sorted({item["hash"] for item in manifest.values()} - self._assets)
        return envelope({"jwt": token(), "buckets": [missing] if missing else []})

    async def upload_assets(self, request: Request) -> Response:
        async with request.form(max_files=1000, max_fields=1000) as form:
            self._assets |= set(form)
        return envelope({"jwt": token()}, 201)

    async def list_namespaces(self, request: Request) -> Response:
        return envelope([{"namespace_id": name, "namespace_name": name} for name in self.namespaces])

    async def get_namespace(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.namespaces:
            raise ApiError(404, 100119, "The dispatch namespace was not found.")
        return envelope({"namespace_id": name, "namespace_name": name})

    async def create_namespace(self, request: Request) -> Response:
        self._changes.note(request)
        name = (await request.json())["name"]
        if name in self.namespaces:
            raise ApiError(409, 100122, "This namespace name is already in use.")
        self.namespaces.append(name)
        return envelope({"namespace_id": name, "namespace_name": name})


def listed(name: str, script: Script) -> dict[str, Any]:
    has_assets = bool(script.deployments) and "assets" in script.active.metadata
    return {"id": name, "has_assets": has_assets, **script_settings.told(script.settings)}


def form_of(parts: list[Part], boundary: str) -> bytes:
    sections = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"; filename="{part.name}"\r\n'
        f"Content-Type: {part.content_type}\r\n\r\n".encode()
        + part.content
        + b"\r\n"
        for part in parts
    ]
    return b"".join(sections) + f"--{boundary}--\r\n".encode()


def inherited(script: Script, bindings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of an upload, with what it keeps from the version that serves."""
    kept = {item["name"]: item for item in script.active.metadata["bindings"]} if script.deployments else {}
    return [kept.get(item["name"], item) if item["type"] == "inherit" else item for item in bindings]
