"""Whose signature it is: what the certificate says that Sigstore issued to a run of a workflow.

After Sigstore's "Fulcio OID info". A reusable workflow has its own name and commit in the certificate, beside
the repository that called it: what the operator's workflow does for somebody else is not the operator's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat import asn1

from codius.errors import CheckFailedError, UncheckableError

ISSUER = "https://token.actions.githubusercontent.com"
RUNNER_ENVIRONMENT, BUILD_TRIGGER = "github-hosted", "workflow_dispatch"
WORKFLOW = r"(?P<server>https?://[^/]+)/(?P<repository>[^/]+/[^/]+)/\.github/workflows/"
BRANCH = r"@refs/heads/(?P<branch>[^@]+)"
# The last number of an extension's identifier, by what it says: UTF-8 text in DER.
EXTENSIONS = {
    "issuer": 8,
    "signer_commit": 10,
    "runner": 11,
    "source_repository": 12,
    "source_commit": 13,
    "source_ref": 14,
    "trigger": 20,
    "run": 21,
}


@dataclass(frozen=True, slots=True)
class Signer:
    """`workflow` is the workflow's address, or whatever else is named; `signer_commit` its commit.

    `source_…` say for which repository it ran, `run` is the run's address.
    """

    workflow: str
    issuer: str | None = None
    signer_commit: str | None = None
    runner: str | None = None
    source_repository: str | None = None
    source_commit: str | None = None
    source_ref: str | None = None
    trigger: str | None = None
    run: str | None = None

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Signer:
        """Raises ValueError for an extension with something else in it than text."""
        # Of a person's certificate it is an e-mail address: somebody, if not the one who should have signed.
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return cls(
            workflow=", ".join(str(name.value) for name in names),
            **{name: extension(certificate, number) for name, number in EXTENSIONS.items()},
        )

    @property
    def repository_url(self) -> str | None:
        found = re.fullmatch(rf"{WORKFLOW}[^/@]+{BRANCH}", self.workflow)
        return None if found is None else f"{found['server']}/{found['repository']}"


def extension(certificate: x509.Certificate, number: int) -> str | None:
    """The text of an extension, None where there is none. Raises ValueError for something else in it."""
    oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
    try:
        value = certificate.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    assert isinstance(value, x509.UnrecognizedExtension)
    return asn1.decode_der(str, value.value)


@dataclass(frozen=True, slots=True)
class TrustedSigner:
    """Whom the visitor trusts: a repository (owner/name), the branch that deploys, and its commit."""

    repository: str
    branch: str = "main"
    commit: str | None = None


def check_signer(signer: Signer, claimed: str | None, trusted: TrustedSigner | None) -> None:
    """Raise CheckFailedError unless an operator's deploy workflow signed for itself.

    `claimed` is whom the app's document names.
    """
    if claimed is not None and signer.workflow != claimed and signer.issuer == ISSUER:
        raise CheckFailedError(f"{signer.workflow} signed, not {claimed}")
    check_workflow(signer, "deploy-worker.yml", "deploys apps", trusted)


def check_workflow(signer: Signer, file: str, does: str, trusted: TrustedSigner | None) -> None:
    """Raise CheckFailedError unless this workflow signed, of the repository that is trusted, for itself."""
    if signer.issuer != ISSUER:
        raise CheckFailedError(f"it is vouched for by {signer.issuer or 'nobody'}, not by GitHub Actions")
    found = re.fullmatch(WORKFLOW + re.escape(file) + BRANCH, signer.workflow)
    if found is None:
        raise CheckFailedError(f"{signer.workflow} is not a workflow that {does}")
    check_run(signer, f"{found['server']}/{found['repository']}", found["branch"])
    if trusted is None:
        return
    if found["repository"].lower() != trusted.repository.lower():
        raise CheckFailedError(f"a workflow of {found['repository']} signed, not of {trusted.repository}")
    if found["branch"] != trusted.branch:
        raise CheckFailedError(f"a workflow of the branch {found['branch']} signed, not of {trusted.branch}")
    if trusted.commit not in (None, signer.signer_commit):
        raise CheckFailedError(f"the workflow's commit is {signer.signer_commit}, not {trusted.commit}")


def check_run(signer: Signer, repository: str, branch: str) -> None:
    """Raise CheckFailedError unless the run was the repository's own, of this branch, on GitHub's machine."""
    source = signer.source_repository
    if source is None or source.lower() != repository.lower():
        raise CheckFailedError(f"{source or 'nobody'} had the workflow run, not {repository} itself")
    if signer.source_ref != f"refs/heads/{branch}":
        raise CheckFailedError(
            f"the run was of {signer.source_ref or 'no branch'}, not of refs/heads/{branch}"
        )
    if signer.runner != RUNNER_ENVIRONMENT or signer.trigger != BUILD_TRIGGER:
        raise CheckFailedError(
            f"the run was on {signer.runner or 'an unknown machine'}, "
            f"started by {signer.trigger or 'an unknown event'}: "
            f"it must be on {RUNNER_ENVIRONMENT}, started by {BUILD_TRIGGER}"
        )


def require_trusted(workflow: str, trusted: TrustedSigner | None, is_any_trusted: bool) -> None:
    """Raise UncheckableError where nobody is said to be trusted."""
    if trusted is None and not is_any_trusted:
        raise UncheckableError(
            f"{workflow} signed, and whether to trust it was not said: "
            "--signer-repo names whom you trust, --trust-any-signer takes anyone"
        )
