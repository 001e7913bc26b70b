"""Verify a Sigstore bundle by Sigstore's own library: certificate, transparency log and signature."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from sigstore.errors import Error as SigstoreError
from sigstore.models import Bundle
from sigstore.verify import Verifier

from codius.certificate import Signer
from codius.errors import CheckFailedError, UncheckableError, one_line
from codius.jsontext import parse

Json = dict[str, Any]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle"
MEDIA_TYPES = (
    *(f"{MEDIA_TYPE}+json;version=0.{number}" for number in (1, 2, 3)),
    f"{MEDIA_TYPE}.v0.3+json",
)
# Of a bundle without what was signed: certificate and log entry. The library takes seconds for megabytes.
MAX_MATERIAL_BYTES = 256 * 1024
UNTRUSTED = "the certificate was not issued by an authority that is trusted"
EXPIRED = "the certificate had expired, or wasn't valid yet, when it signed"
# What the library says, in words that tell the cases apart.
CASES = (
    ("expired at time of signing", EXPIRED),
    ("cert is not valid at validation time", EXPIRED),
    ("expected certificate chain", "it has no certificate chain, as bundles of its version must"),
    ("non-empty certificate chain", "it has no certificate chain, as bundles of its version must"),
    ("expected certificate in bundle", "it has no certificate"),
    ("sources of verified time", "nothing that is trusted says when it was signed"),
    ("signed timestamp", "nothing that is trusted says when it was signed"),
    ("certificate chain", UNTRUSTED),
    ("SCT", "the certificate is not in a transparency log that is trusted"),
    ("log entry", "the transparency log's entry is not this signature's"),
    ("signature", "the signature is wrong"),
)


@dataclass(frozen=True, slots=True)
class Signed:
    """`at` is when it was signed, as the transparency log or a time stamp has it."""

    signer: Signer
    statement: Json
    at: datetime | None


class AnySigner:
    """A policy: whose signature it is is looked at by itself, to fail with a reason of its own."""

    def verify(self, cert: x509.Certificate) -> None:
        pass


def verify_signature(verifiers: Iterable[Verifier], content: Any) -> Signed:
    """Verify a bundle by any of these roots. Raises CheckFailedError, UncheckableError for what isn't one."""
    require_bundle(content)
    check_parts(content["verificationMaterial"])
    failure = ""
    for verifier in verifiers:
        try:
            return verified(verifier, content)
        except CheckFailedError:
            raise
        except SigstoreError as error:
            reason = explained(one_line(error))
        except Exception as error:  # a bundle may be wrong in more ways than the library knows
            reason = f"the attestation can't be read: {one_line(error)}"
        # Another root than the right one knows nothing of the certificate.
        failure = failure if failure and reason.startswith((UNTRUSTED, EXPIRED)) else reason
    raise CheckFailedError(failure)


def verified(verifier: Verifier, content: Any) -> Signed:
    bundle = Bundle.from_json(json.dumps(content))
    kind, payload = verifier.verify_dsse(bundle, AnySigner())
    signer, statement = Signer.of(bundle.signing_certificate), parse(payload)
    if kind != PAYLOAD_TYPE or not isinstance(statement, dict):
        raise CheckFailedError("what was signed is not an in-toto statement")
    return Signed(signer, statement, signed_at(bundle))


def signed_at(bundle: Bundle) -> datetime | None:
    """The time that the library has verified: the log's, or that of the only time stamp."""
    entry = bundle.log_entry._inner
    if entry.inclusion_promise and entry.integrated_time:
        return datetime.fromtimestamp(entry.integrated_time, UTC)
    data = bundle.verification_material.timestamp_verification_data
    stamps = data.rfc3161_timestamps if data else []
    # Of several it is enough that one is right, and which isn't told.
    return stamps[0].tst_info.gen_time if len(stamps) == 1 else None


def require_bundle(content: Any) -> None:
    """Raise UncheckableError, saying what it is, for anything but a bundle with an attestation in it."""
    if not is_bundle(content):
        raise UncheckableError(f"it is no attestation, but {kind_of(content)}")
    kind = content.get("mediaType")
    if kind not in MEDIA_TYPES:
        raise UncheckableError(f"its mediaType is {kind!r}, which this version of codius doesn't know")


def is_bundle(content: Any) -> bool:
    match content:
        case {"mediaType": str(kind), "verificationMaterial": {}, "dsseEnvelope": {}}:
            return kind.startswith(MEDIA_TYPE)
    return False


def kind_of(content: Any) -> str:
    """What a document of another kind is, in words."""
    match content:
        case {"mediaType": str(kind), "messageSignature": _} if kind.startswith(MEDIA_TYPE):
            return "the signature of a file"
        case {"mediaType": str(kind)} if kind.startswith(MEDIA_TYPE):
            missing = [key for key in ("verificationMaterial", "dsseEnvelope") if key not in content]
            return f"a bundle without {' and '.join(missing) or 'its parts'}"
        case {"mediaType": str(kind)}:
            return f"a document of the type {kind[:100]}"
        case {"dsseEnvelope": _} | {"verificationMaterial": _}:
            return "a bundle without its mediaType"
        case {"payloadType": _, "signatures": _}:
            return "an envelope without the certificate that it was signed with"
        case {"_type": _, "predicateType": _}:
            return "a statement that nobody has signed"
        case {"appId": _, "manifestSha256": _}:
            return "the document of an app"
        case {"version": _, "appId": _, "modules": _}:
            return "the manifest of an app"
        case dict():
            return f"a JSON object with {', '.join(sorted(content)[:5])[:100] or 'nothing in it'}"
        case list():
            return "a JSON list"
    return f"the JSON value {json.dumps(content)[:50]}"


def check_parts(material: Any) -> None:
    """Raise CheckFailedError for what the library has no words for, UncheckableError for too much."""
    if len(json.dumps(material)) > MAX_MATERIAL_BYTES:
        raise UncheckableError(f"it has more than {MAX_MATERIAL_BYTES:,} bytes beside what was signed")
    if not any(material.get(key) for key in ("certificate", "x509CertificateChain")):
        raise CheckFailedError("it has no certificate")
    entries = material.get("tlogEntries") or []
    if isinstance(entries, list) and len(entries) != 1:
        counted = (
            f"{len(entries)} log entries, where exactly one log entry" if entries else "no log entry, which"
        )
        raise CheckFailedError(f"it has {counted} must be there to show that the signature is in the log")


def explained(message: str) -> str:
    """The library's message, after the case that it is."""
    case = next((words for part, words in CASES if part.lower() in message.lower()), "it can't be verified")
    return f"{case}: {message}"
