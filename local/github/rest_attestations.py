"""The REST API's endpoint on a repository's attestations: "Attestations", "List attestations"."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.github.attestations import Attestations
from local.github.repositories import Repository
from local.github.rest import Rest, RestError

DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
MAX_PER_PAGE = 100


class AttestationsEndpoints:
    """`repository` is the one that has attestations."""

    def __init__(self, rest: Rest, attestations: Attestations, repository: Repository) -> None:
        self._rest, self._attestations, self._repository = rest, attestations, repository

    def routes(self) -> list[Route]:
        return [self._rest.route("/repos/{owner}/{name}/attestations/{digest}", self.list_attestations)]

    async def list_attestations(self, request: Request) -> Response:
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        if name.lower() != self._repository.full_name.lower():
            raise RestError(404, "Not Found")
        digest = DIGEST.fullmatch(request.path_params["digest"])
        if digest is None:
            raise RestError(422, "Invalid subject digest")
        per_page = min(MAX_PER_PAGE, int(request.query_params.get("per_page", "30")))
        bundles = self._attestations.of(digest[1])[:per_page]
        listed = [{"repository_id": self._repository.id, "bundle": bundle} for bundle in bundles]
        return JSONResponse({"attestations": listed})
