"""An app's `/.well-known/codius`, read strictly: docs/attestation.md describes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785

from codius.addresses import web_address
from codius.cloudflare import Access
from codius.errors import CheckFailedError, GoneError, UncheckableError

SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
# No site's name is of this form: at such an address is one app for ever.
APP_ID = re.compile(r"[b-df-hjkmnp-tv-xz][b-df-hjkmnp-tv-xz2-9]{11}")
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+")
SETTINGS = {
    "main": "main module",
    "compatibilityDate": "compatibility date",
    "compatibilityFlags": "compatibility flags",
    "vars": "plain variables",
}

# The keys of a manifest, by its version.
MANIFEST_KEYS = {1: {"version", "appId", "source", "modules", *SETTINGS}}
MANIFEST_KEYS[2] = MANIFEST_KEYS[1] | {"leftOut"}
# The dashboard checks an app when somebody asks, once a minute at most, and fewer when there are many.
MAX_AGE = timedelta(minutes=10)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """`repository` is owner/name; `url` is where it is; `directory` "" at its root."""

    url: str
    repository: str
    commit: str
    ref: str
    directory: str


@dataclass(frozen=True, slots=True)
class Document:
    """`manifest` and `deployed` are as they came; `check_manifest` and `check_deployed` look into them.

    `host` is where it was asked for.
    """

    host: str
    app_id: str
    source: Source
    manifest: Json
    manifest_sha256: str
    deployed: Json
    agrees: bool
    attestation_url: str
    signer: str
    checked_at: datetime
    cloudflare: Access | None

    @classmethod
    def read(cls, host: str, content: Any) -> Document:
        """Raises CheckFailedError naming what is missing or of another form."""
        document = mapping(content, "the document")
        source, attestation = mapping(document.get("source"), "source"), document.get("attestation")
        if document.get("manifest") is None or attestation is None:
            raise CheckFailedError("the app has no attestation")
        if document.get("deployed") is None:
            raise GoneError("nothing is deployed at Cloudflare")
        attestation = mapping(attestation, "attestation")
        return cls(
            host=host,
            app_id=text(document, "appId"),
            source=source_of(source),
            manifest=mapping(document.get("manifest"), "manifest"),
            manifest_sha256=text(document, "manifestSha256", SHA256),
            deployed=mapping(document.get("deployed"), "deployed"),
            agrees=document.get("agrees") is True,
            attestation_url=text(attestation, "url"),
            signer=text(attestation, "signer"),
            checked_at=time_of(document, "checkedAt"),
            cloudflare=None if document.get("cloudflare") is None else Access.read(document["cloudflare"]),
        )


def source_of(source: Json) -> Source:
    url = text(source, "repository")
    address = web_address(url)
    repository = "/".join(address.path.strip("/").split("/")[-2:]) if address is not None else ""
    if not REPOSITORY.fullmatch(repository):
        raise CheckFailedError("the document's source.repository is not the address of a repository")
    return Source(
        url, repository, text(source, "commit", COMMIT), text(source, "ref"), text(source, "directory")
    )


def check_manifest(document: Document) -> None:
    """Raise CheckFailedError unless the manifest has its digest, and is this app's, of this source.

    Raises UncheckableError for one with more in it than is known here.
    """
    sha256 = hashlib.sha256(canonical(document.manifest, "the manifest")).hexdigest()
    if sha256 != document.manifest_sha256:
        raise CheckFailedError(f"its digest is {sha256}, not {document.manifest_sha256}")
    version = document.manifest.get("version")
    if type(version) is not int or set(document.manifest) != MANIFEST_KEYS.get(version):
        raise UncheckableError("it is of a form that this version of codius doesn't know")
    if document.manifest.get("appId") != document.app_id:
        raise CheckFailedError(f"it is the manifest of another app: {document.manifest.get('appId')}")
    source = document.source
    claimed = {"repository": source.repository, "commit": source.commit, "directory": source.directory}
    if document.manifest.get("source") != claimed:
        raise CheckFailedError("it names another source than the document")


def canonical(value: Any, name: str) -> bytes:
    """Canonical JSON, which tells `true` from `1` as Python doesn't. Raises CheckFailedError without any."""
    try:
        return rfc8785.dumps(value)
    except ValueError as error:  # those of Unicode's surrogates, too
        raise CheckFailedError(f"{name} has no canonical form: {error}") from error


def check_deployed(document: Document, now: datetime) -> str:
    """Return what was compared, in words. Raises CheckFailedError naming whatever isn't as the manifest says,
    and UncheckableError for what was seen too long ago.

    Cloudflare may leave out which module is the main one, and a module's type: the first is said, and neither
    fails. Whatever else is left out does.
    """
    found = differences(document.manifest, document.deployed)
    if found:
        raise CheckFailedError("; ".join(found))
    if not document.agrees:
        raise CheckFailedError("the document itself says that what is deployed differs")
    seen = f"{document.checked_at:%Y-%m-%d %H:%M:%S} UTC"
    if abs(now - document.checked_at) > MAX_AGE:
        raise UncheckableError(f"Cloudflare was last asked at {seen}: that says nothing of now")
    return f"{counted(document.deployed)}, as Cloudflare had them at {seen}: the operator says so"


def counted(deployed: Json) -> str:
    present = modules_of(deployed)
    things = "module" if len(present) == 1 else "modules"
    untold = "" if deployed.get("main") is not None else " (which module is the main one it doesn't tell)"
    return f"{len(present)} {things}, those of the manifest{untold}"


def differences(manifest: Json, deployed: Json) -> list[str]:
    """What of a deployed Worker isn't as a manifest says, in words. Raises CheckFailedError."""
    tells_main = deployed.get("main") is not None
    found = [
        f"the {words} changed"
        for key, words in SETTINGS.items()
        if (key != "main" or tells_main)
        and canonical(deployed.get(key), f"the {words}") != canonical(manifest.get(key), f"the {words}")
    ]
    signed, present = modules_of(manifest), modules_of(deployed)
    for name in sorted(signed.keys() | present.keys()):
        if name not in present:
            found.append(f"the module {name} is missing")
        elif name not in signed:
            found.append(f"the module {name} was added")
        elif present[name][0] != signed[name][0]:
            found.append(f"the module {name} changed")
        elif present[name][1] not in ("", signed[name][1]):
            found.append(f"the module {name} has another type")
    return found


def modules_of(content: Json) -> dict[str, tuple[str, str]]:
    """SHA-256 and type of each module by its name."""
    modules = content.get("modules")
    if not isinstance(modules, list):
        raise CheckFailedError("there is no list of modules")
    found = {}
    for module in modules:
        match module:
            case {"name": str(name), "sha256": str(sha256), "type": str(kind)} if name not in found:
                found[name] = (sha256, kind)
            case _:
                raise CheckFailedError(
                    "the list of modules has one without name, type or digest, or one twice"
                )
    return found


def time_of(content: Json, name: str) -> datetime:
    """Raises CheckFailedError."""
    try:
        return datetime.strptime(text(content, name), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise CheckFailedError(f"the document's {name} is not a time") from error


def mapping(value: Any, name: str) -> Json:
    if not isinstance(value, dict):
        raise CheckFailedError(f"{name} is not a JSON object")
    return value


def text(content: Json, name: str, form: re.Pattern[str] | None = None, of: str = "the document") -> str:
    value = content.get(name)
    if not isinstance(value, str) or (form is not None and not form.fullmatch(value)):
        raise CheckFailedError(f"{of}'s {name} is missing or not of its form")
    return value
