"""What was signed of the platform's Workers, with the manifest of each, and how it is compared."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from codius.cloudflare import Script
from codius.document import COMMIT, REPOSITORY, Json, canonical, differences, mapping, text
from codius.errors import CheckFailedError, UncheckableError
from codius.given import STATIC_FILES, completed, given, not_signed
from codius.jsontext import parse
from codius.provenance import PREDICATE, STATEMENT
from codius.signatures import Signed

PARTS = ("dispatch", "billing", "dashboard")
VERSION = 2
OF = "the platform's manifest"
IDS = ("id", "database_id", "namespace_id")


@dataclass(frozen=True, slots=True)
class PlatformManifest:
    """`content` is as it was signed; `bindings` are by name, with where they lead to."""

    content: Json
    sha256: str
    part: str
    script: str
    environment: str
    repository: str
    commit: str
    variables: Json
    bindings: dict[str, Any]
    secrets: list[str]
    settings: Json
    has_assets: bool

    @classmethod
    def read(cls, encoded: bytes) -> PlatformManifest:
        """Raises CheckFailedError, and UncheckableError for one of another version."""
        content = parse(encoded)
        try:
            if content["version"] != VERSION:
                raise UncheckableError(
                    "it was signed in a form that this version of codius doesn't know: the platform must be "
                    "deployed by its workflow once more"
                )
            if canonical(content, "the manifest") != encoded:
                raise CheckFailedError("a manifest of the platform is of another form")
            given(content["settings"])  # which raises where they are of no form that can be compared
            return cls(
                content=content,
                sha256=hashlib.sha256(encoded).hexdigest(),
                part=text(content, "part", of=OF),
                script=text(content, "script", of=OF),
                environment=text(content, "environment", of=OF),
                repository=text(content["source"], "repository", REPOSITORY, OF),
                commit=text(content["source"], "commit", COMMIT, OF),
                variables=mapping(content["vars"], f"{OF}'s vars"),
                bindings={item["name"]: dict(item) for item in content["bindings"]},
                secrets=[str(name) for name in content["secrets"]],
                settings=mapping(content["settings"], f"{OF}'s settings"),
                has_assets=content["hasAssets"] is True,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckFailedError("a manifest of the platform is of another form") from error


def signed_manifests(signed: Signed, account: str) -> dict[str, PlatformManifest]:
    """The manifests of a statement, by part: all of the run's own commit, and for this account.

    Raises CheckFailedError and UncheckableError.
    """
    statement, signer = signed.statement, signed.signer
    if statement.get("_type") != STATEMENT or statement.get("predicateType") != PREDICATE:
        raise CheckFailedError("the statement is not SLSA provenance")
    try:
        subjects = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
        definition = statement["predicate"]["buildDefinition"]
        signed_account = definition["externalParameters"]["vars"]["CLOUDFLARE_ACCOUNT_ID"]
        items = statement["predicate"]["runDetails"]["byproducts"]
        found = {item["name"]: base64.b64decode(item["content"], validate=True) for item in items}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckFailedError("the statement doesn't say what it was built from") from error
    if signed_account != account:
        raise CheckFailedError(f"it was signed for the account {signed_account}, not {account}")
    manifests = {}
    for part in PARTS:
        manifest = PlatformManifest.read(found.get(f"{part}.json", b""))
        if subjects.get(f"{part}.json") != manifest.sha256:
            raise CheckFailedError(f"the statement is about another manifest of {part}")
        source = f"/{manifest.repository}".lower()
        if (
            not (signer.source_repository or "").lower().endswith(source)
            or manifest.commit != signer.source_commit
        ):
            raise CheckFailedError(f"the manifest of {part} is not of the commit that the run was of")
        manifests[part] = manifest
    return manifests


def compare(script: Script, manifest: PlatformManifest, name: str, part: str) -> None:
    """Raise CheckFailedError naming what Cloudflare has otherwise than it was signed.

    Raises UncheckableError where that hangs on what it leaves out: Cloudflare tells a Worker's logs with its
    defaults, but needn't.
    """
    found = differences(manifest.content, script.deployed)
    if (manifest.part, manifest.script) != (part, name):
        found.append(f"what was signed is {manifest.part} for {manifest.script}")
    secrets = {str(item.get("name")) for item in script.bindings if item.get("type") == "secret_text"}
    found += [f"it has the secret {secret}" for secret in sorted(secrets - set(manifest.secrets))]
    present = {str(item.get("name")): item for item in script.bindings if item.get("type") != "secret_text"}
    for key in sorted(present.keys() | manifest.bindings.keys()):
        if not is_same(manifest.bindings.get(key), present.get(key)):
            found.append(f"the binding {key} is another")
    unsigned = not_signed(manifest.settings, script.given, manifest.has_assets)
    told = [*given(completed(script.settings, manifest.settings)), STATIC_FILES]
    found += [f"it was given {item}, which was not signed" for item in unsigned if item in told]
    if script.problem is not None:
        found.append(script.problem)
    if found:
        raise CheckFailedError(f"{name}: {'; '.join(found)}")
    if unsigned:
        raise UncheckableError(f"{name}: Cloudflare doesn't tell whether it was given {', '.join(unsigned)}")


def is_same(signed: Any, present: Any) -> bool:
    """Whether a binding leads where it was signed to.

    Whatever more there is of it (an entrypoint, a Worker that gets what apps fetch) may lead elsewhere.
    """
    if signed is None or present is None:
        return False
    told = {key: value for key, value in present.items() if key in signed or not is_added(key, value)}
    return canonical(told, "a binding") == canonical(signed, "a binding")


def is_added(key: str, value: Any) -> bool:
    """Whether it is what Cloudflare itself adds to a binding: the ids that it gave, the only environment."""
    return value is None or key in IDS or (key, value) == ("environment", "production")
