"""The Workers that `make bench` starts cold are those of the product, and answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.starts import measure


def test_each_worker_answers_after_a_cold_start(tmp_path: Path) -> None:
    starts = asyncio.run(measure(tmp_path, rounds=1))
    assert all(seconds > 0 for [seconds] in (starts.empty, starts.dashboard, starts.dispatch))
