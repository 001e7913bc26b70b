"""Repositories over git's smart HTTP protocol, for reading.

After git's documentation "gitprotocol-http": `git upload-pack` speaks, this passes on.
"""

from __future__ import annotations

import asyncio
import zlib

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.github.accounts import BadCredentialsError, Tokens
from local.github.repositories import Repositories, Repository, run_git

SERVICE = "git-upload-pack"
NO_CACHE = {"cache-control": "no-cache, max-age=0, must-revalidate"}


class GitHttp:
    def __init__(self, repositories: Repositories, tokens: Tokens) -> None:
        self._repositories = repositories
        self._tokens = tokens

    def routes(self) -> list[Route]:
        return [
            Route("/{owner}/{name}/info/refs", self.advertise),
            Route(f"/{{owner}}/{{name}}/{SERVICE}", self.upload, methods=["POST"]),
        ]

    def _find(self, request: Request) -> Repository | None:
        """The repository, if there is one that the asker may read."""
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        repository = self._repositories.find(name)
        try:
            grant, _ = self._tokens.read(request.headers.get("authorization"))
        except BadCredentialsError:
            return None
        return None if repository and repository.is_private and grant != "operator" else repository

    async def advertise(self, request: Request) -> Response:
        if request.query_params.get("service") != SERVICE:
            return Response("Only reading over smart HTTP is served.", 403)
        repository = self._find(request)
        if repository is None:
            return Response("Repository not found.", 401, {"www-authenticate": 'Basic realm="GitHub"'})
        refs = await self._upload_pack(request, repository, "--http-backend-info-refs", b"")
        body = b"001e# service=git-upload-pack\n0000" + refs
        return Response(body, headers=NO_CACHE, media_type=f"application/x-{SERVICE}-advertisement")

    async def upload(self, request: Request) -> Response:
        repository = self._find(request)
        if repository is None:
            return Response("Repository not found.", 404)
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = zlib.decompress(body, wbits=31)
        pack = await self._upload_pack(request, repository, "--stateless-rpc", body)
        return Response(pack, headers=NO_CACHE, media_type=f"application/x-{SERVICE}-result")

    async def _upload_pack(
        self, request: Request, repository: Repository, option: str, stdin: bytes
    ) -> bytes:
        protocol = request.headers.get("git-protocol", "")
        done = await asyncio.to_thread(
            run_git,
            "upload-pack",
            "--strict",
            option,
            str(repository.path),
            stdin=stdin,
            GIT_PROTOCOL=protocol,
        )
        return done.stdout
