"""A stand-in for "Pages" of Cloudflare's API reference (v4), as far as wrangler goes."""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.cloudflare.answers import ApiError, accept, collection, envelope, timestamp, token
from local.cloudflare.changes import Changes


class Pages:
    """The projects by name; `uploads` are the forms of their deployments, the newest last."""

    def __init__(self, changes: Changes) -> None:
        self.projects: dict[str, dict[str, Any]] = {}
        # Names under pages.dev that other accounts have.
        self.taken_subdomains: set[str] = set()
        self.uploads: list[dict[str, Any]] = []
        # Those of each project, the newest first.
        self.deployments: dict[str, list[dict[str, Any]]] = {}
        self._assets: set[str] = set()
        self._changes = changes

    def routes(self) -> list[Route]:
        """Below the account."""
        project = "/pages/projects/{name}"
        return [
            *collection("/pages/projects", self.list_projects, self.create_project),
            Route(project, self.get_project),
            Route(project + "/upload-token", self.upload_token),
            *collection(project + "/deployments", self.list_pages, self.create_page),
            Route(project + "/deployments/{id}", self.get_page),
        ]

    def asset_routes(self) -> list[Route]:
        return [
            Route("/pages/assets/check-missing", self.missing_assets, methods=["POST"]),
            Route("/pages/assets/upload", self.store_assets, methods=["POST"]),
            Route("/pages/assets/upsert-hashes", accept, methods=["POST"]),
        ]

    def _project(self, request: Request) -> dict[str, Any]:
        project = self.projects.get(request.path_params["name"])
        if project is None:
            raise ApiError(404, 8000007, "Project not found.")
        return project

    async def list_projects(self, request: Request) -> Response:
        return envelope(list(self.projects.values()))

    async def create_project(self, request: Request) -> Response:
        self._changes.note(request)
        content = await request.json()
        name = content["name"]
        subdomain = f"{name}{'-1ab' if name in self.taken_subdomains else ''}.pages.dev"
        self.deployments[name] = []
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
        return envelope([value for value in (await request.json())["hashes"] if value not in self._assets])

    async def store_assets(self, request: Request) -> Response:
        self._assets |= {item["key"] for item in await request.json()}
        return envelope({})

    async def list_pages(self, request: Request) -> Response:
        listed = self.deployments[self._project(request)["name"]]
        kind = request.query_params.get("env")
        return envelope([item for item in listed if kind in (None, item["environment"])])

    async def create_page(self, request: Request) -> Response:
        self._changes.note(request)
        project = self._project(request)
        async with request.form(max_files=1000, max_fields=1000) as form:
            items = form.items()
            fields = {name: part if isinstance(part, str) else await part.read() for name, part in items}
        is_production = fields.get("branch") == project["production_branch"]
        deployment: dict[str, Any] = {
            "id": hashlib.sha256(repr(sorted(fields)).encode()).hexdigest()[:8],
            "url": f"https://{project['subdomain']}",
            "environment": "production" if is_production else "preview",
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
        self.deployments[project["name"]].insert(0, deployment)
        self.uploads.append(fields)
        return envelope(deployment)

    async def get_page(self, request: Request) -> Response:
        return envelope(self._project(request)["latest_deployment"])
