"""The dashboard's folders import each other one way: docs/architecture.md has the picture."""

from __future__ import annotations

import ast
from pathlib import Path

from local.staging import ROOT

DASHBOARD = ROOT / "dashboard"
# Each may import those in lines before its own; `upkeep` is a module beside `entry`.
LAYERS = (
    {"model"},
    {"clients", "store"},
    {"hosting", "payments"},
    {"attestation"},
    {"upkeep"},
    {"web"},
    {"entry"},
)
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}


# What wrangler uploads of a Worker's folder ("Bundling" of its docs): other files are not there.
UPLOADED = {".py", ".html", ".txt", ".sql", ".bin"}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name.partition(".")[0] for name in found}


def test_imports_go_one_way() -> None:
    seen, wrong = set(), []
    for path in sorted(DASHBOARD.rglob("*.py")):
        layer = path.relative_to(DASHBOARD).parts[0].removesuffix(".py")
        if layer == "python_modules":
            continue
        seen.add(layer)
        others = (imports(path) & LEVELS.keys()) - {layer}
        wrong += [f"{path.relative_to(ROOT)}: {name}" for name in others if LEVELS[name] >= LEVELS[layer]]
    assert seen == LEVELS.keys()
    assert wrong == []


def test_every_file_that_the_worker_reads_is_uploaded() -> None:
    folders = ("templates", "docs")
    found = [path for folder in folders for path in (DASHBOARD / folder).rglob("*") if path.is_file()]
    assert found
    assert [path.name for path in found if path.suffix not in UPLOADED] == []
