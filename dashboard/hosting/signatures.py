"""What was signed of an app: its manifest's digest, which the run tells, and the manifest itself."""

from __future__ import annotations

from dataclasses import dataclass

from clients.github_attestations import GitHubAttestations
from store.attestations import Attestations, Signed


@dataclass(frozen=True, slots=True)
class Signatures:
    store: Attestations
    github: GitHubAttestations

    async def note(self, app_id: str, manifest_sha256: str) -> None:
        """Keep what the latest deploy signed."""
        await self.store.set_digest(app_id, manifest_sha256)

    async def known(self, app_id: str) -> Signed | None:
        """What was signed of an app, if its run has told.

        A manifest that isn't known yet is asked of GitHub, and kept. Raises GitHubError.
        """
        signed = await self.store.signed(app_id)
        if signed is None or signed.manifest is not None:
            return signed
        found = await self.github.manifest(signed.manifest_sha256)
        if found is None:
            return signed
        signed = Signed(signed.manifest_sha256, found.content, found.log_index)
        await self.store.set_manifest(app_id, signed)
        return signed
