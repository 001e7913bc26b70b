"""A stand-in for the part of Cloudflare's API (v4) about an account's own Workers, databases and Pages.

It answers to the real wrangler and keeps what was deployed, so that a whole installation can be tried
without an account. Paths, shapes and codes are those of the API reference ("Workers", "D1", "Pages") as far
as wrangler goes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from local.cloudflare_api import (
    ApiError,
    envelope,
    on_api_error,
    on_failure,
    on_http_error,
    read_form,
    timestamp,
)
from local.script_upload import Part

Handler = Callable[[Request], Awaitable[Response]]
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

    def described(self, number: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "number": number,
            "metadata": {"created_on": self.created_on, "source": "wrangler", "author_email": AUTHOR},
            "annotations": self.annotations,
            "resources": {
                "bindings": self.metadata.get("bindings", []),
                "script": {"etag": self.id, "handlers": ["fetch"], "last_deployed_from": "wrangler"},
                "script_runtime": {"compatibility_date": self.metadata.get("compatibility_date")},
            },
        }


@dataclass(slots=True)
class Script:
    """A Worker: its versions, oldest first, of which the last deployed one serves."""

    name: str
    versions: list[Version] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    routes: list[dict[str, Any]] = field(default_factory=list)
    schedules: list[dict[str, Any]] = field(default_factory=list)
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


@dataclass(slots=True)
class Database:
    """A D1 database: a real SQLite in memory."""

    id: str
    name: str
    created_at: str
    connection: sqlite3.Connection

    def described(self) -> dict[str, Any]:
        return {"uuid": self.id, "name": self.name, "created_at": self.created_at, "version": "production"}


class CloudflareAccount:
    """The account `account_id`. A test reads its parts, and may have the next requests of a kind fail."""

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.scripts: dict[str, Script] = {}
        self.databases: dict[str, Database] = {}
        self.namespaces: list[str] = []
        self.projects: dict[str, dict[str, Any]] = {}
        # Names under pages.dev that other accounts have.
        self.taken_subdomains: set[str] = set()
        self.pages_uploads: list[dict[str, Any]] = []
        self.assets: set[str] = set()
        # What was asked to change, in order: "PUT workers/scripts/codius-billing".
        self.changes: list[str] = []
        # The beginning of a change that is refused.
        self.failing: str | None = None

    def application(self) -> Starlette:
        script, database = "/workers/scripts/{name}", "/d1/database"
        project = "/pages/projects/{name}"
        account = [
            *self._both("/workers/dispatch/namespaces", self.list_namespaces, self.create_namespace),
            Route("/workers/services/{name}", self.get_service),
            Route("/workers/workers/{name}", self.get_worker),
            Route("/workers/subdomain", self.get_subdomain),
            *self._both(f"{script}/deployments", self.list_deployments, self.create_deployment),
            *self._both(f"{script}/versions", self.list_versions, self.create_version),
            Route(f"{script}/versions/{{version}}", self.get_version),
            Route(f"{script}/settings", self.get_settings),
            Route(f"{script}/script-settings", self.accept, methods=["PATCH", "GET"]),
            Route(f"{script}/subdomain", self.subdomain, methods=["GET", "POST"]),
            Route(f"{script}/secrets", self.list_secrets),
            Route(f"{script}/secrets", self.put_secret, methods=["PUT"]),
            Route(f"{script}/routes", self.put_routes, methods=["PUT"]),
            Route(f"{script}/schedules", self.put_schedules, methods=["PUT"]),
            Route(f"{script}/assets-upload-session", self.start_assets, methods=["POST"]),
            Route(script, self.put_script, methods=["PUT"]),
            Route("/workers/assets/upload", self.upload_assets, methods=["POST"]),
            *self._both(database, self.list_databases, self.create_database),
            Route(database + "/{id}", self.get_database),
            Route(database + "/{id}/query", self.query, methods=["POST"]),
            *self._both("/pages/projects", self.list_projects, self.create_project),
            Route(project, self.get_project),
            Route(project + "/upload-token", self.upload_token),
            *self._both(project + "/deployments", self.list_pages, self.create_page),
            Route(project + "/deployments/{id}", self.get_page),
        ]
        more = [
            Route("/zones", self.list_zones),
            Route("/zones/{zone}/workers/routes", self.list_zone_routes),
            Route("/pages/assets/check-missing", self.missing_assets, methods=["POST"]),
            Route("/pages/assets/upload", self.store_assets, methods=["POST"]),
            Route("/pages/assets/upsert-hashes", self.accept, methods=["POST"]),
        ]
        return Starlette(
            routes=[
                Mount("/client/v4/accounts/{account}", routes=account),
                Mount("/client/v4", routes=more),
            ],
            exception_handlers={ApiError: on_api_error, HTTPException: on_http_error, Exception: on_failure},
        )

    def _both(self, path: str, read: Handler, create: Handler) -> list[Route]:
        return [Route(path, read, methods=["GET"]), Route(path, create, methods=["POST"])]

    def _change(self, request: Request) -> None:
        """Note a change; refuse it where a test says so."""
        path = request.url.path.partition(f"/accounts/{self.account_id}/")[2]
        change = f"{request.method} {path}"
        self.changes.append(change)
        if self.failing is not None and change.startswith(self.failing):
            raise ApiError(500, 10013, "An unknown error occurred.")

    def _script(self, request: Request) -> Script:
        script = self.scripts.get(request.path_params["name"])
        if script is None:
            raise ApiError(404, SCRIPT_NOT_FOUND, "This Worker does not exist on your account.")
        return script

    # Workers.

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
        script = self._script(request)
        return envelope({"id": f"tag-{script.name}", "name": script.name, "subdomain": {"enabled": False}})

    async def get_subdomain(self, request: Request) -> Response:
        return envelope({"subdomain": "operator"})

    async def subdomain(self, request: Request) -> Response:
        self._script(request)
        return envelope({"enabled": False, "previews_enabled": False})

    async def accept(self, request: Request) -> Response:
        return envelope({})

    async def put_script(self, request: Request) -> Response:
        self._change(request)
        script = self.scripts.setdefault(request.path_params["name"], Script(request.path_params["name"]))
        version = self._add_version(script, *await read_form(request))
        script.deploy(version)
        return envelope(self._uploaded(script, version))

    async def create_version(self, request: Request) -> Response:
        self._change(request)
        script = self._script(request)
        return envelope(self._uploaded(script, self._add_version(script, *await read_form(request))))

    def _add_version(self, script: Script, metadata: bytes | None, parts: list[Part]) -> Version:
        settings = json.loads(metadata or b"{}")
        self._check_bindings(settings)
        if "migrations" in settings:
            script.migration_tag = settings["migrations"]["new_tag"]
        version = Version(str(uuid.uuid4()), settings, parts, timestamp())
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
                    code, known = 10181, name in self.databases
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
            "etag": version.id,
            "deployment_id": version.id,
            "version_id": version.id,
            "startup_time_ms": 1,
            "created_on": version.created_on,
            "modified_on": version.created_on,
            "resources": {"script": {"etag": version.id}},
            "metadata": {"has_preview": False},
        }

    async def list_versions(self, request: Request) -> Response:
        script = self._script(request)
        items = [version.described(number) for number, version in enumerate(script.versions, 1)]
        return envelope({"items": items[::-1]})

    async def get_version(self, request: Request) -> Response:
        script = self._script(request)
        for number, version in enumerate(script.versions, 1):
            if version.id == request.path_params["version"]:
                return envelope(version.described(number))
        raise ApiError(404, 10092, "Version not found.")

    async def list_deployments(self, request: Request) -> Response:
        return envelope({"deployments": self._script(request).deployments})

    async def create_deployment(self, request: Request) -> Response:
        self._change(request)
        script = self._script(request)
        wanted = (await request.json())["versions"][0]["version_id"]
        script.deploy(next(version for version in script.versions if version.id == wanted))
        return envelope(script.deployments[0])

    async def get_settings(self, request: Request) -> Response:
        script = self._script(request)
        settings = script.active.metadata
        secrets = [{"name": name, "type": "secret_text"} for name in sorted(script.secrets)]
        return envelope(
            {
                "bindings": [*settings.get("bindings", []), *secrets],
                "compatibility_date": settings.get("compatibility_date"),
                "compatibility_flags": settings.get("compatibility_flags", []),
                "migration_tag": script.migration_tag,
                "tags": [],
            }
        )

    async def list_secrets(self, request: Request) -> Response:
        script = self._script(request)
        return envelope([{"name": name, "type": "secret_text"} for name in sorted(script.secrets)])

    async def put_secret(self, request: Request) -> Response:
        """A secret's value is taken and forgotten."""
        self._change(request)
        content = await request.json()
        self._script(request).secrets.add(content["name"])
        return envelope({"name": content["name"], "type": "secret_text"})

    async def put_routes(self, request: Request) -> Response:
        script = self._script(request)
        script.routes = await request.json()
        return envelope([{"id": str(number), **route} for number, route in enumerate(script.routes)])

    async def put_schedules(self, request: Request) -> Response:
        self._script(request).schedules = await request.json()
        return envelope({"schedules": []})

    async def list_zones(self, request: Request) -> Response:
        """Whatever zone is asked for is the account's."""
        name = request.query_params["name"]
        return envelope([{"id": f"zone-{name}", "name": name}])

    async def list_zone_routes(self, request: Request) -> Response:
        return envelope([])

    async def start_assets(self, request: Request) -> Response:
        manifest = (await request.json())["manifest"]
        missing = sorted({item["hash"] for item in manifest.values()} - self.assets)
        return envelope({"jwt": token(), "buckets": [missing] if missing else []})

    async def upload_assets(self, request: Request) -> Response:
        async with request.form(max_files=1000, max_fields=1000) as form:
            self.assets |= set(form)
        return envelope({"jwt": token()}, 201)

    async def list_namespaces(self, request: Request) -> Response:
        return envelope([{"namespace_id": name, "namespace_name": name} for name in self.namespaces])

    async def create_namespace(self, request: Request) -> Response:
        self._change(request)
        name = (await request.json())["name"]
        if name in self.namespaces:
            raise ApiError(409, 100122, "This namespace name is already in use.")
        self.namespaces.append(name)
        return envelope({"namespace_id": name, "namespace_name": name})

    # D1.

    async def list_databases(self, request: Request) -> Response:
        name = request.query_params.get("name")
        found = [database for database in self.databases.values() if name in (None, database.name)]
        return envelope([database.described() for database in found])

    async def create_database(self, request: Request) -> Response:
        self._change(request)
        name = (await request.json())["name"]
        if any(database.name == name for database in self.databases.values()):
            raise ApiError(400, 7502, f"Database with name {name!r} already exists")
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        database = Database(str(uuid.uuid4()), name, timestamp(), connection)
        self.databases[database.id] = database
        return envelope(database.described())

    def _database(self, request: Request) -> Database:
        """By its id or its name."""
        wanted = request.path_params["id"]
        for database in self.databases.values():
            if wanted in (database.id, database.name):
                return database
        raise ApiError(404, 7404, "The database could not be found")

    async def get_database(self, request: Request) -> Response:
        return envelope(self._database(request).described())

    async def query(self, request: Request) -> Response:
        database, content = self._database(request), await request.json()
        if "INSERT INTO" in content["sql"]:
            self._change(request)
        try:
            results = run_sql(database.connection, content["sql"], content.get("params") or [])
        except sqlite3.Error as error:
            raise ApiError(400, 7500, f"{error}: SQLITE_ERROR") from error
        meta = {"duration": 0.1, "rows_read": 0, "rows_written": 0, "changes": 0, "served_by": "local"}
        return envelope([{"results": rows, "success": True, "meta": meta} for rows in results])

    # Pages.

    def _project(self, request: Request) -> dict[str, Any]:
        project = self.projects.get(request.path_params["name"])
        if project is None:
            raise ApiError(404, 8000007, "Project not found.")
        return project

    async def list_projects(self, request: Request) -> Response:
        return envelope(list(self.projects.values()))

    async def create_project(self, request: Request) -> Response:
        self._change(request)
        content = await request.json()
        name = content["name"]
        subdomain = f"{name}{'-1ab' if name in self.taken_subdomains else ''}.pages.dev"
        self.projects[name] = {
            **content,
            "id": name,
            "subdomain": subdomain,
            "domains": [subdomain],
            "created_on": timestamp(),
            "latest_deployment": None,
            "deployment_configs": {"preview": {}, "production": {}},
        }
        return envelope(self.projects[name])

    async def get_project(self, request: Request) -> Response:
        return envelope(self._project(request))

    async def upload_token(self, request: Request) -> Response:
        self._project(request)
        return envelope({"jwt": token()})

    async def missing_assets(self, request: Request) -> Response:
        return envelope([value for value in (await request.json())["hashes"] if value not in self.assets])

    async def store_assets(self, request: Request) -> Response:
        self.assets |= {item["key"] for item in await request.json()}
        return envelope({})

    async def list_pages(self, request: Request) -> Response:
        latest = self._project(request)["latest_deployment"]
        return envelope([latest] if latest else [])

    async def create_page(self, request: Request) -> Response:
        self._change(request)
        project = self._project(request)
        async with request.form(max_files=1000, max_fields=1000) as form:
            items = form.items()
            fields = {name: part if isinstance(part, str) else await part.read() for name, part in items}
        deployment = {
            "id": hashlib.sha256(repr(sorted(fields)).encode()).hexdigest()[:8],
            "url": f"https://{project['subdomain']}",
            "environment": "production",
            "aliases": [],
            "latest_stage": {"name": "deploy", "status": "success"},
            "created_on": timestamp(),
            "deployment_trigger": {
                "type": "ad_hoc",
                "metadata": {
                    "branch": fields.get("branch", ""),
                    "commit_hash": fields.get("commit_hash", ""),
                    "commit_message": fields.get("commit_message", ""),
                },
            },
        }
        project["latest_deployment"] = deployment
        self.pages_uploads.append(fields)
        return envelope(deployment)

    async def get_page(self, request: Request) -> Response:
        return envelope(self._project(request)["latest_deployment"])


def run_sql(connection: sqlite3.Connection, sql: str, parameters: list[Any]) -> list[list[dict[str, Any]]]:
    """Run statements; return the rows of each. Parameters go to a single statement."""
    statements, rest = [], ""
    for part in sql.split(";"):
        rest += part + ";"
        if sqlite3.complete_statement(rest):
            statements.append(rest)
            rest = ""
    results = []
    for statement in statements:
        rows = connection.execute(statement, parameters if len(statements) == 1 else []).fetchall()
        results.append([dict(row) for row in rows])
    return results


def token() -> str:
    """A JWT that nobody checks, of the form that wrangler reads the expiry of."""
    parts = ({"alg": "none"}, {"exp": 4_000_000_000})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "none"])
