"""A report in words, for a terminal."""

from __future__ import annotations

from codius.printing import printable, say
from codius.report import Check, Report, VersionCheck
from codius.site import said

PROBLEMS = ("failed", "error")
WORDS = {"ok": "ok", "failed": "FAIL", "error": "ERROR", "unchecked": "-"}


def print_check(check: Check) -> None:
    detail = printable(check.detail) if check.status != "unchecked" else "not checked"
    say(f"{WORDS[check.status]:<6}{check.name:<13}{detail}")


def print_version(check: VersionCheck, number: int) -> None:
    """A line of the table, and before the first one what its columns are."""
    version = check.version
    when = "withdrawn" if version.serves_from is None else said(version.serves_from)
    digest = version.manifest_sha256 or "unknown"
    if number == 1:
        say(row("", "serves from", "app", "commit", "digest", "found"))
    say(row(WORDS[check.status], when, version.app_id, version.commit[:12], digest[:12], check.detail))


def row(word: str, when: str, app_id: str, commit: str, digest: str, found: str) -> str:
    return f"{word:<6}{when:<25}{app_id:<14}{commit:<14}{digest:<14}{printable(found)}"


def app_row(report: Report, is_first: bool) -> str:
    """A line of the table of many apps: what each runs, or the first thing that is wrong with it."""
    document = report.document
    source, commit = ("-", "-") if document is None else (document.source.repository, document.source.commit)
    bad = sorted((check for check in report.checks if check.status in PROBLEMS), key=problem)
    word, found = ("ok", "verified") if not bad else (WORDS[bad[0].status], f"{bad[0].name}: {bad[0].detail}")
    line = f"{word:<6}{report.options.url:<45} {printable(source):<32} {commit[:12]:<14}{printable(found)}"
    head = f"{'':<6}{'app':<45} {'source':<32} {'commit':<14}found\n"
    return head + line if is_first else line


def problem(check: Check) -> int:
    return PROBLEMS.index(check.status)


FILE = "if whoever wrote the file is trusted"
TRUSTED = """
Still trusted:
  Cloudflare: that it runs what its API lists, and that the domain's route leads to this dispatch.
  GitHub: that it ran the workflow of that commit, and vouched for nothing else.
  Sigstore: that its authority and its log signed what they saw.
  The operator: for the secrets' values, what the database holds, and the dashboard's static files."""


def summary(report: Report) -> str:
    document, url = report.document, report.options.url
    if report.options.platform:
        word = "Verified" if report.is_verified else "NOT verified" if report.has_failed else "Not checked"
        return f"\n{word}: the platform behind {url}.\n{TRUSTED}"
    if report.is_verified and document is not None:
        place = f"{document.source.url} at {document.source.commit[:12]}"
        when = "" if report.as_of is None else f" (as of {report.as_of:%Y-%m-%d %H:%M:%S} UTC, {FILE})"
        verdict = f"\nVerified{when}: {url} runs what was built from {printable(place)}"
        if report.options.signer is None and report.signed is not None:
            signer = printable(report.signed.signer.workflow)
            verdict = f"{verdict},\nif you trust its signer, {signer} (see --signer-repo)"
        if report.site is not None:
            verdict = (
                f"{verdict}.\nThat this name stands for the app {document.app_id} is the operator's word"
            )
        return f"{verdict}."
    if report.has_failed:
        return f"\nNOT verified: {url} could not be shown to run its stated source."
    bad = [check for check in report.checks if check.status == "error"]
    if [check.name for check in bad] == ["identity"]:
        return f"\nNot verified: whom {url} is to be signed by was not said (see --signer-repo)."
    return f"\nNot checked: {url} could not be checked. Try again."
