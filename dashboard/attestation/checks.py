"""Checks of what answers under an app's address, made now and then and told to everyone who asks.

A check reads the Worker's modules and settings from Cloudflare, the manifest that was signed from GitHub,
and compares them. Checks are claimed in the database, so that visitors can't use up what Cloudflare's API
grants the operator: between two of them everyone is given the last one's result. Apps wait in the order in
which they were asked for, whoever asks: each request makes the check that was waited for longest, and so
does the cron trigger, so that everybody's turn comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from attestation.comparison import EMPTY, described, differences, differences_of_deployment, excess_of
from clients.billing import Billing, BillingUnavailableError
from clients.cloudflare import CloudflareError, Namespace
from clients.github_api import GitHubError
from clients.github_attestations import GitHubAttestations
from hosting.deployments import Deployments
from hosting.presence import Presence
from model.app import App
from model.batch import OnFailure
from store.apps import Apps
from store.attestations import Attestations, Budget, Check, Signed

ISSUER = "https://token.actions.githubusercontent.com"
# A check asks Cloudflare five times, who answers 1,200 questions in five minutes ("Rate limits" of its API).
# Even where the checks of two periods come together, a quarter is left for looks, deploys and deletions.
BUDGET = Budget(app_ms=60_000, period_ms=60_000, checks=30)

Document = dict[str, Any]
FAILED: Document = {"error": "check_failed", "message": "This app could not be checked."}


class DifferenceError(Exception):
    """What is deployed is not what was signed: the most serious thing that a check can find."""


@dataclass(frozen=True, slots=True)
class Published:
    """What every document says of the operator's: addresses, and the workflow that may sign.

    `cloudflare` is how anyone may ask Cloudflare itself, None where the operator publishes no token.
    """

    github_url: str
    repository: str
    signer: str
    app_url: Callable[[str], str]
    cloudflare: Document | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    apps: Apps
    store: Attestations
    deployments: Deployments
    attestations: GitHubAttestations
    namespace: Namespace
    presence: Presence
    billing: Billing
    published: Published

    async def latest(self, app: App, now: int, on_failure: OnFailure) -> Check | None:
        """The latest check of a deployed app, made now if it is due and no other has waited longer."""
        last = await self.store.check(app.id)
        if last is not None and last.began_at > now - BUDGET.app_ms:
            return last
        await self.store.want_check(app.id, now, BUDGET)
        await self.make_next(now, on_failure)
        return await self.store.check(app.id)

    async def make_next(self, now: int, on_failure: OnFailure) -> bool:
        """Make the check that was waited for longest; False if there is none to make now."""
        app_id = await self.store.begin_check(now, BUDGET)
        if app_id is None:
            return False
        app = await self.apps.get(app_id)
        assert app is not None
        if app.deleted_at is not None:
            return True
        try:
            status, document = await self._check(app, self.published.app_url(app_id), now)
            agrees = verdict(document)
            await self.store.finish_check(app_id, status, document, agrees, now)
            if agrees is False:
                on_failure(app_id, DifferenceError("; ".join(document["differences"])))
        except Exception as error:  # whatever it was, visitors are told something until the next check
            on_failure(app_id, error)
            await self.store.finish_check(app_id, 500, FAILED, None, now)
        return True

    async def _check(self, app: App, url: str, now: int) -> tuple[int, Document]:
        try:
            return 200, await self._document(app, url, now)
        except CloudflareError as error:
            return 502, failure("cloudflare", str(error))
        except GitHubError as error:
            return 502, failure("github", str(error))
        except BillingUnavailableError:
            return 503, failure("billing", "Billing can't be asked right now.")

    async def _document(self, app: App, url: str, now: int) -> Document:
        script = await self.namespace.read_script(app.id)
        await self.presence.note(app.id, script is None, now)
        signed = await self._signed(app, now)
        account = await self.billing.account(app.id)
        deployed = None if script is None else described(script)
        excess = None if deployed is None else excess_of(deployed)
        if script is None or deployed is None:
            found = ["Nothing is deployed at Cloudflare."]
        elif excess is not None:
            deployed, found = EMPTY, [excess]
        elif signed is None or signed.manifest is None:
            found = ["No attestation of this app is known."]
        else:
            bindings = [f"the binding {binding}" for binding in script.bindings]
            found = differences(signed.manifest, deployed, bindings + script.given)
            found += differences_of_deployment(script.deployment)
        return {
            "appId": app.id,
            "url": url,
            "source": {
                "repository": f"{self.published.github_url}/{app.source.repository}",
                "commit": app.source.commit_hash,
                "ref": app.source.git_ref,
                "directory": app.source.directory,
            },
            "manifest": signed and signed.manifest,
            "manifestSha256": signed and signed.manifest_sha256,
            "deployed": deployed,
            "deployment": script and script.deployment and asdict(script.deployment),
            "agrees": not found,
            "differences": found,
            "attestation": signed and self._attestation(app, signed),
            "cloudflare": self.published.cloudflare,
            "price": account
            and {
                "includedRequests": account.included_requests,
                "requestsPerUnit": account.requests_per_unit,
                "unitPriceNanoUsd": account.unit_price_nano_usd,
            },
            "checkedAt": datetime.fromtimestamp(now // 1000, UTC).isoformat().replace("+00:00", "Z"),
        }

    async def _signed(self, app: App, now: int) -> Signed | None:
        """What was signed of an app; a run that didn't tell is asked."""
        signed = await self.deployments.signatures.known(app.id)
        if signed is None and app.run_id is not None:
            await self.deployments.look_after(app, now)
            signed = await self.deployments.signatures.known(app.id)
        return signed

    def _attestation(self, app: App, signed: Signed) -> Document:
        run = f"{self.published.github_url}/{self.published.repository}/actions/runs/{app.run_id}"
        return {
            "url": self.attestations.url(signed.manifest_sha256),
            "signer": self.published.signer,
            "issuer": ISSUER,
            "run": run,
            "logIndex": signed.log_index,
        }


def verdict(document: Document) -> bool | None:
    """Whether what is deployed is what was signed; None where one of both isn't there to be compared."""
    is_comparable = document.get("manifest") is not None and document.get("deployed") is not None
    return document["agrees"] if is_comparable else None


def failure(party: str, message: str) -> Document:
    return {"error": f"{party}_unavailable", "message": message}
