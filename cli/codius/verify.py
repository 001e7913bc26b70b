"""All checks of an app or a site, in order. A switch meanwhile is told, and all is checked again, once."""

from __future__ import annotations

from codius.checks import PATH, check_document, document_of
from codius.document import Document
from codius.errors import CheckFailedError, SwitchedError
from codius.history import fetch_history, history_url
from codius.platform import check_platform
from codius.report import Report, Required
from codius.site import Site, said
from codius.versions import Versions

NAMES = ("document", "manifest", "deployed", "attestation", "signature", "identity", "source")
# Of a site these, too: what it says of itself, and with --history what it has served.
SWITCH, SITE, HISTORY = "switch", "site", "history"
# What the visitor requires of the source.
REQUIRED = "required"


def run_checks(report: Report) -> None:
    """Check an app or a site as the report's options say, and write the report.

    What failed of the version before a switch stays failed.
    """
    if report.options.platform:
        check_platform(report)
        return
    try:
        check_all(report)
        return
    except SwitchedError as switch:
        if report.has_failed:
            report.add(SWITCH, "error", f"{switch}, after what failed here")
            return
        report.start_again()
        report.add(SWITCH, "ok", f"{switch}: all is checked again")
    try:
        check_all(report)
    except SwitchedError as switch:
        report.add(SWITCH, "error", f"{switch}; answers may be a minute old: check it again in a minute")


def check_all(report: Report) -> None:
    """Raises SwitchedError where a site's answers are of two versions."""
    options = report.options
    with report.check("document") as words:
        report.document, report.site = document_of(report.web, options.url)
        words.append(f"{options.url}{PATH} is that of {report.document.app_id}")
    document, site = report.document, report.site
    if document is not None and options.required != Required():
        with report.check(REQUIRED) as words:
            words.append(check_required(document, options.required))
    if document is not None:
        check_document(report, document)
    report.add_unchecked(*NAMES, *(["rebuild"] if options.rebuild else []))
    if document is not None and site is not None:
        check_site(report, document, site)
    elif options.history and document is not None:
        report.add(HISTORY, "failed", "this is an app, which has no history: it never changes")
    if options.history:
        report.add_unchecked(HISTORY)


def check_required(document: Document, required: Required) -> str:
    """What is required, in words. Raises CheckFailedError for a document that says something else."""
    source = document.source
    wanted, found = required.source or "", source.repository
    if wanted and found.lower() != wanted.lower():
        raise CheckFailedError(f"it is of the repository {found}, not of {wanted}")
    if required.commit not in (None, source.commit):
        raise CheckFailedError(f"it is of the commit {source.commit}, not of {required.commit}")
    ref = required.ref
    if ref not in (None, source.ref):
        raise CheckFailedError(f"it is of {source.ref!r}, not of the branch or tag {ref!r}")
    things = [wanted, required.commit and f"the commit {required.commit}", ref and f"the ref {ref}"]
    return f"it is of {', '.join(thing for thing in things if thing)}"


def check_site(report: Report, document: Document, site: Site) -> None:
    """Say what the site says, if it still serves what was checked; then check its history."""
    with report.check(SITE) as words:
        site = report.site = latest_of(report, document, site)
        words.append(f"{site.words} (the operator's word)")
    if report.options.history and report.is_ok(SITE):
        with report.check(HISTORY) as words:
            words.append(check_history(report, document, site))


def latest_of(report: Report, document: Document, site: Site) -> Site:
    """What the site says now. Raises SwitchedError, CheckFailedError and UncheckableError."""
    now, latest = document_of(report.web, report.options.url)
    if latest is None:
        raise CheckFailedError("the document doesn't name the site any more")
    if report.options.dashboard is not None:
        history_url(latest, report.options.url, report.options.dashboard)
    if (now.app_id, latest.since) != (document.app_id, site.since):
        raise SwitchedError(f"it switched to {now.app_id} on {said(latest.since)}")
    return latest


def check_history(report: Report, document: Document, site: Site) -> str:
    dashboard = report.options.dashboard
    url = history_url(site, report.options.url, dashboard)
    history = fetch_history(report.web, site, url)
    if (history.serving, history.since) != (document.app_id, site.since):
        raise SwitchedError(f"the history says that {history.serving} serves since {said(history.since)}")
    claim = "" if dashboard else " (the document's claim: --dashboard requires one you trust)"
    return f"{Versions(report, document, history).check()}; told by {url}{claim}"
