"""The checks of an app, in order: each waits for those that it builds on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from codius.bundles import fetch_bundles, read_bundles
from codius.document import APP_ID, Document, check_deployed, check_manifest
from codius.errors import CheckFailedError, GoneError, UncheckableError
from codius.fetch import fetch_json
from codius.provenance import check_signer, check_statement, verifier_of, verify_signature
from codius.rebuild import rebuild
from codius.report import Options, Report
from codius.site import Site

PATH = "/.well-known/codius"


def document_of(url: str) -> tuple[Document, Site | None]:
    """The document of an app, or of what a site serves, with what the site says of itself.

    Raises CheckFailedError, GoneError and UncheckableError.
    """
    status, content = fetch_json(url + PATH)
    if status == 404:
        raise GoneError("no such app is deployed")
    if status != 200:
        message = content.get("message") if isinstance(content, dict) else None
        raise UncheckableError(f"{url}{PATH} answers with status {status}: {message or 'no reason given'}")
    name, _, domain = (urlsplit(url).hostname or "").partition(".")
    app_id = content.get("appId") if isinstance(content, dict) else None
    document = Document.read(f"{app_id}.{domain}", content)
    if document.app_id == name:
        return document, None
    # Where an app's id is, a site's part doesn't count: there is one app for ever.
    is_site = "site" in content and not APP_ID.fullmatch(name)
    site = Site.read(content["site"]) if is_site else None
    if site is None:
        raise CheckFailedError(f"the document is that of another app: {document.app_id}")
    if site.name != name or not APP_ID.fullmatch(document.app_id):
        raise CheckFailedError(f"the document is that of another site or app: {site.name}, {document.app_id}")
    return document, site


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
