"""The committed configs are what an operator deploys."""

from __future__ import annotations

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
def test_deploy_dry_run_succeeds(stack: RunningStack, tmp_path, config: str, bindings: list[str]):
    done = stack.wrangler("deploy", "--dry-run", "--config", config, "--outdir", str(tmp_path), cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    for binding in bindings:
        assert binding in done.stdout
    assert (tmp_path / "entry.py").exists()
    assert (tmp_path / "python_modules" / "workers" / "__init__.py").exists()
