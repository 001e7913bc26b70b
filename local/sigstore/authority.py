"""A Sigstore of this machine's own: keys that stay, and signatures by `sign.mjs`."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.staging import NODE_BIN

SCRIPT = Path(__file__).with_name("sign.mjs")
TIMEOUT_SECONDS = 30


class SigningError(Exception):
    """The statement could not be signed; the message is the script's last line."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Keeps its key and the root that its signatures are verified by in `folder`."""

    folder: Path

    @property
    def trusted_root(self) -> Path:
        """For `codius verify --trusted-root`; there once `create` has run."""
        return self.folder / "trusted_root.json"

    async def create(self) -> None:
        """Make the key and the root, where they aren't there yet. Raises SigningError."""
        if not self.trusted_root.exists():
            await self._run(b"")

    async def sign(self, statement: bytes, claims: Mapping[str, str], **forged: str) -> dict[str, Any]:
        """Return a Sigstore bundle of an in-toto statement, signed for the claims of a job's OIDC token.

        `forged` are more fields of the script's request. Raises SigningError.
        """
        payload = base64.b64encode(statement).decode()
        answer = await self._run(json.dumps({"claims": dict(claims), "payload": payload, **forged}).encode())
        bundle: dict[str, Any] = json.loads(answer)
        return bundle

    async def _run(self, request: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *(NODE_BIN / "node", SCRIPT, self.folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            answer, errors = await asyncio.wait_for(process.communicate(request), TIMEOUT_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise SigningError(f"no signature after {TIMEOUT_SECONDS} seconds") from None
        if process.returncode != 0:
            lines = errors.decode(errors="replace").strip().splitlines()
            raise SigningError(next((line for line in lines if "Error" in line), "the signer failed"))
        return answer
