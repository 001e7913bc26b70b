"""The REST API's endpoint on a repository's attestations: "Attestations", "List attestations".

Since July 2026 GitHub's answer has no bundles in it: `bundle` is null, and `bundle_url` the address of the
bundle as a block of Snappy's; it is signed, and asked without credentials.
"""

from __future__ import annotations

import json
import re

import cramjam
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.github.attestations import Attestations
from local.github.repositories import Repository
from local.github.rest import Rest, RestError

DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
MAX_PER_PAGE = 100
# The kinds that have names of their own in `predicate_type`, as far as they are made here.
KINDS = {"provenance": "https://slsa.dev/provenance/v1"}
BUNDLES = "/attestations/{number:int}.json.sn"


class AttestationsEndpoints:
    """`repository` is the one that has attestations, `origin` the address where their bundles are."""

    def __init__(self, rest: Rest, attestations: Attestations, repository: Repository, origin: str) -> None:
        self._rest, self._attestations, self._repository = rest, attestations, repository
        self._origin = origin

    def routes(self) -> list[Route]:
        return [self._rest.route("/repos/{owner}/{name}/attestations/{digest}", self.list_attestations)]

    def storage(self) -> Route:
        """Where the bundles are: outside the API."""
        return Route(BUNDLES, self.get_bundle)

    async def list_attestations(self, request: Request) -> Response:
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        if name.lower() != self._repository.full_name.lower():
            raise RestError(404, "Not Found")
        digest = DIGEST.fullmatch(request.path_params["digest"])
        if digest is None:
            raise RestError(422, "Invalid subject digest")
        given = request.query_params.get("predicate_type")
        wanted = KINDS.get(given or "", given)
        found = [
            number
            for number in self._attestations.of(digest[1])
            if wanted in (None, self._attestations.predicate_type(number))
        ]
        after = request.query_params.get("after")
        rest = found if after is None else [number for number in found if number < int(after)]
        per_page = min(MAX_PER_PAGE, int(request.query_params.get("per_page", "30")))
        headers = {}
        if len(rest) > per_page:
            following = request.url.include_query_params(after=rest[per_page - 1])
            headers["link"] = f'<{following}>; rel="next"'
        listed = [
            {
                "repository_id": self._repository.id,
                "bundle": None,
                "bundle_url": f"{self._origin}{BUNDLES.replace('{number:int}', str(number))}?sp=r&sig=local",
                "initiator": "user",
            }
            for number in rest[:per_page]
        ]
        return JSONResponse({"attestations": listed}, headers=headers)

    async def get_bundle(self, request: Request) -> Response:
        bundle = self._attestations.bundle(request.path_params["number"])
        if bundle is None or "sig" not in request.query_params or "authorization" in request.headers:
            return Response(status_code=403)
        content = bytes(cramjam.snappy.compress_raw(json.dumps(bundle).encode()))
        return Response(content, media_type="application/x-snappy")
