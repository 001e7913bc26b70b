from __future__ import annotations

import asyncio
import base64
import copy
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cramjam
import pytest

from local.github.attestations import claims_of
from local.sigstore.authority import Authority
from pipeline.artifact import Artifact
from pipeline.attest import predicate
from pipeline.inputs import Source
from pipeline.manifest import Manifest, digest

APP = "bcdfghjkmnpq"
OPERATOR = "operator/platform"
WORKFLOW_REF = f"{OPERATOR}/.github/workflows/deploy-worker.yml@refs/heads/main"
SIGNER = f"https://github.example/{WORKFLOW_REF}"
RUN = {
    "server_url": "https://github.example",
    "repository": OPERATOR,
    "workflow_ref": WORKFLOW_REF,
    "ref": "refs/heads/main",
    "sha": "d" * 40,
    "run_id": "77",
    "run_attempt": "2",
    "event_name": "workflow_dispatch",
}
DOMAIN, ACCOUNT = "localhost", "local"
SOURCE = Source(APP, "alice/hello", "a" * 40, "main", "worker")
MODULES = {"index.js": b"export default {}", "text.txt": b"hi"}
ARTIFACT = Artifact(
    "index.js", "2026-11-01", (), {"A": "1"}, MODULES, {"index.js": "ESModule", "text.txt": "Text"}
)
MANIFEST = Manifest.of(SOURCE, ARTIFACT)


def statement_of(source: Source = SOURCE, artifact: Artifact = ARTIFACT) -> dict[str, Any]:
    """What the workflow signs."""
    manifest = Manifest.of(source, artifact)
    subjects = {"manifest.json": manifest.sha256} | {
        f"modules/{name}": digest(content) for name, content in artifact.modules.items()
    }
    env = {f"GITHUB_{name.upper()}": value for name, value in RUN.items()} | {
        "APPS_DOMAIN": DOMAIN,
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in subjects.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": predicate(manifest, source, "testing", env),
    }


class Signer:
    """Signs statements, each kind once for all tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bundles: dict[str, Any] = {}
        self.authority = Authority(folder / "trusted")

    @property
    def trusted_root(self) -> str:
        return str(self.authority.trusted_root)

    def sign(
        self, statement: Any = None, claims: dict[str, str] | None = None, authority: str = "", **forged: str
    ) -> Any:
        statement = statement_of() if statement is None else statement
        key = json.dumps([statement, claims, authority, forged])
        if key not in self._bundles:
            signing = Authority(self._folder / authority) if authority else self.authority
            given = claims_of(RUN) | (claims or {})
            self._bundles[key] = asyncio.run(signing.sign(json.dumps(statement).encode(), given, **forged))
        return copy.deepcopy(self._bundles[key])


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    signer = Signer(tmp_path_factory.mktemp("sigstore"))
    signer.sign()
    return signer


@dataclass
class Internet:
    """The addresses of apps, the dashboard and GitHub: answers by path, or by app and path, JSON or bytes.

    An answer may be a tuple: its status (otherwise 200), its content, and headers; or what returns an answer.
    """

    port: int = 0
    manifest: Manifest = MANIFEST
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def app_url(self) -> str:
        return f"http://{APP}.localhost:{self.port}"

    @property
    def attestation_path(self) -> str:
        return f"/repos/{OPERATOR}/attestations/sha256:{self.manifest.sha256}"

    @property
    def document(self) -> Any:
        return self.answers["/.well-known/codius"]

    def publish(self, *bundles: Any) -> None:
        """GitHub has these attestations of the manifest, and keeps them elsewhere."""
        items = []
        for number, bundle in enumerate(bundles):
            path = f"/attestations/{number}.json.sn?sig=1"
            self.answers[path] = bytes(cramjam.snappy.compress_raw(json.dumps(bundle).encode()))
            url = f"http://127.0.0.1:{self.port}{path}"
            items.append({"repository_id": 1, "bundle": None, "bundle_url": url})
        self.answers[self.attestation_path] = {"attestations": items}

    def publish_document(self, source: Source = SOURCE) -> None:
        """The app is deployed as `statement_of(source)` says."""
        self.manifest = Manifest.of(source, ARTIFACT)
        self.answers["/.well-known/codius"] = self.document_of(source)

    def document_of(self, source: Source) -> dict[str, Any]:
        """What an app says of itself that is deployed as `statement_of(source)` says."""
        made = Manifest.of(source, ARTIFACT)
        manifest = json.loads(made.encoded)
        settings = ("main", "compatibilityDate", "compatibilityFlags", "vars", "modules")
        place = self.attestation_path.rpartition(":")[0]
        return {
            "appId": source.app_id,
            "url": f"http://{source.app_id}.localhost:{self.port}/",
            "source": {
                "repository": f"https://github.example/{source.repository}",
                "commit": source.commit,
                "ref": "main",
                "directory": source.directory,
            },
            "manifest": manifest,
            "manifestSha256": made.sha256,
            "deployed": copy.deepcopy({name: manifest[name] for name in settings}),
            "agrees": True,
            "differences": [],
            "attestation": {
                "url": f"http://127.0.0.1:{self.port}{place}:{made.sha256}",
                "signer": SIGNER,
                "issuer": "https://token.actions.githubusercontent.com",
                "run": "https://github.example/operator/platform/actions/runs/77",
            },
            "price": {},
            "checkedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }


@pytest.fixture
def internet(signer: Signer) -> Iterator[Internet]:
    """All is well in it."""
    internet = Internet()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            internet.asked.append((self.headers["host"], self.path))
            internet.headers.append((self.path, dict(self.headers)))
            unknown = (404, {"error": "not found"})
            app, place = self.headers["host"].partition(".")[0], self.path.partition("?")[0]
            known = (app + self.path, self.path, place if "/attestations/sha256:" in place else "")
            content = next((internet.answers[key] for key in known if key in internet.answers), unknown)
            content = content() if callable(content) else content
            status, content, *rest = content if isinstance(content, tuple) else (200, content)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in rest[0].items() if rest else ():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    internet.port = server.server_port
    internet.publish_document()
    internet.publish(signer.sign())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield internet
    server.shutdown()
    thread.join()
    server.server_close()


def payload_of(bundle: Any) -> Any:
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))


Change = Callable[[Any], object]
