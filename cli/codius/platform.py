"""`codius verify --platform`: dispatch, billing and dashboard as Cloudflare has them, and what was signed.

docs/attestation.md, "The platform itself". Who can call the namespace of the apps is dispatch; whom its
bindings name are the other two. Each must be what deploy-platform.yml signed, all of one commit of the
operator's repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from codius.bundles import fetch_bundles, load
from codius.certificate import check_workflow, require_trusted
from codius.checks import document_of
from codius.cloudflare import Access, Cloudflare, Script
from codius.document import Document, counted
from codius.errors import CheckFailedError, UncheckableError
from codius.platform_manifest import PARTS, PlatformManifest, compare, signed_manifests
from codius.report import Report
from codius.signatures import Signed, verify_signature
from codius.web import github_api

MESSAGE = re.compile(r"manifest-([0-9a-f]{64})")
NAMES = ("document", *PARTS, "wiring", "commit", "release")


@dataclass(frozen=True, slots=True)
class Found:
    """One of the three: as Cloudflare has it, and what was signed of it."""

    script: Script
    manifest: PlatformManifest
    signed: Signed


@dataclass(slots=True)
class Platform:
    report: Report
    document: Document
    cloudflare: Cloudflare
    workers: dict[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        report, found = self.report, dict[str, Found]()
        dispatch = ""
        with report.check("dispatch") as words:
            dispatch = self._name_of_dispatch()
            found["dispatch"] = self._found("dispatch", dispatch)
            words.append(said(found["dispatch"]))
        if "dispatch" not in found:
            return
        names = called_by(found["dispatch"].script)
        for part in ("billing", "dashboard"):
            with report.check(part) as words:
                found[part] = self._found(part, names[part])
                words.append(said(found[part]))
        if len(found) < len(PARTS):
            return
        with report.check("wiring") as words:
            words.append(self._wiring(found))
        report.signed = signed = found["dispatch"].signed
        repository, commit = found["dispatch"].manifest.repository, found["dispatch"].manifest.commit
        with report.check("commit") as words:
            words.append(self._on_branch(signed, repository, commit))
        with report.check("release") as words:
            words.append(self._distance(signed, repository, commit))

    def _name_of_dispatch(self) -> str:
        """The one Worker of the account that can call the namespace."""
        namespace, self.workers = self.cloudflare.access.namespace, self.cloudflare.workers()
        callers = [
            name
            for name in self.workers
            if any(
                item.get("type") == "dispatch_namespace" and item.get("namespace") == namespace
                for item in self.cloudflare.bindings_of(name)
            )
        ]
        if len(callers) != 1:
            raise CheckFailedError(
                f"not one Worker of the account can call {namespace}, but {', '.join(callers) or 'none'}"
            )
        return callers[0]

    def _found(self, part: str, name: str) -> Found:
        """Raises CheckFailedError for what isn't as it was signed, and UncheckableError."""
        script = self.cloudflare.worker(name, self.workers.get(name, {}))
        digest = next((found[1] for text in script.messages if (found := MESSAGE.fullmatch(text))), None)
        if digest is None:
            raise CheckFailedError(f"{name} was deployed from a clone: nothing was signed of it")
        failure: Exception | None = None
        for signed, manifest in self._signed(digest, part):
            if isinstance(manifest, Exception):
                failure = failure if isinstance(failure, UncheckableError) else manifest
                continue
            assert signed is not None
            compare(script, manifest, name, part)
            return Found(script, manifest, signed)
        assert failure is not None
        raise failure

    def _signed(
        self, digest: str, part: str
    ) -> Iterator[tuple[Signed | None, PlatformManifest | CheckFailedError | UncheckableError]]:
        """What each attestation comes to."""
        report, options = self.report, self.report.options
        place = self.document.attestation_url.rpartition("sha256:")[0]
        for bundle in fetch_bundles(report.web, f"{place}sha256:{digest}", digest):
            try:
                signed = verify_signature(report.trust.verifiers(), load(report.web, bundle))
                signer = signed.signer
                check_workflow(signer, "deploy-platform.yml", "deploys the platform", options.signer)
                require_trusted(signer.workflow, options.signer, options.is_any_signer_trusted)
                manifest = signed_manifests(signed, self.cloudflare.access.account)[part]
                if manifest.sha256 != digest:
                    raise CheckFailedError(f"the attestation is of another manifest of {part}")
                yield signed, manifest
            except (CheckFailedError, UncheckableError) as error:
                yield None, error

    def _wiring(self, found: dict[str, Found]) -> str:
        """Raises CheckFailedError unless the three are one installation's, of one commit, at this domain."""
        access, manifests = self.cloudflare.access, {part: item.manifest for part, item in found.items()}
        commits = {(item.repository, item.commit, item.environment) for item in manifests.values()}
        if len(commits) != 1:
            raise CheckFailedError("the three are not of one commit")
        domain = self.document.host.partition(".")[2]
        expected = (
            ("dispatch", "APPS_DOMAIN", domain),
            ("dashboard", "APPS_DOMAIN", domain),
            ("dashboard", "DISPATCH_NAMESPACE", access.namespace),
            ("dashboard", "CLOUDFLARE_ACCOUNT_ID", access.account),
        )
        for part, name, value in expected:
            if manifests[part].variables.get(name) != value:
                raise CheckFailedError(
                    f"{part} has {name} = {manifests[part].variables.get(name)!r}, not {value!r}"
                )
        return f"dispatch calls this billing and this dashboard, for {domain}"

    def _on_branch(self, signed: Signed, repository: str, commit: str) -> str:
        branch = (signed.signer.source_ref or "").removeprefix("refs/heads/")
        base = f"repos/{repository}/compare/{quote(branch)}...{commit}?per_page=1"
        status = self._github(base).get("status")
        if status not in ("identical", "behind"):
            raise CheckFailedError(
                f"the commit {commit} is not on the branch {branch} of {repository}: {status}"
            )
        return f"{commit} is on the branch {branch} of {repository}"

    def _distance(self, signed: Signed, repository: str, commit: str) -> str:
        """How far the operator's code is from a release of the project that it is a fork of."""
        origin, tag = self._release(repository)
        if tag is None:
            return f"{repository} is no fork of a project with releases: read it whole"
        own = self._github(f"repos/{repository}/commits/{commit}")
        other = self._github(f"repos/{origin}/commits/{quote(tag, safe='')}")
        if tree_of(own) == tree_of(other):
            return f"the same files as {origin} at {tag}"
        place, owner = signed.signer.repository_url, origin.partition("/")[0]
        return f"differs from {origin} at {tag}: {place}/compare/{owner}:{tag}...{commit}"

    def _release(self, repository: str) -> tuple[str, str | None]:
        given = self.report.options.release
        if given is not None:
            origin, _, tag = given.partition("@")
            return origin, tag
        match self._github(f"repos/{repository}"):
            case {"source": {"full_name": str(origin)}}:
                latest = self._github(f"repos/{origin}/releases/latest", absent=404).get("tag_name")
                return origin, latest if isinstance(latest, str) else None
        return repository, None

    def _github(self, path: str, absent: int | None = None) -> dict[str, Any]:
        """What GitHub says, whatever address the operator's document has for it. Raises UncheckableError."""
        status, content = self.report.web.json(f"{github_api()}/{path}")
        if status == absent:
            return {}
        if status != 200 or not isinstance(content, dict):
            raise UncheckableError(f"GitHub answers {path} with status {status}")
        return content


def check_platform(report: Report) -> None:
    """Check the platform behind an app's or a site's address, and write the report."""
    platform: Platform | None = None
    with report.check("document") as words:
        document, _ = document_of(report.web, report.options.url)
        if document.cloudflare is None:
            raise UncheckableError("the operator publishes no token with which Cloudflare can be asked")
        platform = platform_of(report, document, document.cloudflare)
        words.append(f"Cloudflare is asked about the account {document.cloudflare.account}")
    if platform is not None:
        platform.check()
    report.add_unchecked(*NAMES)


def platform_of(report: Report, document: Document, access: Access) -> Platform:
    cloudflare = Cloudflare.of(report.web, access, report.options.cloudflare_api)
    return Platform(report, document, cloudflare)


def called_by(dispatch: Script) -> dict[str, str]:
    """The names of the Workers that dispatch calls, "" for what its bindings don't lead to."""
    found = {item.get("name"): item for item in dispatch.bindings}
    return {
        "billing": str(found.get("BILLING", {}).get("script_name") or ""),
        "dashboard": str(found.get("DASHBOARD", {}).get("service") or ""),
    }


def said(found: Found) -> str:
    manifest, given = found.manifest, ", ".join(found.script.given)
    more = f"; its config gives it {given}" if given else ""
    return f"{manifest.script}: {counted(found.script.deployed)}, signed of {manifest.commit[:12]}{more}"


def tree_of(commit: Any) -> str:
    match commit:
        case {"commit": {"tree": {"sha": str(tree)}}}:
            return tree
    raise UncheckableError("GitHub's answer has no tree of a commit")
