"""The checks of an app, in order: each has one line to say, and waits for those that it builds on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from codius.bundles import fetch_bundles, read_bundles
from codius.document import Document, check_deployed, check_manifest
from codius.errors import CheckFailedError, UncheckableError
from codius.fetch import fetch_json
from codius.provenance import (
    Signer,
    TrustedSigner,
    check_signer,
    check_statement,
    verifier_of,
    verify_signature,
)
from codius.rebuild import rebuild
from codius.site import Site, check_history

# Of a site two more: what it says of itself, and with --history what it has served.
SITE, HISTORY = "site", "history"
NAMES = ("document", "manifest", "deployed", "attestation", "signature", "identity", "source")
PATH = "/.well-known/codius"
Status = Literal["ok", "failed", "error", "unchecked"]


@dataclass(frozen=True, slots=True)
class Options:
    """`url` is the address of an app or a site, without a path."""

    url: str
    signer: TrustedSigner | None = None
    bundle: Path | None = None
    trusted_root: Path | None = None
    rebuild: bool = False
    history: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    status: Status
    detail: str = ""


@dataclass(slots=True)
class Report:
    """What was found. `on_check` is told of each check as it is done."""

    options: Options
    on_check: Callable[[Check], None] = lambda check: None
    checks: list[Check] = field(default_factory=list)
    document: Document | None = None
    site: Site | None = None
    signer: Signer | None = None

    @property
    def is_verified(self) -> bool:
        return all(check.status == "ok" for check in self.checks)

    @property
    def has_failed(self) -> bool:
        return any(check.status == "failed" for check in self.checks)

    def add(self, name: str, status: Status, detail: str = "") -> None:
        check = Check(name, status, detail)
        self.checks.append(check)
        self.on_check(check)

    @contextmanager
    def check(self, name: str) -> Iterator[list[str]]:
        """Do one check; its last word is what the body appends. A failure ends the check, not the program."""
        words: list[str] = []
        try:
            yield words
        except CheckFailedError as error:
            self.add(name, "failed", str(error))
        except UncheckableError as error:
            self.add(name, "error", str(error))
        except RecursionError:
            self.add(name, "failed", "what was read is nested too deeply")
        else:
            self.add(name, "ok", "".join(words))

    def is_ok(self, name: str) -> bool:
        return any(check.name == name and check.status == "ok" for check in self.checks)


def run_checks(report: Report) -> None:
    """Check an app or a site as the report's options say, and write the report."""
    options = report.options
    with report.check("document") as words:
        report.document, report.site = document_of(options.url)
        words.append(f"{options.url}{PATH} is that of {report.document.app_id}")
    document = report.document
    if document is not None:
        check_document(report, document)
    names = (*NAMES, "rebuild") if options.rebuild else NAMES
    for name in names[len(report.checks) :]:
        report.add(name, "unchecked")
    if options.history and report.site is None and report.is_ok("document"):
        report.add(HISTORY, "failed", "this is an app, which has no history: it never changes")
    if document is not None and report.site is not None:
        check_site(report, document, report.site)


def check_site(report: Report, document: Document, site: Site) -> None:
    """Say what the site says, if it still serves what was checked."""
    options = report.options
    with report.check(SITE) as words:
        serves = document_of(options.url)[0].app_id
        if serves != document.app_id:
            raise UncheckableError(f"it has switched to {serves} meanwhile: check it again")
        words.append(site.words)
    if options.history:
        with report.check(HISTORY) as words:
            verifier = verifier_of(options.trusted_root, is_offline=False)
            words.append(check_history(document, site, verifier, options.signer))


def check_document(report: Report, document: Document) -> None:
    with report.check("manifest") as words:
        check_manifest(document)
        words.append(f"sha256:{document.manifest_sha256}")
    with report.check("deployed") as words:
        words.append(check_deployed(document))
    if not report.is_ok("manifest"):
        return
    bundles: list[Any] = []
    with report.check("attestation") as words:
        options = report.options
        bundles = fetch_bundles(document) if options.bundle is None else read_bundles(options.bundle)
        words.append(str(options.bundle or document.attestation_url))
    if bundles:
        check_bundles(report, document, bundles)


def check_bundles(report: Report, document: Document, bundles: list[Any]) -> None:
    """One good attestation is enough; where there is none, the last one's failures are told."""
    options = report.options
    try:
        verifier = verifier_of(options.trusted_root, options.bundle is not None)
    except UncheckableError as error:
        report.add("signature", "error", str(error))
        return
    for bundle in bundles:
        attempt = attempt_of(options, document, verifier, bundle)
        if attempt.is_verified:
            break
    for check in attempt.checks:
        report.add(check.name, check.status, check.detail)
    report.signer = attempt.signer
    if options.rebuild and attempt.is_verified and attempt.signer is not None:
        with report.check("rebuild") as words:
            words.append(rebuild(document, attempt.signer))


def attempt_of(options: Options, document: Document, verifier: Any, bundle: Any) -> Report:
    """What one attestation of several comes to."""
    attempt = Report(options)
    with attempt.check("signature") as words:
        signer, statement = verify_signature(verifier, bundle)
        words.append("certificate, transparency log and signature are right")
    if not attempt.is_ok("signature"):
        return attempt
    attempt.signer = signer
    with attempt.check("identity") as words:
        check_signer(signer, document, options.signer)
        claim = "" if options.signer else " (the operator's claim: --signer-repo requires one you trust)"
        words.append(f"{signer.workflow}{claim}")
    with attempt.check("source") as words:
        check_statement(statement, document)
        source = document.source
        words.append(f"{source.url} at {source.commit}, directory {source.directory or '/'}")
    return attempt


def document_of(url: str) -> tuple[Document, Site | None]:
    """The document of an app, or of what a site serves, with what the site says of itself."""
    status, content = fetch_json(url + PATH)
    if status == 404:
        raise CheckFailedError("no such app is deployed")
    if status != 200:
        message = content.get("message") if isinstance(content, dict) else None
        raise UncheckableError(f"{url}{PATH} answers with status {status}: {message or 'no reason given'}")
    name, _, domain = (urlsplit(url).hostname or "").partition(".")
    app_id = content.get("appId") if isinstance(content, dict) else None
    document = Document.read(f"{app_id}.{domain}", content)
    if document.app_id == name:
        return document, None
    site = Site.read(content["site"]) if "site" in content else None
    if site is None or site.name != name:
        raise CheckFailedError(f"the document is that of another app: {document.app_id}")
    return document, site
