"""The steps from a clone to a running installation: each says whether it is done, and does it.

The order never breaks a running system: what is called is deployed before what calls it (billing, dashboard,
dispatch), and the database is migrated before the code that wants the new tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.api import Account
from deploy.configs import Installation, Worker, problems_of_shared_routes
from deploy.errors import DeployError
from deploy.fingerprint import fingerprint
from deploy.health import wait_until_healthy
from deploy.operators import problems_of_operators
from deploy.pages import PagesProject
from deploy.read_token import problems_of_read_token
from deploy.versions import deployed_tag
from deploy.wrangler import Wrangler

# The machine's own Node.js may be too old for wrangler.
WITH_NODE = 'export PATH="$PWD/.venv/bin:$PATH"'

# The end of a version's tag whose upload was signed: the same code by hand isn't it.
ATTESTED = "attested"


@dataclass(frozen=True, slots=True)
class Step:
    """`is_done` looks without changing anything; `do` returns a word about what it did."""

    name: str
    title: str
    is_done: Callable[[], bool]
    do: Callable[[], str]


class Steps:
    """Those of one installation. `messages` name what was signed of the Workers, where that was done."""

    def __init__(self, installation: Installation, messages: Mapping[str, str] | None = None) -> None:
        self._messages = messages or {}
        self._installation = installation
        self._wrangler = Wrangler(installation)
        self._account = Account(self._wrangler)
        self._pages = PagesProject(installation, self._wrangler, self._account)

    @property
    def warnings(self) -> Sequence[str]:
        """What wrangler warned of in the steps that were taken."""
        return self._wrangler.warnings

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
        for worker in installation.workers:
            yield self._deployment(worker)
        yield Step("pages", "Pages project", self._pages.is_deployed, self._pages.deploy)
        yield Step("smoke", "Health", never, self._smoke)

    # What must be there.

    def _check(self) -> str:
        operators = problems_of_operators(self._installation.dashboard)
        problems = [*self._installation.problems(), *operators]
        problems = problems or [*problems_of_read_token(self._installation)]
        if problems:
            raise DeployError("\n  ".join(["These settings must be put right:", *problems]))
        try:
            self._has_database()
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
        return "payments are on" if is_on else "payments are off: TOP_UP_LEAST_CENTS is 0"

    def _secrets(self) -> set[str]:
        listed = self._account.result(f"workers/scripts/{self._installation.dashboard.script}/secrets") or []
        return {item["name"] for item in listed}

    # What the Workers need.

    def _has_database(self) -> bool:
        return self._account.database_id() is not None

    def _create_database(self) -> str:
        self._wrangler.run("d1", "create", self._installation.database)
        return "created"

    def _is_migrated(self) -> bool:
        if not self._has_database():
            return False
        dashboard = self._installation.dashboard
        output = self._wrangler.of(dashboard, "d1", "migrations", "list", "DB", "--remote")
        return "No migrations to apply" in output

    def _migrate(self) -> str:
        self._wrangler.of(self._installation.dashboard, "d1", "migrations", "apply", "DB", "--remote")
        return "applied"

    def _has_namespace(self) -> bool:
        path = f"workers/dispatch/namespaces/{self._installation.namespace}"
        return self._account.result(path) is not None

    def _create_namespace(self) -> str:
        self._wrangler.run("dispatch-namespace", "create", self._installation.namespace)
        return "created"

    # The Workers.

    def _deployment(self, worker: Worker) -> Step:
        tag, options = fingerprint(worker), []
        message = self._messages.get(worker.name)
        if message is not None:
            tag, options = f"{tag}-{ATTESTED}", ["--message", message]

        def is_done() -> bool:
            # By hand, what was signed is left as it is; what is to be signed must have been.
            deployed = deployed_tag(self._account, worker)
            return deployed == tag or deployed == f"{tag}-{ATTESTED}"

        def deploy() -> str:
            require_own_routes(self._installation.root)
            self._wrangler.of(worker, "deploy", "--tag", tag, *options)
            return f"deployed {tag}"

        return Step(worker.name, f"Worker {worker.script}", is_done, deploy)

    # Whether it lives.

    def _smoke(self) -> str:
        self._pages.check_address()
        for url in (f"{self._installation.dashboard_url}/healthz", self._installation.health_url):
            wait_until_healthy(url)
        return "dashboard and dispatch answer"


def require_own_routes(root: Path) -> None:
    """Also for a single step: what wrangler takes from the other environment it takes at once."""
    problems = list(problems_of_shared_routes(root))
    if problems:
        raise DeployError("\n  ".join(["These routes must be put right:", *problems]))


def never() -> bool:
    return False
