"""Promise 5: when billing can't answer, nothing is served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.running import RunningStack

APP = "hello"  # the example that the first run deploys


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a run in which the example was deployed."""
    folder = tmp_path_factory.mktemp("state")
    RunningStack(folder).start().stop()
    return folder


@pytest.fixture
def restarted(state: Path, request: pytest.FixtureRequest) -> Iterator[RunningStack]:
    running = RunningStack(state, settings=request.param)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.mark.parametrize("restarted", [{"INCLUDED_REQUESTS": "-1"}], indirect=True)
def test_nothing_is_served_while_billing_fails(restarted: RunningStack):
    for _ in range(3):
        response = restarted.get(APP, headers={"accept": "application/json"})
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        assert "INCLUDED_REQUESTS" not in response.text
    assert '"event": "billing_failed"' in restarted.said
    assert restarted.request("localhost", path=f"/apps/{APP}/402").status_code == 503
