"""The account's own Workers of the local stack, as the API tells of them: those that run.

They run from the checkout: nothing was signed of them, and nothing can be uploaded in their place. What each
is, wrangler says, as it would upload the folder that it runs from: when that is asked, once after an edit.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.cloudflare import script_settings
from local.cloudflare.answers import envelope, timestamp
from local.cloudflare.changes import Changes
from local.cloudflare.upload import Part
from local.cloudflare.workers import Script, Version, Workers, listed
from pipeline.upload_form import UploadForm

# Has wrangler write the upload of a config to a file.
DryRun = Callable[[Path, Path], Awaitable[None]]


@dataclass(slots=True)
class Running:
    """One of them: its config as Cloudflare has it, and the names of its secrets."""

    config: Path
    secrets: set[str] = field(default_factory=set)
    state: str = ""
    script: Script | None = None

    def look(self) -> str:
        """What changes with every edit."""
        files = sorted(path for path in (self.config, *self.config.parent.glob("src/**/*")) if path.is_file())
        stats = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files]
        return hashlib.sha256(repr(stats).encode()).hexdigest()


class RunningWorkers(Workers):
    """Answers what is asked of `running`, by name; as Workers that were uploaded once, without a word."""

    def __init__(self, running: Mapping[str, Running], dry_run: DryRun) -> None:
        super().__init__(Changes(""), lambda name: True)
        self._running, self._dry_run = running, dry_run
        self._turn = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Below the account; all of them read."""
        script = "/workers/scripts/{name}"
        return [
            Route("/workers/scripts", self.list_scripts),
            Route(f"{script}/settings", self.get_settings),
            Route(f"{script}/content/v2", self.get_content),
            Route(f"{script}/deployments", self.list_deployments),
            Route(f"{script}/versions", self.list_versions),
        ]

    async def list_scripts(self, request: Request) -> Response:
        return envelope([listed(name, await self._read(name)) for name in self._running])

    async def _script(self, request: Request) -> Script:
        name = request.path_params["name"]
        return await (self._read(name) if name in self._running else super()._script(request))

    async def _read(self, name: str) -> Script:
        running = self._running[name]
        async with self._turn:
            state = running.look()
            if running.script is None or running.state != state:
                running.script, running.state = await self._uploaded_script(name, running), state
            return running.script

    async def _uploaded_script(self, name: str, running: Running) -> Script:
        with tempfile.TemporaryDirectory() as temporary:
            outfile = Path(temporary) / "form"
            await self._dry_run(running.config, outfile)
            form = UploadForm.parse(outfile.read_bytes())
        metadata = {**form.metadata, "bindings": [found(item) for item in form.metadata["bindings"]]}
        if "assets" in json.loads(running.config.read_text()):  # which go another way than the upload
            metadata["assets"] = {}
        parts = [Part(item.name, item.content_type, item.content) for item in form.modules]
        version = Version(str(uuid.uuid4()), metadata, parts, timestamp())
        settings = script_settings.changed({}, metadata, self._running)
        script = Script(name, [version], secrets=running.secrets, settings=settings)
        script.deploy(version)
        return script


def found(binding: dict[str, Any]) -> dict[str, Any]:
    """A binding whose target wrangler would look for when it deploys: the one database."""
    return {"name": binding["name"], "type": "d1", "id": "local"} if binding["type"] == "inherit" else binding
