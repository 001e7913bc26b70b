"""The steps from a clone to a running installation: each says whether it is done, and does it.

The order never breaks a running system: what is called is deployed before what calls it (billing, dashboard,
dispatch), and the database is migrated before the code that wants the new tables.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from deploy.configs import Installation, Worker
from deploy.errors import DeployError
from deploy.fingerprint import fingerprint, hash_of
from deploy.wrangler import NotThereError, Wrangler

SMOKE_SECONDS = 90
REQUEST_SECONDS = 10
# The machine's own Node.js may be too old for wrangler.
WITH_NODE = 'export PATH="$PWD/.venv/bin:$PATH"'
COMMIT_SHOWN = 7  # of a Pages deployment's commit, in wrangler's list


@dataclass(frozen=True, slots=True)
class Step:
    """`is_done` looks without changing anything; `do` returns a word about what it did."""

    name: str
    title: str
    is_done: Callable[[], bool]
    do: Callable[[], str]


class Steps:
    """Those of one installation."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._wrangler = Wrangler(installation)

    def __iter__(self) -> Iterator[Step]:
        installation = self._installation
        yield Step("check", "Settings, login and secrets", never, self._check)
        yield Step("database", f"Database {installation.database}", self._has_database, self._create_database)
        yield Step("migrations", "Database migrations", self._is_migrated, self._migrate)
        yield Step(
            "namespace",
            f"Dispatch namespace {installation.namespace}",
            self._has_namespace,
            self._create_namespace,
        )
        for worker in (installation.billing, installation.dashboard, installation.dispatch):
            yield self._deployment(worker)
        yield Step("pages", "Pages project", self._has_pages, self._deploy_pages)
        yield Step("smoke", "Health", never, self._smoke)

    # What must be there.

    def _check(self) -> str:
        problems = list(self._installation.problems())
        if problems:
            raise DeployError("\n  ".join(["These settings must be put right:", *problems]))
        try:
            self._wrangler.run("d1", "list", "--json")
        except DeployError as error:
            hint = f"Log in with `{WITH_NODE} && npx wrangler login`, or set CLOUDFLARE_API_TOKEN."
            raise DeployError(f"Cloudflare can't be asked. {hint}\n  {error}") from error
        missing = sorted(set(self._installation.secrets) - self._secrets())
        if missing:
            dashboard = self._installation.dashboard
            option = "" if dashboard.environment == "production" else f" --env {dashboard.environment}"
            put = f"npx wrangler secret put {{}} --config {dashboard.path}{option}"
            lines = ["These secrets are missing (docs/operating.md says where they come from):", WITH_NODE]
            raise DeployError("\n  ".join([*lines, *map(put.format, missing)]))
        is_on = self._installation.has_payments
        return "payments are on" if is_on else "payments are off: no STRIPE_TOPUP_PRICE_ID"

    def _secrets(self) -> set[str]:
        try:
            dashboard = self._installation.dashboard
            listed = self._wrangler.json_of(dashboard, "secret", "list", "--format", "json")
        except NotThereError:
            return set()
        return {item["name"] for item in listed}

    # What the Workers need.

    def _has_database(self) -> bool:
        listed = self._wrangler.json("d1", "list", "--json")
        return any(item["name"] == self._installation.database for item in listed)

    def _create_database(self) -> str:
        self._wrangler.run("d1", "create", self._installation.database)
        return "created"

    def _is_migrated(self) -> bool:
        try:
            output = self._wrangler.of(
                self._installation.dashboard, "d1", "migrations", "list", "DB", "--remote"
            )
        except NotThereError:
            return False
        return "No migrations to apply" in output

    def _migrate(self) -> str:
        self._wrangler.of(self._installation.dashboard, "d1", "migrations", "apply", "DB", "--remote")
        return "applied"

    def _has_namespace(self) -> bool:
        # Printed as JavaScript: namespace_name: 'testing'.
        listed = self._wrangler.run("dispatch-namespace", "list")
        return re.search(f"['\"]{re.escape(self._installation.namespace)}['\"]", listed) is not None

    def _create_namespace(self) -> str:
        self._wrangler.run("dispatch-namespace", "create", self._installation.namespace)
        return "created"

    # The Workers.

    def _deployment(self, worker: Worker) -> Step:
        def is_done() -> bool:
            return self._deployed(worker) == fingerprint(worker)

        def deploy() -> str:
            self._wrangler.of(worker, "deploy", "--tag", fingerprint(worker))
            return f"deployed {fingerprint(worker)}"

        return Step(worker.name, f"Worker {worker.script}", is_done, deploy)

    def _deployed(self, worker: Worker) -> str | None:
        """The tag of the version that serves; None where there is none, or several do."""
        try:
            serving = self._wrangler.json_of(worker, "deployments", "status", "--json")["versions"]
        except NotThereError:
            return None
        if len(serving) != 1:
            return None
        version = self._wrangler.json_of(worker, "versions", "view", serving[0]["version_id"], "--json")
        tag: str | None = (version.get("annotations") or {}).get("workers/tag")
        return tag

    # Pages.

    @property
    def _project(self) -> str:
        config = tomllib.loads((self._installation.root / "pages" / "wrangler.toml").read_text())
        return str(config["name"])

    @property
    def _branch(self) -> str:
        return "main" if self._installation.environment == "production" else self._installation.environment

    def _pages_hash(self) -> str:
        """Looks like a commit's, as wrangler shows it in the list of deployments."""
        root = self._installation.root
        return hash_of(self._branch, root, [root / "pages", root / "dashboard" / "static"]).ljust(40, "0")

    def _domains(self) -> list[str] | None:
        """The project's, of which Cloudflare chose the first; None without a project."""
        for item in self._wrangler.json("pages", "project", "list", "--json"):
            if item["Project Name"] == self._project:
                return str(item["Project Domains"]).split(", ")
        return None

    def _has_pages(self) -> bool:
        if self._domains() is None:
            return False
        listed = self._wrangler.json("pages", "deployment", "list", "--project-name", self._project, "--json")
        latest: dict[str, str] = next((item for item in listed if item.get("Branch") == self._branch), {})
        return str(latest.get("Source", "")).startswith(self._pages_hash()[:COMMIT_SHOWN])

    def _deploy_pages(self) -> str:
        if self._domains() is None:
            self._wrangler.run(
                "pages", "project", "create", self._project, "--production-branch", "main", folder="pages"
            )
        root = self._installation.root
        output = root / "pages" / "dist"
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(root / "dashboard" / "static", output)
        for name in ("_worker.js", "_routes.json"):
            shutil.copy(root / "pages" / name, output)
        self._wrangler.run(
            *("pages", "deploy", "--project-name", self._project, "--branch", self._branch),
            *("--commit-hash", self._pages_hash(), "--commit-message", "make deploy", "--commit-dirty=true"),
            folder="pages",
        )
        return f"deployed to the branch {self._branch}"

    # Whether it lives.

    def _smoke(self) -> str:
        self._check_pages_address()
        for url in (f"{self._installation.dashboard_url}/healthz", self._installation.health_url):
            wait_until_healthy(url)
        return "dashboard and dispatch answer"

    def _check_pages_address(self) -> None:
        """A name that is taken gets another address under pages.dev, and the settings' is somebody else's."""
        host = urlsplit(self._installation.dashboard_url).hostname or ""
        domains = self._domains() or []
        if host.endswith(".pages.dev") and not any(f".{host}".endswith(f".{name}") for name in domains):
            raise DeployError(
                f"{host} isn't the address of the Pages project {self._project}, which is at"
                f" {domains[0] if domains else 'none yet'}: put that into DASHBOARD_URL"
                f" ({self._installation.dispatch.path}, {self._installation.dashboard.path})."
            )


def never() -> bool:
    return False


def wait_until_healthy(url: str) -> None:
    """Cloudflare takes a while to bring a new Worker everywhere. Raises DeployError."""
    deadline = time.monotonic() + SMOKE_SECONDS
    while (failure := failure_of(url)) is not None:
        if time.monotonic() > deadline:
            raise DeployError(f"{url} is not healthy: {failure}")
        time.sleep(2)


def failure_of(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
            content = json.load(answer)
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        return str(error)
    return None if content == {"status": "ok"} else f"it says {content}"
