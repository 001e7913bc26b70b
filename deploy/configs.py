"""The Workers' wrangler.toml, and what of them an operator has to fill in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

Environment = Literal["production", "staging"]
ENVIRONMENTS: tuple[Environment, ...] = ("production", "staging")
Config = Mapping[str, Any]
Route = Mapping[str, Any]
ROUTE_FIELDS = {"route", "routes"}

# Of the dashboard; docs/operating.md says where each comes from.
SECRETS = ("GITHUB_CLIENT_SECRET", "GITHUB_TOKEN", "GITHUB_WEBHOOK_SECRET", "CLOUDFLARE_API_TOKEN")
PAYMENT_SECRETS = ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET")
# What the committed configs have where an operator's own value belongs.
PLACEHOLDER = re.compile(r"(.*[/.])?(apps(-staging)?\.)?example(/.*)?|0{32}")
TO_FILL_IN = {
    "dispatch": ("APPS_DOMAIN", "DASHBOARD_URL"),
    "dashboard": (
        *("DASHBOARD_URL", "APPS_DOMAIN", "GITHUB_REPOSITORY", "GITHUB_CLIENT_ID"),
        "CLOUDFLARE_ACCOUNT_ID",
    ),
}
SHARED = ("APPS_DOMAIN", "DASHBOARD_URL")
DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
LOCAL = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the three; `root` is the repository, `modules` the folder of its code."""

    name: str
    root: Path
    path: str
    modules: str
    environment: Environment

    @property
    def config_path(self) -> Path:
        return self.root / self.path

    @property
    def config(self) -> Config:
        """As wrangler reads it for the environment: production is the top level."""
        config = tomllib.loads(self.config_path.read_text())
        own = config.pop("env", {}).get(self.environment)
        return config if own is None else {**config, **own}

    @property
    def routes(self) -> list[Route]:
        """Of the environment, also those that it inherits; `route` is the short form for a single one."""
        config = self.config
        found = config.get("routes") or ([config["route"]] if config.get("route") else [])
        routes = [{"pattern": route} if isinstance(route, str) else route for route in found]
        return [route for route in routes if "pattern" in route]  # wrangler refuses the others

    def inherits_routes(self) -> bool:
        """Whether an environment has no routes of its own, and so those of the top level."""
        whole = tomllib.loads(self.config_path.read_text())
        own = whole.get("env", {}).get(self.environment)
        return own is not None and bool(self.routes) and not ROUTE_FIELDS & own.keys()

    @property
    def script(self) -> str:
        """The Worker's name at Cloudflare."""
        name: str = self.config["name"]
        return name if self.environment == "production" else f"{name}-{self.environment}"

    @property
    def variables(self) -> Mapping[str, Any]:
        variables: Mapping[str, Any] = self.config.get("vars", {})
        return variables


@dataclass(frozen=True, slots=True)
class Installation:
    """All that an environment consists of."""

    root: Path
    environment: Environment

    def _worker(self, name: str, path: str, modules: str) -> Worker:
        return Worker(name, self.root, path, modules, self.environment)

    @property
    def billing(self) -> Worker:
        return self._worker("billing", "billing/wrangler.toml", "billing")

    @property
    def dashboard(self) -> Worker:
        return self._worker("dashboard", "dashboard/wrangler.toml", "dashboard")

    @property
    def dispatch(self) -> Worker:
        return self._worker("dispatch", "wrangler.toml", "dispatch")

    @property
    def database(self) -> str:
        return str(self.dashboard.config["d1_databases"][0]["database_name"])

    @property
    def namespace(self) -> str:
        return str(self.dispatch.config["dispatch_namespaces"][0]["namespace"])

    @property
    def account_id(self) -> str:
        return str(self.dashboard.variables.get("CLOUDFLARE_ACCOUNT_ID", ""))

    @property
    def dashboard_url(self) -> str:
        return str(self.dashboard.variables.get("DASHBOARD_URL", "")).rstrip("/")

    @property
    def health_url(self) -> str:
        """Dispatch's own address under the apps' domain."""
        domain = self.dispatch.variables["APPS_DOMAIN"]
        return f"{urlsplit(self.dashboard_url).scheme}://healthz.{domain}/healthz"

    @property
    def has_payments(self) -> bool:
        return bool(self.dashboard.variables.get("TOP_UP_LEAST_CENTS"))

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*SECRETS, *PAYMENT_SECRETS) if self.has_payments else SECRETS

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Each is called by those after it."""
        return (self.billing, self.dashboard, self.dispatch)

    def problems(self) -> Iterator[str]:
        """What of the settings has to be put right, each with its file."""
        for name, settings in TO_FILL_IN.items():
            worker: Worker = getattr(self, name)
            for setting in settings:
                value = worker.variables.get(setting)
                if not isinstance(value, str) or not value or PLACEHOLDER.fullmatch(value.strip("/")):
                    yield f"{worker.path}: {setting} is {value!r}; replace it with your own"
        for setting in SHARED:
            if self.dispatch.variables.get(setting) != self.dashboard.variables.get(setting):
                yield f"{setting} is not the same in {self.dispatch.path} and {self.dashboard.path}"
        if self.dashboard.variables.get("DISPATCH_NAMESPACE") != self.namespace:
            yield f"{self.dashboard.path}: DISPATCH_NAMESPACE is not {self.dispatch.path}'s, {self.namespace}"
        yield from self._problems_of_addresses()
        yield from problems_of_shared_routes(self.root)

    def _problems_of_addresses(self) -> Iterator[str]:
        url, domain = self.dashboard_url, str(self.dispatch.variables.get("APPS_DOMAIN", ""))
        address = urlsplit(url)
        host = address.hostname or ""
        if host in LOCAL:
            return
        if address.scheme != "https":
            yield f"{self.dashboard.path}: DASHBOARD_URL must begin with https://"
        elif url != f"https://{address.netloc}".lower():
            yield f"{self.dashboard.path}: DASHBOARD_URL must be https://<host> in lower case, without a path"
        if not DOMAIN.fullmatch(domain):
            yield f"{self.dispatch.path}: APPS_DOMAIN is {domain!r}; it must be a domain's name alone"
            return
        if is_at(host, domain) or is_at(domain, host):
            yield (
                f"DASHBOARD_URL ({host}) and APPS_DOMAIN ({domain}) must be on different domains:"
                " apps could set the dashboard's cookies"
            )
        # A route may name its zone by `zone_id`, too.
        zones = {route["pattern"]: route.get("zone_name", domain) for route in self.dispatch.routes}
        pattern = f"*.{domain}/*"
        if pattern not in zones:
            yield f"{self.dispatch.path}: routes must have the pattern {pattern}"
        elif not is_at(domain, zones[pattern]):
            yield f"{self.dispatch.path}: the zone_name of {pattern} must be {domain} or the zone it is in"


def problems_of_shared_routes(root: Path) -> Iterator[str]:
    """Where deploying one environment would take a route, or a custom domain, from another."""
    owners: dict[str, str] = {}
    for environment in ENVIRONMENTS:
        for worker in Installation(root, environment).workers:
            name = f"{worker.path} ({environment})"
            if worker.inherits_routes():
                own = f"write its own, or `routes = []`, below [env.{environment}]"
                yield f"{name} has production's routes; {own}"
                continue
            for pattern in map(taken, worker.routes):
                if pattern in owners:
                    yield f"{name} has the route {pattern}, which is also {owners[pattern]}'s"
                owners.setdefault(pattern, name)


def taken(route: Route) -> str:
    """What a route takes: the same for a custom domain and for a route to all of that host."""
    return str(route["pattern"]).lower().removesuffix("/*")


def is_at(host: str, domain: str) -> bool:
    """Whether a host is a domain's, or below it."""
    return bool(domain) and f".{host}".endswith(f".{domain}")
