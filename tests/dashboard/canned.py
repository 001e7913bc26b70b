"""A server that gives the answers it was told to, for what a whole stand-in can't be brought to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Canned:
    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class CannedServer:
    """`answers` (JSON, or bytes) are by method and the end of the path; what was asked is kept."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Canned] = {}
        self.asked: list[tuple[str, str, Any]] = []

    def on(self, method: str, path: str, status: int = 200, content: Any = None, **headers: str) -> None:
        self.answers[method, path] = Canned(
            status, content, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        assert request.headers.get("user-agent"), f"who asks for {request.url} doesn't say what it is"
        body = await request.body()
        self.asked.append(
            (request.method, request.url.path, json.loads(body) if body.startswith(b"{") else None)
        )
        found = (
            answer
            for (method, path), answer in self.answers.items()
            if method == request.method and request.url.path.endswith(path)
        )
        answer = next(found, Canned(404, {"message": "Not Found"}))
        content = answer.content
        if not isinstance(content, bytes):
            content = b"" if content is None else json.dumps(content).encode()
        await Response(content, answer.status, dict(answer.headers))(scope, receive, send)

    def paths(self, method: str) -> list[str]:
        return [path for asked, path, _ in self.asked if asked == method]
