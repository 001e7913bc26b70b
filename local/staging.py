"""Derive what `wrangler dev` runs from the configs that an operator deploys.

The committed configs say nothing of a local run. What one needs (workerd's development Pyodide, a
dispatch namespace, local addresses) is added here, in a staged copy of each Worker: a folder with its
modules, its dependencies and the derived `wrangler.json`. Copies, because wrangler follows no links.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import shutil
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local.cloudflare.permissions import READ_TOKEN
from local.github.accounts import OPERATOR
from local.python_runtime import LOADS_SNAPSHOT

ROOT = Path(__file__).resolve().parent.parent
NOT_MODULES = {"python_modules", "__pycache__", "static"}
NODE_BIN = ROOT / ".venv" / "bin"
WORKERD_FOLDER = ROOT / "local" / "workerd"
COMPATIBILITY_DATE = "2026-11-01"
DEVELOPMENT_FLAGS = ["python_workers_development", "experimental"]
OPERATOR_REPOSITORY = "codius/codius-workers"
TOP_UP_LEAST_CENTS = 100
BILLING_OBJECT = {"name": "BILLING", "class_name": "BillingDurableObject", "script_name": "codius-billing"}
# Of what the account has: nobody runs it.
DESCRIBED = "cloudflare.json"
NAMESPACE_SERVICE = {"binding": "NAMESPACE", "service": "local-namespace", "entrypoint": "Namespace"}

Config = dict[str, Any]


@dataclass(frozen=True)
class Worker:
    """One of the product's Workers: its committed config, its modules, its vendored dependencies."""

    name: str
    config: Path
    modules: Path

    @property
    def dependencies(self) -> Path:
        return self.config.parent / "python_modules"


DISPATCH = Worker("dispatch", ROOT / "wrangler.toml", ROOT / "dispatch")
BILLING = Worker("billing", ROOT / "billing" / "wrangler.toml", ROOT / "billing")
DASHBOARD = Worker("dashboard", ROOT / "dashboard" / "wrangler.toml", ROOT / "dashboard")
WORKERS = (DISPATCH, BILLING, DASHBOARD)


@dataclass(frozen=True)
class Addresses:
    """Where the parts of one local run find each other."""

    port: int
    stand_in_port: int
    control_token: str
    dispatch_instances: int = 1
    secrets: Mapping[str, str] = field(default_factory=dict)  # the dashboard's
    trusted_root: str = ""  # of the local Sigstore

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def dashboard(self) -> str:
        return f"http://{self.host}"

    @property
    def others(self) -> str:
        """Where the stand-ins for other people's servers are, for browsers and programs."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def stand_in(self) -> str:
        return f"http://127.0.0.1:{self.stand_in_port}"


def read_config(worker: Worker) -> Config:
    return tomllib.loads(worker.config.read_text())


def python_config(worker: Worker) -> Config:
    """The committed config, moved to the staged folder and to the development Pyodide.

    A variable of it that is set in the environment is taken from there.
    """
    config = read_config(worker)
    config["main"] = f"src/{Path(config['main']).name}"
    config["compatibility_flags"] += [*DEVELOPMENT_FLAGS, LOADS_SNAPSHOT]
    variables = config.get("vars", {})
    config["vars"] = {name: type(value)(os.environ.get(name) or value) for name, value in variables.items()}
    return config


def dispatch_workers(addresses: Addresses) -> list[Worker]:
    """Dispatch runs in many places at once: each instance is a Worker of its own here."""
    more = [
        replace(DISPATCH, name=f"dispatch-{number}") for number in range(2, addresses.dispatch_instances + 1)
    ]
    return [DISPATCH, *more]


def staged_workers(addresses: Addresses) -> list[Worker]:
    return [*dispatch_workers(addresses), BILLING, DASHBOARD]


def dispatch_config(addresses: Addresses, name: str) -> Config:
    config = python_config(DISPATCH)
    config["name"] = f"codius-{name}"
    config["main"] = "src/local_dispatch.py"
    del config["dispatch_namespaces"]
    config["services"].append(NAMESPACE_SERVICE)
    config["vars"] |= {"APPS_DOMAIN": "localhost", "DASHBOARD_URL": addresses.dashboard}
    return config


def dashboard_config(addresses: Addresses) -> Config:
    config = python_config(DASHBOARD)
    config["vars"] |= {
        "DASHBOARD_URL": addresses.dashboard,
        "APPS_DOMAIN": f"localhost:{addresses.port}",
        "GITHUB_URL": addresses.others,
        "GITHUB_API_URL": f"{addresses.others}/api/v3",
        "GITHUB_REPOSITORY": OPERATOR_REPOSITORY,
        "CLOUDFLARE_API_URL": f"{addresses.others}/client/v4",
        "CLOUDFLARE_READ_TOKEN": READ_TOKEN,
        "STRIPE_API_URL": addresses.others,
        "STRIPE_CHECKOUT_URL": addresses.others,
        "STRIPE_DASHBOARD_URL": addresses.others,
        "TOP_UP_LEAST_CENTS": TOP_UP_LEAST_CENTS,
        "OPERATORS": str(OPERATOR.id),
        "SIGSTORE_TRUSTED_ROOT": addresses.trusted_root,
        **addresses.secrets,
    }
    config["d1_databases"][0]["migrations_dir"] = str(ROOT / "migrations")
    config["assets"]["directory"] = str(DASHBOARD.modules / config["assets"]["directory"])
    return config


def front_config(addresses: Addresses) -> Config:
    return {
        "name": "local-front",
        "main": str(WORKERD_FOLDER / "front.js"),
        "compatibility_date": COMPATIBILITY_DATE,
        "compatibility_flags": ["service_binding_extra_handlers"],
        "services": [
            *(
                {"binding": f"DISPATCH_{number}", "service": f"codius-{worker.name}"}
                for number, worker in enumerate(dispatch_workers(addresses), 1)
            ),
            {"binding": "DASHBOARD", "service": "codius-dashboard"},
            {"binding": "BILLING_WORKER", "service": "codius-billing"},
            NAMESPACE_SERVICE,
        ],
        "durable_objects": {"bindings": [BILLING_OBJECT]},
        "d1_databases": read_config(DASHBOARD)["d1_databases"],
        "vars": {"OTHERS_ORIGIN": addresses.stand_in, "CONTROL_TOKEN": addresses.control_token},
    }


def namespace_config(addresses: Addresses) -> Config:
    return {
        "name": "local-namespace",
        "main": str(WORKERD_FOLDER / "namespace.js"),
        "compatibility_date": COMPATIBILITY_DATE,
        "compatibility_flags": ["experimental"],
        "rules": [{"type": "Text", "globs": ["**/prelude.js"], "fallthrough": False}],
        "worker_loaders": [{"binding": "LOADER"}],
        "services": [{"binding": "FRONT", "service": "local-front"}],
        "vars": {"SCRIPTS_ORIGIN": f"{addresses.stand_in}/local/scripts", "APPS_DOMAIN": "localhost"},
    }


def as_at_cloudflare(worker: Worker, config: Config, secrets: Collection[str]) -> Config:
    """A staged config as an account has it: with the namespace, and of secrets nothing."""
    described = config | {"vars": {key: value for key, value in config["vars"].items() if key not in secrets}}
    if is_dispatch(worker):
        services = [item for item in config["services"] if item != NAMESPACE_SERVICE]
        described |= {"services": services, "dispatch_namespaces": read_config(worker)["dispatch_namespaces"]}
    return described


def secret_names(worker: Worker, addresses: Addresses) -> set[str]:
    """Which of the dashboard's values are secrets: those that its committed config hasn't."""
    return set(addresses.secrets) - read_config(worker)["vars"].keys() if worker is DASHBOARD else set()


def stage(folder: Path, addresses: Addresses) -> list[Path]:
    """Write every Worker's staged folder; return their configs, the front Worker's first."""
    shutil.rmtree(folder, ignore_errors=True)
    configs = {
        "front": front_config(addresses),
        "namespace": namespace_config(addresses),
        **{worker.name: dispatch_config(addresses, worker.name) for worker in dispatch_workers(addresses)},
        "billing": python_config(BILLING),
        "dashboard": dashboard_config(addresses),
    }
    for worker in staged_workers(addresses):
        dependencies = folder / worker.name / "python_modules"
        shutil.copytree(worker.dependencies, dependencies, copy_function=link_or_copy)
        copy_modules(worker, folder)
        if is_dispatch(worker):
            # Wrangler uploads JavaScript of a Python Worker as a module only from the SDK's folder.
            shutil.copy(WORKERD_FOLDER / "local_namespace.js", dependencies / "workers")
    paths = []
    for name, config in configs.items():
        path = folder / name / "wrangler.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config, indent=2))
        paths.append(path)
    for worker in WORKERS:
        described = as_at_cloudflare(worker, configs[worker.name], secret_names(worker, addresses))
        (folder / worker.name / DESCRIBED).write_text(json.dumps(described, indent=2))
    return paths


def copy_modules(worker: Worker, folder: Path) -> bool:
    """Bring the staged modules up to date, and remove those that are gone; return whether any changed."""
    target = folder / worker.name / "src"
    sources = {path.relative_to(worker.modules): path for path in source_files(worker)}
    if is_dispatch(worker):
        sources[Path("local_dispatch.py")] = WORKERD_FOLDER / "local_dispatch.py"
    gone = [path for path in target.rglob("*") if path.is_file() and path.relative_to(target) not in sources]
    for path in gone:
        path.unlink()
    changed = {relative: source for relative, source in sources.items() if differs(source, target / relative)}
    for relative, source in changed.items():
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # an editor's temporary file, gone again
            shutil.copyfile(source, target / relative)
    return bool(gone or changed)


def is_dispatch(worker: Worker) -> bool:
    return worker.config == DISPATCH.config


def link_or_copy(source: str, target: str) -> None:
    """Dependencies don't change under a run; a link is enough where the file system has one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def differs(source: Path, copy: Path) -> bool:
    return not copy.exists() or not filecmp.cmp(source, copy, shallow=False)


def source_files(worker: Worker) -> list[Path]:
    """The Worker's own modules. Looked for every second: dependencies, which are many, are not entered."""
    found = []
    for folder, folders, names in os.walk(worker.modules):
        folders[:] = [name for name in folders if name not in NOT_MODULES and not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return found
