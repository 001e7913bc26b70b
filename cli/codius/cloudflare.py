"""What Cloudflare itself says of a script, by the token that an operator publishes.

After Cloudflare's API reference, "Workers for Platforms": dispatch namespaces, and their scripts (details,
settings, content, deployments, versions, tags). Only Cloudflare's own API is asked, or the one that the
visitor names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from codius.cloudflare_answers import (
    NAME,
    active_versions,
    assets_of,
    items_of,
    latest_version,
    mapping_of,
    messages_of,
    reason,
    result_of,
    tags_of,
    worker_name,
)
from codius.errors import CheckFailedError, GoneError, UncheckableError
from codius.given import given
from codius.jsontext import read_json
from codius.web import Answer, Web

API = "https://api.cloudflare.com/client/v4"
# A Worker may have 64 MiB; in a form it has some more.
MAX_CONTENT_BYTES = 80 * 1024 * 1024
ACCOUNT = re.compile(r"[A-Za-z0-9]{1,64}")
TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,500}")
# Where the bindings that are plain variables have their values.
PLAIN = {"plain_text": "text", "json": "json"}
# Of an API without versions of a namespace's scripts.
NO_ROUTE = (404, 405)
MAX_WORKERS = 50


@dataclass(frozen=True, slots=True)
class Access:
    """What a document gives: the API's address, the account, its namespace of apps, a token that reads."""

    api: str
    account: str
    namespace: str
    token: str = field(repr=False)

    @classmethod
    def read(cls, content: Any) -> Access:
        """Raises CheckFailedError naming what is missing or of another form."""
        match content:
            case {"api": str(api), "account": str(account), "namespace": str(namespace), "token": str(token)}:
                forms = ((ACCOUNT, account), (NAME, namespace), (TOKEN, token))
                if all(form.fullmatch(value) for form, value in forms):
                    return cls(api, account, namespace, token)
        raise CheckFailedError(
            "the document's cloudflare lacks api, account, namespace or token, or their form"
        )


@dataclass(frozen=True, slots=True)
class Script:
    """`deployed` is in the manifest's words, `bindings` are all that aren't plain variables.

    `given` is what else it has that no app's manifest names, by its `settings` among others; `problem` is why
    what was read may not be what answers; `messages` are of its versions, newest first.
    """

    deployed: dict[str, Any]
    bindings: list[dict[str, Any]]
    given: list[str]
    tags: list[str]
    problem: str | None
    messages: list[str] = field(default_factory=list)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cloudflare:
    """Asks about one account. `api` is the address that is asked: the visitor's, or Cloudflare's own."""

    web: Web
    access: Access
    api: str

    @classmethod
    def of(cls, web: Web, access: Access, given: str | None) -> Cloudflare:
        """Raises UncheckableError where the document names another API."""
        api = given or API
        if access.api.rstrip("/") != api:
            raise UncheckableError(
                f"the document names {access.api} as Cloudflare's API: "
                f"only {api} is asked (see --cloudflare-api)"
            )
        return cls(web, access, api)

    def app(self, name: str) -> Script:
        """An app's script. Raises GoneError where there is none, CheckFailedError and UncheckableError."""
        namespace = f"workers/dispatch/namespaces/{self.access.namespace}"
        path = f"{namespace}/scripts/{name}"
        script = self._script(path, f"{path}/content")
        details = mapping_of(result_of(self._ask(path, absent=())), "description of the script").get("script")
        # Then its Workers have one cache together ("Worker isolation" in "Workers for Platforms").
        described = mapping_of(result_of(self._ask(namespace, absent=())), "description of the namespace")
        shared = ["a cache shared with other apps"] if described.get("trusted_workers") else []
        tags = tags_of(result_of(self._ask(f"{path}/tags")))
        return replace(script, tags=tags, given=script.given + assets_of(details) + shared)

    def worker(self, name: str, details: Any) -> Script:
        """One of the account's own Workers, as it is listed. Raises as `app` does."""
        if not NAME.fullmatch(name):
            raise CheckFailedError("there is no such Worker: dispatch has no binding to it")
        path = f"workers/scripts/{name}"
        script = self._script(path, f"{path}/content/v2")
        messages = messages_of(result_of(self._ask(f"{path}/versions")))
        return replace(script, messages=messages, given=script.given + assets_of(details))

    def workers(self) -> dict[str, Any]:
        """Those of the account, by name. Raises UncheckableError, also for more than can be looked into."""
        match result_of(self._ask("workers/scripts", absent=())):
            case [*items] if len(items) > MAX_WORKERS:
                raise UncheckableError(f"the account has more than {MAX_WORKERS} Workers")
            case [*items]:
                return {worker_name(item): item for item in items}
        raise UncheckableError("Cloudflare's list of Workers can't be read")

    def bindings_of(self, name: str) -> list[dict[str, Any]]:
        """Raises UncheckableError."""
        settings = result_of(self._ask(f"workers/scripts/{name}/settings"))
        return items_of(settings, "bindings", "settings")

    def _script(self, path: str, content_path: str) -> Script:
        settings = self._ask(f"{path}/settings")
        if settings.status == 404:
            raise GoneError("Cloudflare has no such script in this account")
        found = result_of(settings)
        content = self._ask(content_path, is_form=True, absent=())
        modules = read_json(content.body, "Cloudflare's list of modules")
        # Asked after the content: what was uploaded in between isn't taken for what was read.
        problem = self._problem_of(path)
        return script_of(found, content.headers.get("cf-entrypoint"), modules, problem)

    def _problem_of(self, path: str) -> str | None:
        """Why what was read may not be what answers."""
        answer = self._ask(f"{path}/deployments", absent=NO_ROUTE)
        if answer.status in NO_ROUTE:
            return None
        serving = active_versions(result_of(answer))
        versions = self._ask(f"{path}/versions", absent=NO_ROUTE)
        latest = None if versions.status in NO_ROUTE else latest_version(result_of(versions))
        match list(serving.items()):
            case []:
                return None
            case [(version, 100)] if version == latest:
                return None
            case [(version, 100)]:
                return f"version {version} serves, and the newest upload is {latest or 'not told'}"
        shares = " and ".join(f"{version} ({share:g} %)" for version, share in serving.items())
        return f"not one version serves all requests, but {shares}"

    def _ask(self, path: str, is_form: bool = False, absent: tuple[int, ...] = (404,)) -> Answer:
        answer = self.web.get(
            f"{self.api}/accounts/{self.access.account}/{path}",
            redirects=0,
            most=MAX_CONTENT_BYTES,
            headers={"authorization": f"Bearer {self.access.token}"},
            is_form=is_form,
        )
        if answer.status == 200 or answer.status in absent:
            return answer
        if answer.status in (400, 401, 403):
            raise UncheckableError(
                f"Cloudflare refuses the token that the operator publishes ({reason(answer)})"
            )
        raise UncheckableError(f"Cloudflare's API answers with status {answer.status} ({reason(answer)})")


def script_of(settings: Any, main: str | None, modules: Any, problem: str | None) -> Script:
    try:
        bindings = items_of(settings, "bindings", "settings")
        plain = {item["name"]: item[PLAIN[item["type"]]] for item in bindings if item.get("type") in PLAIN}
        flags = sorted(settings.get("compatibility_flags") or [])
        deployed = {
            "main": main,
            "compatibilityDate": settings.get("compatibility_date") or "",
            "compatibilityFlags": flags,
            "vars": plain,
            "modules": modules,
        }
        others = [item for item in bindings if item.get("type") not in PLAIN]
        return Script(deployed, others, given(settings), [], problem, settings=settings)
    except (AttributeError, KeyError, TypeError) as error:
        raise UncheckableError("Cloudflare's description of the script can't be read") from error
