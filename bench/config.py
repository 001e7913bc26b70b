"""The workerd config of a run, derived from the committed configs of dispatch and billing.

Written in Cap'n Proto's text format from plain values: dicts are structs, lists are lists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from local import staging
from local.python_runtime import LOADS_SNAPSHOT
from local.staging import BILLING, DASHBOARD, DISPATCH, ROOT, Worker

OBJECT_CLASS = "BillingDurableObject"
OBJECT_DELAY_MS = 20
ADDRESS = "127.0.0.1"

Struct = dict[str, Any]


@dataclass(frozen=True)
class Embed:
    """A file's content; the path is relative to the config, as Cap'n Proto takes no other."""

    path: str


def write(folder: Path, ports: dict[str, int], variables: Mapping[str, int]) -> Path:
    """Write the config of all that is measured at once into an empty folder; return its path.

    The objects' storage is there, too: where the folder is in memory, nobody waits for a disk.
    """
    disks = [disk(folder / name) for name in ("source-objects", "billing-objects")]
    return write_config(folder, workers(variables) + disks, ports)


def write_config(folder: Path, services: Sequence[Struct], ports: dict[str, int]) -> Path:
    """Write a config of these services into a folder, with links to what they embed; return its path.

    The services in `ports` are reached there.
    """
    for name, target in (
        ("workers", ROOT / "bench" / "workers"),
        ("workerd", staging.WORKERD_FOLDER),
        ("dispatch", DISPATCH.modules),
        ("dispatch_modules", DISPATCH.dependencies),
        ("billing", BILLING.modules),
        ("billing_modules", BILLING.dependencies),
        ("dashboard", DASHBOARD.modules),
        ("dashboard_modules", DASHBOARD.dependencies),
    ):
        (folder / name).symlink_to(target)
    sockets = [
        {"name": name, "address": f"{ADDRESS}:{port}", "service": name, "http": {}}
        for name, port in ports.items()
    ]
    config = capnp_text({"services": list(services), "sockets": sockets})
    path = folder / "bench.capnp"
    path.write_text(
        f'using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = {config};\n'
    )
    return path


def workers(variables: Mapping[str, int]) -> list[Struct]:
    """The app, and all that is measured in front of it; `far` are those whose objects are far away.

    The variables are dispatch's and billing's, beside their own.
    """
    app = service("APP", "app")
    source = [app, objects("BILLING", "source")]
    ours = [app, objects("BILLING", "billing")]
    far = [variable("OBJECT_DELAY_MS", OBJECT_DELAY_MS)]
    control = [
        objects("SOURCE_BILLING", "source"),
        service("SOURCE_COUNTS", "source", "Counts"),
        objects("BILLING", "billing"),
        service("COUNTS", "billing", "Counts"),
        service("DISPATCH_MEMORY", "ours", "Memory"),
        service("LEASES", "ours", "Leases"),
        service("LEASES_FAR", "ours-far", "Leases"),
    ]
    return [
        worker("app", javascript("app.js")),
        worker("bare", javascript("bare.js", "bindings.js"), [app]),
        worker("source", javascript("source.js", "bindings.js"), source, own_objects("source-objects")),
        worker("source-far", javascript("source.js", "bindings.js"), source + far),
        worker("ours", python(DISPATCH, variables), ours),
        worker("ours-far", python(DISPATCH, variables), ours + far),
        worker("billing", python(BILLING, variables), [], own_objects("billing-objects")),
        worker("control", javascript("control.js"), control),
    ]


def worker(name: str, code: Struct, bindings: Sequence[Struct] = (), storage: Struct | None = None) -> Struct:
    bound = {"bindings": [*code.get("bindings", []), *bindings]}
    return {"name": name, "worker": code | bound | (storage or {})}


def javascript(*modules: str) -> Struct:
    return {
        "modules": [{"name": name, "esModule": Embed(f"workers/{name}")} for name in modules],
        "compatibilityDate": staging.COMPATIBILITY_DATE,
    }


def python(product: Worker, others: Mapping[str, int] = MappingProxyType({})) -> Struct:
    """One of the product's Workers as it is, behind the bench's entry module for it."""
    committed = staging.read_config(product)
    domain = {"APPS_DOMAIN": "localhost"} if product == DISPATCH else {}
    variables = {**committed["vars"], **domain, **others}
    main = f"bench_{product.name}.py"
    return {
        "modules": [
            {"name": main, "pythonModule": Embed(f"workers/{main}")},
            *product_modules(product),
            *dependencies(product),
            *(local_bindings() if product == DISPATCH else []),
        ],
        "compatibilityDate": committed["compatibility_date"],
        "compatibilityFlags": [
            *(*committed["compatibility_flags"], *staging.DEVELOPMENT_FLAGS, LOADS_SNAPSHOT)
        ],
        "bindings": [variable(name, value) for name, value in variables.items()],
    }


def local_bindings() -> list[Struct]:
    """The local stack's entry module for dispatch, with the bench's bindings in the place of its own."""
    return [
        {"name": "local_dispatch.py", "pythonModule": Embed("workerd/local_dispatch.py")},
        {"name": "python_modules/workers/local_namespace.js", "esModule": Embed("workers/bindings.js")},
    ]


def product_modules(product: Worker) -> list[Struct]:
    paths = sorted(path.relative_to(product.modules) for path in staging.source_files(product))
    return [
        {"name": str(path), "pythonModule": Embed(f"{product.name}/{path}")}
        for path in paths
        if path.suffix == ".py"
    ]


def dependencies(product: Worker) -> list[Struct]:
    files = sorted(path for path in product.dependencies.rglob("*") if path.is_file())
    paths = [path.relative_to(product.dependencies) for path in files if path.suffix not in (".js", ".pyc")]
    return [
        {"name": f"python_modules/{path}", "data": Embed(f"{product.name}_modules/{path}")} for path in paths
    ]


def variable(name: str, value: str | int) -> Struct:
    if isinstance(value, str):
        return {"name": name, "text": value}
    return {"name": name, "json": json.dumps(value)}


def service(name: str, target: str, entrypoint: str | None = None) -> Struct:
    designator = {"name": target} | ({"entrypoint": entrypoint} if entrypoint else {})
    return {"name": name, "service": designator}


def objects(name: str, target: str) -> Struct:
    """A binding to the billing objects of another Worker."""
    return {"name": name, "durableObjectNamespace": {"className": OBJECT_CLASS, "serviceName": target}}


def own_objects(storage: str) -> Struct:
    """SQLite-backed objects, kept by a disk service."""
    return {
        "durableObjectNamespaces": [{"className": OBJECT_CLASS, "uniqueKey": storage, "enableSql": True}],
        "durableObjectStorage": {"localDisk": storage},
    }


def disk(folder: Path) -> Struct:
    folder.mkdir()
    return {"name": folder.name, "disk": {"path": str(folder), "writable": True}}


def capnp_text(value: Any) -> str:
    match value:
        case Embed(path):
            return f"embed {json.dumps(path)}"
        case dict():
            return f"({', '.join(f'{name} = {capnp_text(item)}' for name, item in value.items())})"
        case list():
            return f"[{', '.join(map(capnp_text, value))}]"
        case bool():
            return str(value).lower()
        case _:
            return json.dumps(value, ensure_ascii=False)
