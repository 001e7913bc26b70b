from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from local.staging import ROOT

# How fast the machine is is nothing that a test says.
settings.register_profile("plain", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("plain"), max_examples=2_000)
settings.load_profile("plain")
# So that all processes end at about the same time.
SLOWEST_FIRST = ("system", "deploy", "differential", "pipeline", "cli", "local")
# Whose tests share one running stack: one process runs them, while others are busy with the rest.
SHARING = ("attestation", "dispatch_namespace", "journeys", "pages", "requests", "site_journeys", "top_ups")
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


def place_of(item: pytest.Item) -> tuple[int, bool]:
    folder = item.path.relative_to(ROOT / "tests").parts[0]
    place = SLOWEST_FIRST.index(folder) if folder in SLOWEST_FIRST else len(SLOWEST_FIRST)
    return place, not shares_the_stack(item.path)


def shares_the_stack(path: Path) -> bool:
    return path.parent.name == "system" and path.stem.removeprefix("test_") in SHARING


class Scheduling(LoadFileScheduling):
    """Each file is one process's, and all that share a stack are the same one's."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "the shared stack" if shares_the_stack(Path(file)) else file


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are processors, as the one with the shared stack mostly waits."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


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
