from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.running import RunningStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One running local stack for all tests that only talk to it."""
    running = RunningStack(tmp_path_factory.mktemp("state"))
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
