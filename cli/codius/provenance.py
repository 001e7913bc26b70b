"""The signed provenance of an app: verified by Sigstore's own library, and read.

After Sigstore's "Bundle format" and "Fulcio OID info", in-toto's statement v1, and SLSA's provenance v1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat import asn1
from sigstore.errors import Error as SigstoreError
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier

from codius.bundles import StoredBundle
from codius.document import Document, Json, modules_of
from codius.errors import CheckFailedError, UncheckableError, first_line
from codius.fetch import parse

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"
ISSUER = "https://token.actions.githubusercontent.com"
MANIFEST = "manifest.json"
SIGNER = re.compile(
    r"(?P<server>https?://[^/]+)/(?P<repository>[^/]+/[^/]+)"
    r"/\.github/workflows/deploy-worker\.yml@refs/heads/(?P<branch>[^@]+)"
)
# Fulcio's extensions of a certificate: UTF-8 text in DER.
ISSUER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
RUNNER_ENVIRONMENT_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.11")
SOURCE_REPOSITORY_DIGEST_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.13")
BUILD_CONFIG_DIGEST_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.19")
BUILD_TRIGGER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.20")
RUNNER_ENVIRONMENT, BUILD_TRIGGER = "github-hosted", "workflow_dispatch"
# What the library says, in words that tell the cases apart.
CASES = (
    ("expired at time of signing", "the certificate had expired, or wasn't valid yet, when it signed"),
    (
        "cert is not valid at validation time",
        "the certificate had expired, or wasn't valid yet, when it signed",
    ),
    ("certificate chain", "the certificate was not issued by an authority that is trusted"),
    ("SCT", "the certificate is not in a transparency log that is trusted"),
    ("log entry", "the transparency log's entry is not this signature's"),
    ("signature", "the signature is wrong"),
)


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose certificate it is, who vouched for it, the workflow's commit, and where and why it ran.

    `workflow` is the workflow's address, or whatever else the certificate names.
    """

    workflow: str
    issuer: str | None
    commit: str | None
    runner: str | None
    trigger: str | None

    @property
    def repository_url(self) -> str | None:
        found = SIGNER.fullmatch(self.workflow)
        return None if found is None else f"{found['server']}/{found['repository']}"


@cache
def verifier_of(trusted_root: Path | None, is_offline: bool) -> Verifier:
    """What Sigstore's public instance is verified by, or what a file says. Raises UncheckableError."""
    try:
        if trusted_root is not None:
            return Verifier(trusted_root=TrustedRoot.from_file(str(trusted_root)))
        return Verifier.production(offline=is_offline)
    except Exception as error:  # the library raises those of its parsers, its files and its network
        raise UncheckableError(f"there is no root of trust: {first_line(error)}") from error


class AnySigner:
    """A policy: whose signature it is is looked at by itself, to fail with a reason of its own."""

    def verify(self, cert: x509.Certificate) -> None:
        pass


def verify_signature(verifier: Verifier, content: Any) -> tuple[Signer, Json]:
    """Verify a bundle: certificate, transparency log and signature. Return whose it is, and its statement.

    Raises CheckFailedError, and UncheckableError where the bundle can't be fetched.
    """
    if isinstance(content, StoredBundle):
        content = content.fetch()
    try:
        bundle = Bundle.from_json(json.dumps(content))
        kind, payload = verifier.verify_dsse(bundle, AnySigner())
        signer = signer_of(bundle.signing_certificate)
    except SigstoreError as error:
        raise CheckFailedError(explained(first_line(error))) from error
    except Exception as error:  # a bundle may be wrong in more ways than the library knows
        raise CheckFailedError(f"the attestation can't be read: {first_line(error)}") from error
    statement = parse(payload)
    if kind != PAYLOAD_TYPE or not isinstance(statement, dict):
        raise CheckFailedError("what was signed is not an in-toto statement")
    return signer, statement


def signer_of(certificate: x509.Certificate) -> Signer:
    # Of a person's certificate it is an e-mail address: somebody, if not the one who should have signed.
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    commit = extension(certificate, BUILD_CONFIG_DIGEST_OID)
    if commit is None:
        commit = extension(certificate, SOURCE_REPOSITORY_DIGEST_OID)
    return Signer(
        workflow=", ".join(str(name.value) for name in names),
        issuer=extension(certificate, ISSUER_OID),
        commit=commit,
        runner=extension(certificate, RUNNER_ENVIRONMENT_OID),
        trigger=extension(certificate, BUILD_TRIGGER_OID),
    )


def extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    """The text of an extension, None where there is none. Raises ValueError for something else in it."""
    try:
        value = certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    assert isinstance(value, x509.UnrecognizedExtension)
    return asn1.decode_der(str, value.value)


@dataclass(frozen=True, slots=True)
class TrustedSigner:
    """The operator whom the visitor trusts: a repository (owner/name), and the branch that deploys."""

    repository: str
    branch: str = "main"


def check_signer(signer: Signer, document: Document, trusted: TrustedSigner | None) -> None:
    """Raise CheckFailedError unless the operator's deploy workflow signed, on a machine of GitHub's."""
    if signer.issuer != ISSUER:
        raise CheckFailedError(f"it is vouched for by {signer.issuer or 'nobody'}, not by GitHub Actions")
    if signer.workflow != document.signer:
        raise CheckFailedError(f"{signer.workflow} signed, not {document.signer}")
    found = SIGNER.fullmatch(signer.workflow)
    if found is None:
        raise CheckFailedError(f"{signer.workflow} is not a workflow that deploys apps")
    if signer.runner != RUNNER_ENVIRONMENT or signer.trigger != BUILD_TRIGGER:
        raise CheckFailedError(
            f"the run was on {signer.runner or 'an unknown machine'}, "
            f"started by {signer.trigger or 'an unknown event'}: "
            f"it must be on {RUNNER_ENVIRONMENT}, started by {BUILD_TRIGGER}"
        )
    if trusted is None:
        return
    if found["repository"].lower() != trusted.repository.lower():
        raise CheckFailedError(f"a workflow of {found['repository']} signed, not of {trusted.repository}")
    if found["branch"] != trusted.branch:
        raise CheckFailedError(f"a workflow of the branch {found['branch']} signed, not of {trusted.branch}")


def check_statement(statement: Json, document: Document) -> None:
    """Raise CheckFailedError unless the statement is about this manifest, its modules and its source."""
    if statement.get("_type") != STATEMENT or statement.get("predicateType") != PREDICATE:
        raise CheckFailedError("the statement is not SLSA provenance")
    check_subjects(statement.get("subject"), document)
    try:
        definition = statement["predicate"]["buildDefinition"]
        byproducts = statement["predicate"]["runDetails"]["byproducts"]
        inputs = definition["externalParameters"]["inputs"]
        domain = definition["externalParameters"]["vars"]["APPS_DOMAIN"]
        (source,) = (item for item in definition["resolvedDependencies"] if item.get("name") == "source")
        (content,) = (item["content"] for item in byproducts if item["name"] == MANIFEST)
        signed = base64.b64decode(content, validate=True)
        repository, commit = source["uri"], source["digest"]["gitCommit"]
        directory = source["annotations"]["directory"]
        app_id, ref = inputs["appId"], inputs["ref"]
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise CheckFailedError("the statement doesn't say what it was built from") from error
    expected = document.source
    if app_id != document.app_id:
        raise CheckFailedError(f"it was built for the app {app_id}")
    if f"{app_id}.{domain}" != document.host:
        raise CheckFailedError(f"it was built to answer under {domain}, not at {document.host}")
    if not is_repository(repository, expected.repository):
        raise CheckFailedError(f"it was built from {repository}, not from {expected.repository}")
    # The manifest names no host: without this the document could name any that has such a repository.
    if repository != f"git+{expected.url.rstrip('/')}":
        raise CheckFailedError(f"it was built from {repository}, on another host than {expected.url}")
    if commit != expected.commit:
        raise CheckFailedError(f"it was built from the commit {commit}, not from {expected.commit}")
    if directory != expected.directory:
        raise CheckFailedError(f"it was built from the directory {directory or '/'}")
    if ref != expected.ref:
        raise CheckFailedError(f"it was built from the ref {ref!r}, not from {expected.ref!r}")
    if hashlib.sha256(signed).hexdigest() != document.manifest_sha256:
        raise CheckFailedError("it has another manifest")


def check_subjects(subjects: Any, document: Document) -> None:
    try:
        named = {item["name"]: item["digest"]["sha256"] for item in subjects}
    except (KeyError, TypeError) as error:
        raise CheckFailedError("the statement has no subjects") from error
    if named.pop(MANIFEST, None) != document.manifest_sha256:
        raise CheckFailedError("the statement is about another manifest")
    modules = {f"modules/{name}": sha256 for name, (sha256, _) in modules_of(document.manifest).items()}
    # Where there are more modules than GitHub takes, only the manifest is named: it names them all.
    if named and named != modules:
        raise CheckFailedError("the statement is about other modules")


def is_repository(uri: Any, repository: str) -> bool:
    return isinstance(uri, str) and uri.startswith("git+") and uri.endswith(f"/{repository}")


def explained(message: str) -> str:
    """The library's message, after the case that it is."""
    case = next((words for part, words in CASES if part.lower() in message.lower()), "it can't be verified")
    return f"{case}: {message}"
