"""Send a request as it stands, odd paths and all, and read the answer."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from http.client import HTTPResponse

from tests.differential.projects import Request

TIMEOUT_SECONDS = 60
BODY = b"a body"


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` are sorted, with their names in lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


def ask(port: int, request: Request, to: str) -> Answer:
    body = BODY if request.method == "POST" else b""
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Connection": "close",
        "X-Differential": to,
        **({"Content-Length": str(len(body))} if body else {}),
        **request.headers,
    }
    if "Upgrade" in headers:
        headers |= {
            "Connection": "upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
    lines = [
        f"{request.method} {request.path} HTTP/1.1",
        *(f"{name}: {text}" for name, text in headers.items()),
    ]
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        with HTTPResponse(connection, method=request.method) as response:
            response.begin()
            found = sorted((name.lower(), value) for name, value in response.getheaders())
            return Answer(response.status, found, b"" if response.status == 101 else response.read())
