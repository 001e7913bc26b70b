"""A report as JSON: docs/verify.schema.json describes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from codius.report import Report


def described(report: Report) -> dict[str, Any]:
    document, signed = report.document, report.signed
    source = document.source if document else None
    return {
        "form": 1,
        "url": report.options.url,
        "asOf": report.as_of and f"{report.as_of.replace(tzinfo=None).isoformat()}Z",
        "appId": document.app_id if document else None,
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
        "manifestSha256": document.manifest_sha256 if document else None,
        "signer": signed.signer.workflow if signed else None,
        "certificate": signed and described_certificate(report),
        "signedAt": f"{signed.at:%Y-%m-%dT%H:%M:%SZ}" if signed and signed.at else None,
        "run": signed.signer.run if signed else None,
        "statement": signed.statement if signed else None,
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


def described_all(reports: Sequence[Report]) -> dict[str, Any]:
    apps = [described(report) for report in reports]
    return {"form": 1, "verified": all(report.is_verified for report in reports), "apps": apps}


def described_certificate(report: Report) -> dict[str, Any] | None:
    if report.signed is None:
        return None
    return {camel(name): value for name, value in asdict(report.signed.signer).items()}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


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
