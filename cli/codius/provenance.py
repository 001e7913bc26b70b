"""The signed provenance of an app: what was built, and from what.

After in-toto's statement v1, and SLSA's provenance v1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from codius.document import Document, Json, modules_of
from codius.errors import CheckFailedError

STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"
MANIFEST = "manifest.json"


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


def target_of(statement: Json) -> tuple[str | None, str | None]:
    """The account and the namespace that a deploy was signed for; None for what isn't said."""
    try:
        parameters = statement["predicate"]["buildDefinition"]["externalParameters"]
        account, namespace = (
            parameters["vars"]["CLOUDFLARE_ACCOUNT_ID"],
            parameters["inputs"]["dispatchNamespace"],
        )
    except (KeyError, TypeError):
        return None, None
    return (account, namespace) if isinstance(account, str) else (None, None)


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
