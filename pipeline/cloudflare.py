"""A deployed Worker as Cloudflare's API tells of it, and what wrangler can't do to it.

After Cloudflare's API reference, "Workers for Platforms: Dispatch namespace scripts" (content, settings,
tags).
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.artifact import Artifact, plain_variables
from pipeline.errors import PipelineError
from pipeline.upload_form import Part, parse_parts

API_URL = "https://api.cloudflare.com/client/v4"
TIMEOUT_SECONDS = 60
RETRY_SECONDS = (1, 5)
# Settings by which somebody is told of an app's requests, or answers in its place.
OFF = ("cache_options", "logpush", "observability", "streaming_tail_consumers", "tail_consumers")
Answer = tuple[Mapping[str, str], bytes]


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
        headers, body = self._ask("GET", "/content")
        found = modules_of(headers, body)
        names = sorted(found.keys() | artifact.modules.keys())
        modules = [f"the module {name}" for name in names if not is_same(artifact, name, found.get(name))]
        settings = result_of(self._ask("GET", "/settings")[1])
        return modules + [name for name, agrees in compared(settings, artifact) if not agrees]

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        request = urllib.request.Request(self.url + path, body, method=method)  # noqa: S310
        request.add_header("authorization", f"Bearer {self.token}")
        request.add_header("content-type", "application/json")
        # Cloudflare's Browser Integrity Check refuses the name that Python gives itself.
        request.add_header("user-agent", "codius-workers")
        for pause in (*RETRY_SECONDS, None):
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                    return {name.lower(): value for name, value in answer.headers.items()}, answer.read()
            except (OSError, http.client.HTTPException) as error:
                if pause is None or not may_pass(error):
                    kind = NotDeployedError if status_of(error) == 404 else PipelineError
                    what = f"{method} {path.strip('/').partition('?')[0] or 'script'}"
                    raise kind(f"Cloudflare's API failed ({what}): {error}.") from error
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def status_of(error: Exception) -> int | None:
    return error.code if isinstance(error, urllib.error.HTTPError) else None


def may_pass(error: Exception) -> bool:
    """Whether asking again may help: every call here may be repeated."""
    status = status_of(error)
    return status is None or status == 429 or status >= 500


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
    """Whether it is null, false, empty, or says that it isn't enabled."""
    return not (setting.get("enabled", True) if isinstance(setting, dict) and setting else setting)
