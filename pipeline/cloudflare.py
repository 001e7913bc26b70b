"""A deployed Worker as Cloudflare's API tells of it, and what wrangler can't do to it.

After Cloudflare's API reference, "Workers for Platforms: Dispatch namespace scripts" (content, settings,
tags).
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.api import FAILURES, Answer, call, status_of
from pipeline.artifact import Artifact, plain_variables
from pipeline.errors import PipelineError
from pipeline.upload_form import Part, parse_parts

API_URL = "https://api.cloudflare.com/client/v4"
TIMEOUT_SECONDS = 60
NOT_FOUND = 404
# Settings by which somebody is told of an app's requests, or answers in its place.
OFF = ("cache_options", "logpush", "observability", "streaming_tail_consumers", "tail_consumers")
# The destination of what is kept at Cloudflare itself.
CLOUDFLARE = "cloudflare"


class NotDeployedError(PipelineError):
    """There is no such script."""


@dataclass(frozen=True, slots=True)
class DeployedScript:
    """One script of a dispatch namespace. `url` is its address in the API."""

    url: str
    token: str = field(repr=False)

    @classmethod
    def of(cls, credentials: Mapping[str, str], namespace: str, name: str) -> DeployedScript:
        base = credentials.get("CLOUDFLARE_API_BASE_URL", API_URL)
        account = credentials["CLOUDFLARE_ACCOUNT_ID"]
        url = f"{base}/accounts/{account}/workers/dispatch/namespaces/{namespace}/scripts/{name}"
        return cls(url, credentials["CLOUDFLARE_API_TOKEN"].strip())

    def tag(self, tags: Sequence[str]) -> None:
        """Set its tags. Raises PipelineError."""
        self._ask("PUT", "/tags", json.dumps(list(tags)).encode())

    def delete(self) -> None:
        """Delete it, if it is there. Raises PipelineError."""
        try:
            self._ask("DELETE", "?force=true")
        except NotDeployedError:
            return

    def differences(self, artifact: Artifact) -> list[str]:
        """What Cloudflare has otherwise than the artifact. Raises PipelineError."""
        content = self._ask("GET", "/content")
        found = modules_of(content.headers, content.body)
        names = sorted(found.keys() | artifact.modules.keys())
        modules = [f"the module {name}" for name in names if not is_same(artifact, name, found.get(name))]
        settings = result_of(self._ask("GET", "/settings").body)
        return modules + [name for name, agrees in compared(settings, artifact) if not agrees]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        request = urllib.request.Request(self.url + path, body, method=method)  # noqa: S310
        request.add_header("authorization", f"Bearer {self.token}")
        request.add_header("content-type", "application/json")
        # Cloudflare's Browser Integrity Check refuses the name that Python gives itself.
        request.add_header("user-agent", "codius-workers")
        try:
            return call(request, TIMEOUT_SECONDS)
        except FAILURES as error:
            kind = NotDeployedError if status_of(error) == NOT_FOUND else PipelineError
            what = f"{method} {path.strip('/').partition('?')[0] or 'script'}"
            raise kind(f"Cloudflare's API failed ({what}): {error}.") from error


def modules_of(headers: Mapping[str, str], body: bytes) -> dict[str, Part]:
    """The modules by name; a script that is a single one may come as it is."""
    if not headers.get("content-type", "").startswith("multipart/"):
        name = headers.get("cf-entrypoint", "")
        return {name: Part(name, "", body)}
    return {part.name: part for part in parse_parts(body)}


def is_same(artifact: Artifact, name: str, found: Part | None) -> bool:
    """Whether a module is there as it was built; its type counts where Cloudflare tells it."""
    if found is None or name not in artifact.modules:
        return False
    return found.content == artifact.modules[name] and found.content_type in ("", artifact.media_type(name))


def result_of(body: bytes) -> Mapping[str, Any]:
    try:
        result = json.loads(body)["result"]
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError("Cloudflare's answer about the Worker can't be read.") from error
    return result if isinstance(result, dict) else {}


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, in which `true` is not `1`."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def compared(settings: Mapping[str, Any], artifact: Artifact) -> list[tuple[str, bool]]:
    bindings = settings.get("bindings") or []
    variables = plain_variables(bindings)
    return [
        ("the compatibility date", settings.get("compatibility_date") == artifact.compatibility_date),
        (
            "the compatibility flags",
            sorted(settings.get("compatibility_flags") or []) == sorted(artifact.compatibility_flags),
        ),
        ("the variables", same(variables, dict(artifact.variables)) and len(variables) == len(bindings)),
        *((key.replace("_", " "), is_off(settings.get(key))) for key in OFF),
    ]


def is_off(setting: Any) -> bool:
    """Whether it is null, false or empty, or neither it nor a part of it is `enabled` or has a destination.

    As the dashboard and `codius verify` read it: what is left out is off, and logs are on and off with the
    whole where they say nothing themselves.
    """
    if not isinstance(setting, dict):
        return not setting
    logs = setting.get("logs") or {}
    is_on = setting.get("enabled") and logs.get("enabled") in (None, True)
    elsewhere = [place for place in setting.get("destinations") or [] if place != CLOUDFLARE]
    parts = [part for part in setting.values() if isinstance(part, dict)]
    return not (is_on or elsewhere) and all(map(is_off, parts))
