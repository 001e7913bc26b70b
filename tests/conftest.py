from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from local.staging import ROOT

# How fast the machine is is nothing that a test says.
settings.register_profile("plain", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("plain"), max_examples=2_000)
settings.load_profile("plain")
# So that all processes end at about the same time.
SLOWEST_FIRST = ("system", "deploy", "differential", "pipeline", "cli", "local")
# Every wrangler that a test runs would compile its 10 MB anew.
os.environ["NODE_COMPILE_CACHE"] = str(ROOT / ".local" / "node-cache")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run only what soaks, at full length: `make soak`")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: short in `make test`, long in `make soak`")
    if config.getoption("--soak"):
        settings.load_profile("soak")


@pytest.hookimpl(trylast=True)  # Hypothesis marks its tests first.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--soak"):
        config.hook.pytest_deselected(items=[item for item in items if not soaks(item)])
        items[:] = [item for item in items if soaks(item)]

    items.sort(key=place_of)


def place_of(item: pytest.Item) -> int:
    folder = item.path.relative_to(ROOT / "tests").parts[0]
    return SLOWEST_FIRST.index(folder) if folder in SLOWEST_FIRST else len(SLOWEST_FIRST)


def soaks(item: pytest.Item) -> bool:
    return any(mark.name in ("soak", "hypothesis") for mark in item.iter_markers())


@pytest.fixture(scope="session")
def is_soak(request: pytest.FixtureRequest) -> bool:
    """Whether this is `make soak`: a test that is marked so takes its time."""
    return bool(request.config.getoption("--soak"))


@pytest.fixture
def project(tmp_path: Path):
    """Write a Worker project: `project({"wrangler.toml": ..., "index.js": ...})`."""

    def write(files: dict[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return write
