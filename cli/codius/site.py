"""What a site says of itself, beside the document of the app that it serves, and what it has served.

What is signed is the app. That a name stands for it, and since when, is the operator's word: docs/sites.md.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from codius.bundles import fetch_bundles
from codius.document import COMMIT, SHA256, Document, Json, check_manifest, mapping, text
from codius.errors import CheckFailedError, UncheckableError
from codius.fetch import fetch_json, parse, web_address
from codius.provenance import (
    MANIFEST,
    Signer,
    TrustedSigner,
    check_signer,
    check_statement,
    verify_signature,
)

# Each has a thousand events.
MAX_PAGES = 20
# What an event is that has a version serve.
SWITCHES = ("version", "switch", "return")


@dataclass(frozen=True, slots=True)
class Site:
    """`since` and `next_from` are as they came; `next_commit` is of what is announced, if anything is."""

    name: str
    since: str
    next_commit: str | None
    next_from: str | None
    versions: int
    history_url: str

    @classmethod
    def read(cls, content: Any) -> Site:
        """Raises CheckFailedError naming what is missing or of another form."""
        site = mapping(content, "site")
        announced = None if site.get("next") is None else mapping(site["next"], "site.next")
        versions = site.get("versions")
        if type(versions) is not int or versions < 1:
            raise CheckFailedError("the document's site.versions is not a number of versions")
        return cls(
            name=text(site, "name"),
            since=text(site, "since"),
            next_commit=None if announced is None else text(announced, "commit", COMMIT),
            next_from=None if announced is None else text(announced, "servesFrom"),
            versions=versions,
            history_url=text(site, "history"),
        )

    @property
    def words(self) -> str:
        coming = (
            f"; {self.next_commit[:12]} is announced from {self.next_from} on" if self.next_commit else ""
        )
        versions = "1 version" if self.versions == 1 else f"{self.versions} versions"
        return f"{self.name} serves it since {self.since}, after {versions} in all{coming}"


@dataclass(frozen=True, slots=True)
class Version:
    """An app that a site has served, or is to serve."""

    app_id: str
    commit: str
    manifest_sha256: str | None


@dataclass(frozen=True, slots=True)
class History:
    serving: str
    repository_url: str
    directory: str
    versions: tuple[Version, ...]


def fetch_history(site: Site) -> History:
    """Raises CheckFailedError and UncheckableError."""
    pages = list(fetch_pages(site))
    source, serving = mapping(pages[0].get("source"), "source"), mapping(pages[0].get("serving"), "serving")
    found: dict[str, Version] = {}
    for page in pages:
        events = page.get("history")
        if not isinstance(events, list):
            raise CheckFailedError("the history has no list of events")
        for event in events:
            version = version_of(mapping(event, "an event of the history"))
            if version is not None and found.setdefault(version.app_id, version) != version:
                raise CheckFailedError(f"the history tells two things of {version.app_id}")
    if len(found) != site.versions:
        raise UncheckableError(f"the history has {len(found)} versions, the site says {site.versions}")
    return History(
        text(serving, "appId"), text(source, "repository"), text(source, "directory"), tuple(found.values())
    )


def fetch_pages(site: Site) -> Iterator[Json]:
    url: Any = site.history_url
    for _ in range(MAX_PAGES):
        if not isinstance(url, str) or web_address(url) is None:
            raise CheckFailedError("the document gives no address of the web for the site's history")
        status, content = fetch_json(url)
        if status != 200:
            raise UncheckableError(f"{url} answers with status {status}")
        page = mapping(content, "the history")
        if page.get("name") != site.name:
            raise CheckFailedError(f"the history is that of another site: {page.get('name')}")
        yield page
        url = page.get("older")
        if url is None:
            return
    raise UncheckableError(f"the history has more than {MAX_PAGES:,} pages")


def version_of(event: Mapping[str, Any]) -> Version | None:
    if event.get("kind") not in SWITCHES:
        return None
    digest = None if event.get("manifestSha256") is None else text(event, "manifestSha256", SHA256)
    return Version(text(event, "appId"), text(event, "commit", COMMIT), digest)


def check_history(document: Document, site: Site, verifier: Any, trusted: TrustedSigner | None) -> str:
    """Check the attestation of every version; return what was found, in words.

    Raises CheckFailedError and UncheckableError. A switch since the document was read is the latter.
    """
    history = fetch_history(site)
    if history.serving != document.app_id:
        raise UncheckableError(f"the site has switched to {history.serving} since: check it again")
    for version in history.versions:
        try:
            check_version(document, history, version, verifier, trusted)
        except CheckFailedError as error:
            raise CheckFailedError(f"{version.app_id}: {error}") from error
        except UncheckableError as error:
            raise UncheckableError(f"{version.app_id}: {error}") from error
    number = len(history.versions)
    return f"{number} of {number} versions are signed, each of its commit"


def check_version(
    document: Document, history: History, version: Version, verifier: Any, trusted: TrustedSigner | None
) -> None:
    """One good attestation is enough; where there is none, the last one's failure is raised."""
    if version.manifest_sha256 is None:
        raise UncheckableError("the history doesn't tell what was signed")
    place, _, _ = document.attestation_url.rpartition("sha256:")
    expected = replace(
        document,
        app_id=version.app_id,
        host=f"{version.app_id}.{document.host.partition('.')[2]}",
        source=replace(
            document.source,
            url=history.repository_url,
            repository="/".join(history.repository_url.rstrip("/").split("/")[-2:]),
            commit=version.commit,
            directory=history.directory,
        ),
        manifest_sha256=version.manifest_sha256,
        attestation_url=f"{place}sha256:{version.manifest_sha256}",
    )
    failure: CheckFailedError | UncheckableError = CheckFailedError("there is no attestation of it")
    for bundle in fetch_bundles(expected):
        try:
            check_signed(expected, *verify_signature(verifier, bundle), trusted)
        except (CheckFailedError, UncheckableError) as error:
            failure = error
        else:
            return
    raise failure


def check_signed(expected: Document, signer: Signer, statement: Json, trusted: TrustedSigner | None) -> None:
    """That a statement is the operator's, and of this app, commit and manifest, which it has in it."""
    check_signer(signer, expected, trusted)
    try:
        byproducts = statement["predicate"]["runDetails"]["byproducts"]
        (content,) = (item["content"] for item in byproducts if item["name"] == MANIFEST)
        manifest = mapping(parse(base64.b64decode(content)), "the manifest")
        ref = statement["predicate"]["buildDefinition"]["externalParameters"]["inputs"]["ref"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckFailedError("the statement doesn't say what it was built from") from error
    signed = replace(expected, manifest=manifest, source=replace(expected.source, ref=ref))
    check_manifest(signed)
    check_statement(statement, signed)
