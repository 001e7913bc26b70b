"""`codius verify`: check which source code an app or a site runs.

Exit status: 0 if every check passes, 1 if one fails, 2 if one could not be made.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codius.document import REPOSITORY
from codius.fetch import web_address
from codius.printing import printable, say
from codius.provenance import TrustedSigner
from codius.report import Check, Options, Report, VersionCheck
from codius.site import said
from codius.verify import run_checks

WORDS = {"ok": "ok", "failed": "FAIL", "error": "ERROR", "unchecked": "-"}
VERIFIED, FAILED, UNCHECKED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of()
    given = parser.parse_args(arguments)
    if given.rebuild and given.signer_repo is None:
        parser.error("--rebuild runs the signer's build on this machine: --signer-repo must name it")
    if given.history and given.offline is not None:
        parser.error("--history asks for the attestation of each version, --offline has one: use either")
    options = Options(
        url=address(parser, given.url),
        signer=given.signer_repo,
        bundle=given.offline,
        trusted_root=given.trusted_root,
        rebuild=given.rebuild,
        history=given.history,
        dashboard=given.dashboard and address(parser, given.dashboard, "a dashboard: https://<host>").lower(),
    )
    report = Report(options) if given.json else Report(options, print_check, print_version)
    try:
        run_checks(report)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return UNCHECKED
    if given.json:
        print(json.dumps(described(report), indent=2))
    else:
        say(summary(report))
    return status_of(report)


def parser_of() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="codius", description="Check which source code an app runs.")
    verify = parser.add_subparsers(required=True, metavar="verify").add_parser(
        "verify", help="check an app", description=__doc__
    )
    verify.add_argument("url", help="the address of an app or a site: https://<id>.<apps domain>")
    verify.add_argument(
        "--signer-repo",
        metavar="OWNER/NAME[@BRANCH]",
        type=trusted_signer,
        help="the operator's repository that you trust, and its branch if that isn't main",
    )
    verify.add_argument("--offline", metavar="BUNDLE", type=Path, help="read the attestation from a file")
    verify.add_argument(
        "--trusted-root", metavar="FILE", type=Path, help="use a Sigstore other than the public one"
    )
    verify.add_argument("--rebuild", action="store_true", help="build it again here, and compare the bytes")
    verify.add_argument(
        "--history", action="store_true", help="check the attestation of every version of a site, too"
    )
    verify.add_argument(
        "--dashboard", metavar="URL", help="the operator's dashboard that a site's history must come from"
    )
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def trusted_signer(value: str) -> TrustedSigner:
    repository, at, branch = value.partition("@")
    if not REPOSITORY.fullmatch(repository) or (at and not branch):
        raise argparse.ArgumentTypeError(f"{printable(value)} is not OWNER/NAME or OWNER/NAME@BRANCH")
    return TrustedSigner(repository, branch) if branch else TrustedSigner(repository)


def address(
    parser: argparse.ArgumentParser, url: str, what: str = "an app: https://<id>.<apps domain>"
) -> str:
    parts = web_address(url if "://" in url else f"https://{url}")
    if parts is None or parts.hostname != (parts.hostname or "").strip("."):
        parser.error(f"{printable(url)} is not the address of {what}")
    return f"{parts.scheme}://{parts.netloc}"


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


def summary(report: Report) -> str:
    document = report.document
    if report.is_verified and document is not None:
        place = f"{document.source.url} at {document.source.commit[:12]}"
        verdict = f"\nVerified: {report.options.url} runs what was built from {printable(place)}"
        if report.options.signer is None and report.signer is not None:
            signer = printable(report.signer.workflow)
            verdict = f"{verdict},\nif you trust its signer, {signer} (see --signer-repo)"
        if report.site is not None:
            verdict = (
                f"{verdict}.\nThat this name stands for the app {document.app_id} is the operator's word"
            )
        return f"{verdict}."
    if report.has_failed:
        return f"\nNOT verified: {report.options.url} could not be shown to run its stated source."
    return f"\nNot checked: {report.options.url} could not be checked. Try again."


def described(report: Report) -> dict[str, Any]:
    source = report.document.source if report.document else None
    return {
        "url": report.options.url,
        "appId": report.document.app_id if report.document else None,
        "verified": report.is_verified,
        "signerRequired": report.options.signer is not None,
        "checks": [
            {"name": check.name, "status": check.status, "detail": check.detail} for check in report.checks
        ],
        "source": source
        and {
            "repository": source.url,
            "commit": source.commit,
            "ref": source.ref,
            "directory": source.directory,
        },
        "signer": report.signer.workflow if report.signer else None,
        "site": described_site(report),
        "versions": [
            {
                "appId": check.version.app_id,
                "commit": check.version.commit,
                "manifestSha256": check.version.manifest_sha256,
                "servesFrom": check.version.serves_from,
                "status": check.status,
                "detail": check.detail,
            }
            for check in report.versions
        ],
    }


def described_site(report: Report) -> dict[str, Any] | None:
    site = report.site
    if site is None:
        return None
    coming = site.next
    return {
        "name": site.name,
        "since": site.since,
        "next": coming
        and {"appId": coming.app_id, "commit": coming.commit, "servesFrom": coming.serves_from},
        "versions": site.versions,
        "history": site.history_url,
    }


def status_of(report: Report) -> int:
    if report.is_verified:
        return VERIFIED
    return FAILED if report.has_failed else UNCHECKED


if __name__ == "__main__":
    sys.exit(main())
