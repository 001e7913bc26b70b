"""Cloudflare's API, as far as the dashboard needs it: the dispatch namespace's scripts.

After Cloudflare's API reference, "Workers for Platforms: Dispatch namespace scripts" (details, content,
settings, deployments, versions).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from clients.given import given
from clients.http import TIMEOUT_SECONDS, USER_AGENT, Answer, Fetch, Receive, UnreachableError
from clients.multipart import HashingParser, NotMultipartError, Part, parameter

# The name of the main module, as wrangler reads it from the same answer.
ENTRYPOINT = "cf-entrypoint"
# Where the bindings that are plain variables have their values.
PLAIN = {"plain_text": "text", "json": "json"}


# A Worker may have 64 MiB.
CONTENT_SECONDS = 60
# Of an API without versions of a namespace's scripts.
NO_ROUTE = (404, 405)


class CloudflareError(Exception):
    """Cloudflare didn't do what it was asked for, which can be tried again."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """One dispatch namespace. `api_url` is without a slash at its end."""

    fetch: Fetch
    api_url: str
    account_id: str
    token: str = field(repr=False)
    name: str

    async def delete_script(self, script: str) -> None:
        """Delete an app's Worker; one that isn't there is deleted already. Raises CloudflareError."""
        await self._ask("DELETE", f"/scripts/{quote(script)}?force=true", "delete the Worker")

    async def read_script(self, script: str) -> DeployedScript | None:
        """What is deployed of an app now; None where there is nothing. Raises CloudflareError."""
        path, content = f"/scripts/{quote(script)}", Content()
        settings = await self._ask("GET", f"{path}/settings", "describe the Worker")
        details = await self._ask("GET", path, "list the Worker")
        verb = "return the Worker"
        answer = await self._ask("GET", f"{path}/content", verb, content.receive, seconds=CONTENT_SECONDS)
        if settings is None or details is None or answer is None:
            await self.require()
            return None
        deployment = await self._deployment(path)
        match [settings.json(), details.json()]:
            case [{"result": {**found}}, {"result": {"script": {**listed}}}]:
                main, modules = answer.headers.get(ENTRYPOINT), content.modules(answer)
                deployed = deployed_script(found, main, modules, deployment)
                return replace(deployed, given=given(found, has_assets=bool(listed.get("has_assets"))))
        raise CloudflareError("Cloudflare's description of the Worker could not be read.")

    async def _deployment(self, path: str) -> Deployment | None:
        """Asked after the content: what was uploaded in between isn't taken for what was read."""
        verb = "list the Worker's versions"
        answer = await self._ask("GET", f"{path}/deployments", verb, absent=NO_ROUTE)
        found = active_versions(None if answer is None else answer.json())
        if answer is None or found == {}:
            return None
        if found is None:
            raise CloudflareError("Cloudflare's list of the Worker's deployments could not be read.")
        versions = await self._ask("GET", f"{path}/versions", verb, absent=NO_ROUTE)
        return Deployment(found, None if versions is None else latest_version(versions.json()))

    async def has_script(self, script: str) -> bool:
        """Whether anything is deployed under this name. Raises CloudflareError."""
        if await self._ask("GET", f"/scripts/{quote(script)}", "look for the Worker") is not None:
            return True
        await self.require()  # without the namespace nothing is known of its scripts
        return False

    async def require(self) -> None:
        """Raise CloudflareError unless the namespace can be read."""
        if await self._ask("GET", "", "describe the namespace") is None:
            raise CloudflareError(f"Cloudflare has no dispatch namespace {self.name}.")

    async def _ask(
        self,
        method: str,
        path: str,
        verb: str,
        receive: Receive | None = None,
        absent: Container[int] = (404,),
        seconds: float = TIMEOUT_SECONDS,
    ) -> Answer | None:
        """The answer; None where there is no such thing, which the statuses `absent` say."""
        namespace = f"workers/dispatch/namespaces/{quote(self.name)}"
        url = f"{self.api_url}/accounts/{quote(self.account_id)}/{namespace}{path}"
        try:
            headers = {"authorization": f"Bearer {self.token}", "user-agent": USER_AGENT}
            answer = await self.fetch(method, url, headers, receive=receive, seconds=seconds)
        except UnreachableError as error:
            raise CloudflareError("Cloudflare could not be reached.") from error
        except NotMultipartError as error:
            raise CloudflareError("Cloudflare sent the modules in an unknown form.") from error
        if answer.status in absent:
            return None
        if not answer.is_success:
            raise CloudflareError(f"Cloudflare refused to {verb} ({answer.status}).")
        return answer


@dataclass(frozen=True, slots=True)
class DeployedScript:
    """`main` is None where Cloudflare doesn't tell. `bindings` are all but plain variables: "NAME (type)".

    `given` is what else it was given that no manifest has, in words.
    """

    main: str | None
    compatibility_date: str
    compatibility_flags: list[str]
    variables: dict[str, Any]
    bindings: list[str]
    modules: list[Part]
    deployment: Deployment | None
    given: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Which versions of a script answer requests ("Versioning" in "Workers for Platforms").

    `versions` are percentages by id; one at 0 answers requests that name it. `latest` is the id of the newest
    upload, None where it isn't told. `/content` is of what serves or of the newest upload, which Cloudflare's
    documentation doesn't say: it is surely of what serves where both are the same version.
    """

    versions: dict[str, float]
    latest: str | None


class Content:
    """Takes a script's modules: a form, or the one module there is."""

    def __init__(self) -> None:
        self._parser: HashingParser | None = None
        self._single = hashlib.sha256()

    def receive(self, answer: Answer) -> Callable[[bytes], None]:
        content_type = answer.headers.get("content-type", "")
        if not answer.is_success or not content_type.startswith("multipart/"):
            return self._single.update
        self._parser = HashingParser(parameter(content_type, "boundary").encode())
        return self._parser.write

    def modules(self, answer: Answer) -> list[Part]:
        if self._parser is None:
            return [Part(answer.headers.get(ENTRYPOINT, ""), "", self._single.hexdigest())]
        return sorted(self._parser.parts, key=lambda part: part.name)


def active_versions(content: Any) -> dict[str, float] | None:
    """Those of the first deployment that is listed, which is the active one; None for what can't be read."""
    match content:
        case {"result": {"deployments": []}}:
            return {}
        case {"result": {"deployments": [{"versions": [*versions]}, *_]}}:
            try:
                return {str(item["version_id"]): float(item["percentage"]) for item in versions}
            except (KeyError, TypeError, ValueError):
                return None
    return None


def latest_version(content: Any) -> str | None:
    """The newest by its number, the first of those without one."""
    match content:
        case {"result": {"items": [*items]}}:
            known = [item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]
            newest: dict[str, Any] = max(known, key=lambda item: item.get("number") or 0, default={})
            return newest.get("id")
    return None


def deployed_script(
    settings: dict[Any, Any], main: str | None, modules: list[Part], deployment: Deployment | None
) -> DeployedScript:
    bindings = settings.get("bindings") or []
    variables = {item["name"]: item[PLAIN[item["type"]]] for item in bindings if item.get("type") in PLAIN}
    others = [item for item in bindings if item.get("type") not in PLAIN]
    return DeployedScript(
        main=main,
        compatibility_date=settings.get("compatibility_date") or "",
        compatibility_flags=sorted(settings.get("compatibility_flags") or []),
        variables=variables,
        bindings=sorted(f"{item.get('name')} ({item.get('type')})" for item in others),
        modules=modules,
        deployment=deployment,
    )
