"""The checks of an app, in order: each waits for those that it builds on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from codius.bundles import fetch_bundles, load, read_bundles
from codius.certificate import check_signer, require_trusted
from codius.cloudflare import Access, Cloudflare, Script
from codius.document import APP_ID, Document, check_deployed, check_manifest, counted, differences
from codius.errors import CheckFailedError, GoneError, UncheckableError
from codius.provenance import check_statement, target_of
from codius.rebuild import rebuild
from codius.report import Report
from codius.signatures import verify_signature
from codius.site import Site
from codius.web import Web

PATH = "/.well-known/codius"


def document_of(web: Web, url: str) -> tuple[Document, Site | None]:
    """The document of an app, or of what a site serves, with what the site says of itself.

    Raises CheckFailedError, GoneError and UncheckableError.
    """
    status, content = web.json(url + PATH)
    if status == 404:
        raise GoneError("no such app is deployed")
    if status != 200:
        message = content.get("message") if isinstance(content, dict) else None
        raise UncheckableError(f"{url}{PATH} answers with status {status}: {message or 'no reason given'}")
    if not isinstance(content, dict) or "appId" not in content:
        raise UncheckableError(f"{url}{PATH} is JSON, but not the document of an app")
    name, _, domain = (urlsplit(url).hostname or "").partition(".")
    document = Document.read(f"{content.get('appId')}.{domain}", content)
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
        words.append(check_deployed(document, report.now))
    if not report.is_ok("manifest"):
        return
    bundles: Iterator[Any] | None = None
    with report.check("attestation") as words:
        file, url = report.options.bundle, document.attestation_url
        bundles = (
            fetch_bundles(report.web, url, document.manifest_sha256) if file is None else read_bundles(file)
        )
        words.append(str(file or document.attestation_url))
    if bundles is not None:
        check_bundles(report, document, bundles)
    check_at_cloudflare(report, document)


def check_at_cloudflare(report: Report, document: Document) -> None:
    """Ask Cloudflare itself, where the operator publishes a token for it or the visitor requires it."""
    options = report.options
    if document.cloudflare is None and not options.is_cloudflare_required:
        return
    with report.check("cloudflare") as words:
        if document.cloudflare is None:
            raise UncheckableError("the operator publishes no token with which Cloudflare can be asked")
        cloudflare = Cloudflare.of(report.web, document.cloudflare, options.cloudflare_api)
        script = cloudflare.app(document.app_id)
        compare_script(document, script)
        place = account_signed(report, document.cloudflare)
        words.append(f"{counted(script.deployed)}: Cloudflare says so, of {place}")


def compare_script(document: Document, script: Script) -> None:
    """Raise CheckFailedError for what isn't as the manifest says, or may not be what answers."""
    found = differences(document.manifest, script.deployed)
    found += [f"it was given the binding {item.get('name')} ({item.get('type')})" for item in script.bindings]
    found += [f"it was given {item}" for item in script.given]
    found += [] if script.problem is None else [script.problem]
    signed = {f"commit-{document.source.commit}", f"manifest-{document.manifest_sha256}"}
    found += [f"its tag {tag} is of another upload" for tag in script.tags if tag not in signed]
    if found:
        raise CheckFailedError("; ".join(found))


def account_signed(report: Report, access: Access) -> str:
    """The account and namespace, which must be those that the deploy was signed for.

    Any account may have the same script: the one that serves is the one that the workflow deployed to.
    """
    if report.signed is None:
        raise UncheckableError(
            "whether it is the account that was deployed to isn't known: nothing is signed"
        )
    account, namespace = target_of(report.signed.statement)
    if account is None and report.options.is_cloudflare_required:
        raise UncheckableError("the deploy was signed without its account: it must be deployed again")
    if account is None:
        return f"the account {access.account} (which was not signed: the operator says so)"
    if (account, namespace) != (access.account, access.namespace):
        raise CheckFailedError(
            f"the document names {access.namespace} of the account {access.account}, "
            f"but the deploy was to {namespace} of {account}"
        )
    return f"{namespace} of the account {account}"


def check_bundles(report: Report, document: Document | None, bundles: Iterator[Any]) -> None:
    """One good attestation is enough, whichever it is; where there is none, that which came furthest is told.

    One that could not be checked may be the good one: then nothing is called wrong.
    """
    try:
        report.trust.verifiers()
    except UncheckableError as error:
        report.add("signature", "error", str(error))
        return
    told: Report | None = None
    for bundle in bundles:
        attempt = attempt_of(report, document, bundle)
        if told is None or attempt.rank > told.rank:
            told = attempt
        if attempt.is_verified:
            break
    assert told is not None
    for check in told.checks:
        report.add(check.name, check.status, check.detail)
    report.signed = told.signed
    if report.options.rebuild and told.is_verified and told.signed is not None and document is not None:
        with report.check("rebuild") as words:
            words.append(rebuild(document, told.signed.signer))


def attempt_of(report: Report, document: Document | None, bundle: Any) -> Report:
    """What one attestation of several comes to; without a document, whether it may be an app's at all."""
    attempt, options = report.part(), report.options
    with attempt.check("signature") as words:
        attempt.signed = signed = verify_signature(report.trust.verifiers(), load(report.web, bundle))
        when = f", at {signed.at:%Y-%m-%d %H:%M:%S} UTC" if signed.at else ""
        words.append(f"certificate, transparency log and signature are right{when}")
    if attempt.signed is None:
        return attempt
    with attempt.check("identity") as words:
        check_signer(signed.signer, document.signer if document else None, options.signer)
        require_trusted(signed.signer.workflow, options.signer, options.is_any_signer_trusted)
        claim = "" if options.signer else " (whoever that is: --signer-repo requires one you trust)"
        words.append(f"{signed.signer.workflow} at {signed.signer.signer_commit}{claim}")
    if document is None:
        return attempt
    with attempt.check("source") as words:
        check_statement(signed.statement, document)
        source = document.source
        words.append(f"{source.url} at {source.commit}, directory {source.directory or '/'}")
    return attempt
