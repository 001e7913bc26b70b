"""The committed configs are what an operator deploys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.running import ROOT, RunningStack


@pytest.mark.parametrize(
    ("config", "bindings"),
    [
        (
            "wrangler.toml",
            ["env.DISPATCHER (testing)", "env.BILLING (BillingDurableObject", "env.UNKNOWN_APPS"],
        ),
        ("billing/wrangler.toml", ["env.BILLING (BillingDurableObject)"]),
        ("dashboard/wrangler.toml", ["env.DB (codius)", "env.BILLING (BillingDurableObject"]),
    ],
)
def test_deploy_dry_run_succeeds(tmp_path: Path, config: str, bindings: list[str]):
    # Nothing is asked of a stack.
    wrangler, out = RunningStack(tmp_path / "state").wrangler, tmp_path / "out"
    done = wrangler("deploy", "--dry-run", "--config", config, "--outdir", str(out), cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    for binding in bindings:
        assert binding in done.stdout
    assert (out / "entry.py").exists()
    assert (out / "python_modules" / "workers" / "__init__.py").exists()
