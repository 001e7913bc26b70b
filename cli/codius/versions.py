"""The checks of a site's versions: each of its own app's document; of what was removed, what was signed."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from codius.bundles import fetch_bundles, load
from codius.certificate import check_signer
from codius.checks import check_document, document_of
from codius.document import Document, Json, Source, check_manifest, mapping, source_of
from codius.errors import CheckFailedError, GoneError, UncheckableError
from codius.history import History, Version
from codius.jsontext import parse
from codius.provenance import MANIFEST, check_statement
from codius.report import Report, Status, VersionCheck
from codius.signatures import verify_signature

# However slow others answer, and however many versions there are.
HISTORY_SECONDS = 1_800
# So many in a row that can't be checked, and no more are asked for: GitHub answers 60 questions an hour.
MAX_ERRORS = 3
SERVES, DEPLOYED = "serves, as checked above", "deployed as signed"
REMOVED = "removed: only what was signed is checked"


@dataclass(slots=True)
class Versions:
    """The versions of a site whose current app was checked. Of those `removed` there is no script."""

    report: Report
    document: Document
    history: History
    removed: int = 0

    def check(self) -> str:
        """Check every version; return what was found, in words. Raises CheckFailedError, UncheckableError."""
        end, errors = time.monotonic() + HISTORY_SECONDS, 0
        for version in self.history.versions:
            if errors >= MAX_ERRORS or time.monotonic() > end:
                check = VersionCheck(version, "unchecked", "not checked")
            else:
                check = VersionCheck(version, *self._result_of(version))
            errors = 0 if check.status in ("ok", "failed") else errors + 1
            self.report.add_version(check)
        return self._words()

    def _words(self) -> str:
        checks = self.report.versions
        counted = "1 version" if len(checks) == 1 else f"{len(checks):,} versions"
        bad = [check.version.app_id for check in checks if check.status == "failed"]
        if bad:
            raise CheckFailedError(f"of {counted} these are not what the history says: {', '.join(bad)}")
        left = sum(check.status != "ok" for check in checks)
        if left:
            raise UncheckableError(f"of {counted} {left:,} could not be checked")
        known = f" ({self.removed:,} removed: what they ran is not known)" if self.removed else ""
        return f"{counted}, each signed and of its commit{known}"

    def _result_of(self, version: Version) -> tuple[Status, str]:
        attempt = self.report.part()
        with attempt.check(version.app_id) as words:
            words.append(self._found(version))
        (found,) = attempt.checks
        return found.status, found.detail

    def _found(self, version: Version) -> str:
        if version.app_id == self.document.app_id:
            require_told(self.document, version)
            require_good(self.report)
            return SERVES + self._other_source(self.document.source)
        try:
            document, _ = document_of(self.report.web, self._url_of(version))
        except GoneError:
            found = self._other_source(self._check_signed(version))
            self.removed += 1
            return REMOVED + found
        except UncheckableError as error:
            self._check_signed(version)
            raise UncheckableError(f"signed; what is deployed is not known: {error}") from error
        require_told(document, version)
        attempt = self.report.part(rebuild=False)
        # Whoever signed this must be who signed what serves, which is all that is told of signers.
        check_document(attempt, replace(document, signer=self.document.signer))
        require_good(attempt)
        return DEPLOYED + self._other_source(document.source)

    def _url_of(self, version: Version) -> str:
        site = urlsplit(self.report.options.url)
        return f"{site.scheme}://{version.app_id}.{site.netloc.partition('.')[2]}"

    def _other_source(self, source: Source) -> str:
        """A repository may have been renamed, or the history tell another than was signed: all may know."""
        told = (self.history.source_url, self.history.directory)
        if (source.url, source.directory) == told:
            return ""
        return f"; of another source: {source.url}, directory {source.directory or '/'}"

    def _check_signed(self, version: Version) -> Source:
        """Check what was signed of a version; one good attestation is enough. Returns its source."""
        if version.manifest_sha256 is None:
            raise UncheckableError("the history doesn't tell what was signed")
        report = self.report
        place = self.document.attestation_url.rpartition("sha256:")[0]
        expected = replace(
            self.document,
            app_id=version.app_id,
            host=f"{version.app_id}.{self.document.host.partition('.')[2]}",
            manifest_sha256=version.manifest_sha256,
            attestation_url=f"{place}sha256:{version.manifest_sha256}",
        )
        failure: CheckFailedError | UncheckableError | None = None
        for bundle in fetch_bundles(report.web, expected.attestation_url, version.manifest_sha256):
            try:
                found = verify_signature(report.trust.verifiers(), load(report.web, bundle))
                check_signer(found.signer, expected.signer, report.options.signer)
                signed = signed_of(found.statement, expected)
                require_told(signed, version)
                check_manifest(signed)
                check_statement(found.statement, signed)
            except UncheckableError as error:
                failure = error
            except CheckFailedError as error:
                # What could not be checked may be the good one.
                failure = failure if isinstance(failure, UncheckableError) else error
            else:
                return signed.source
        assert failure is not None
        raise failure


def signed_of(statement: Json, expected: Document) -> Document:
    """What is expected, with the manifest and the source that a statement has. Raises CheckFailedError."""
    try:
        definition = statement["predicate"]["buildDefinition"]
        byproducts = statement["predicate"]["runDetails"]["byproducts"]
        (content,) = (item["content"] for item in byproducts if item["name"] == MANIFEST)
        manifest = mapping(parse(base64.b64decode(content)), "the signed manifest")
        (source,) = (item for item in definition["resolvedDependencies"] if item.get("name") == "source")
        claimed = {
            "repository": source["uri"].removeprefix("git+"),
            "commit": source["digest"]["gitCommit"],
            "ref": definition["externalParameters"]["inputs"]["ref"],
            "directory": source["annotations"]["directory"],
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckFailedError("the statement doesn't say what it was built from") from error
    return replace(expected, manifest=manifest, source=source_of(claimed))


def require_told(document: Document, version: Version) -> None:
    """Raise CheckFailedError unless a version is what the history says."""
    if document.source.commit != version.commit:
        raise CheckFailedError(f"it is of the commit {document.source.commit}, not {version.commit}")
    if version.manifest_sha256 not in (None, document.manifest_sha256):
        raise CheckFailedError(f"its digest is {document.manifest_sha256}, not {version.manifest_sha256}")


def require_good(report: Report) -> None:
    """Raise what an app's checks came to, unless all of them passed."""
    bad = [check for check in report.checks if check.status != "ok"]
    for check in bad:
        if check.status == "failed":
            raise CheckFailedError(f"{check.name}: {check.detail}")
    for check in bad:
        raise UncheckableError(f"{check.name}: {check.detail}")
