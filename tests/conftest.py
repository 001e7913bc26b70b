from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.system.repositories import write_repositories
from tests.system.running import RunningStack

# How fast the machine is is nothing that a test says.
settings.register_profile("plain", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plain")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One running local stack for all tests that only talk to it, each with apps of its own.

    Its GitHub has some more repositories. Each process that runs tests has one of its own.
    """
    settings = {
        "REPOSITORIES": write_repositories(tmp_path_factory.mktemp("repositories")),
        "DEPLOYS_PER_HOUR": "1000",  # the same few users deploy in all tests
        "DEPLOYS_PER_DAY": "1000",
    }
    running = RunningStack(tmp_path_factory.mktemp("state"), settings=settings)
    try:
        yield running.start()
    finally:
        running.stop()


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
