"""The workflow files: what actionlint says of them, and that no input is pasted into a script."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import yaml

from local.staging import NODE_BIN, ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = Path(__file__).with_name("actionlint.mjs")
# The registries' newest actionlint is older than these.
NEWER = re.compile(
    r'label "ubuntu-24\.04" is unknown|unknown permission scope "attestations"|undefined variable "vars"'
)


def test_actionlint_finds_nothing() -> None:
    done = subprocess.run(
        [NODE_BIN / "node", ACTIONLINT, *WORKFLOWS], capture_output=True, text=True, check=True, timeout=60
    )
    found = [f"{item['file']}:{item['line']}: {item['message']}" for item in json.loads(done.stdout)]
    assert [message for message in found if not NEWER.search(message)] == []


def test_scripts_have_no_expressions_and_actions_are_pinned_by_commit() -> None:
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            assert "permissions" in job
            for step in job["steps"]:
                assert "${{" not in step.get("run", "")
                uses = step.get("uses", "./")
                assert uses.startswith("./") or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", uses), uses
