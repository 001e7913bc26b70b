"""`codius verify --rebuild`: the workflow's own commit builds the app's commit anew."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from codius import rebuild
from codius.errors import UncheckableError
from codius.main import main
from local.staging import NODE_BIN
from pipeline.inputs import Source
from tests.cli.conftest import MODULES, SOURCE, Internet, Signer, statement_of

# A pipeline without wrangler: an app's files are its modules, as they are, and `build.sh` is its build.
PIPELINE = """
import hashlib, json, os, pathlib, shutil, subprocess, sys

checkout, artifact = map(pathlib.Path, sys.argv[1:])
folder = checkout / os.environ["DIRECTORY"]
head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
assert head.stdout.strip() == os.environ["COMMIT"]
assert os.environ["REF"] == "main"
assert pathlib.Path(sys.executable).parent.name == "bin"
assert os.environ["PATH"].split(os.pathsep)[:2] == [
    str(pathlib.Path(sys.executable).parent), str(pathlib.Path.cwd() / "node_modules" / ".bin")
]
if (folder / "build.sh").exists():
    subprocess.run(["sh", "build.sh"], cwd=folder, check=True)
shutil.copytree(folder, artifact / "modules", ignore=shutil.ignore_patterns("build.sh", "flags"))
types = {".js": "application/javascript+module", ".txt": "text/plain"}
modules = sorted((artifact / "modules").iterdir())
manifest = {
    "version": 2,
    "appId": os.environ["APP_ID"],
    "source": {
        "repository": os.environ["REPOSITORY"],
        "commit": os.environ["COMMIT"],
        "directory": os.environ["DIRECTORY"],
    },
    "main": "index.js",
    "compatibilityDate": "2026-11-01",
    "compatibilityFlags": (folder / "flags").read_text().split() if (folder / "flags").exists() else [],
    "vars": {"A": "1"},
    "leftOut": [],
    "modules": [
        {
            "name": path.name,
            "type": types[path.suffix],
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in modules
    ],
}
encoded = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
(artifact / "manifest.json").write_text(encoded)
"""
TOOLS = {
    "pipeline/__init__.py": "",
    "pipeline/build.py": PIPELINE,
    "package.json": "{}",
    "locks/pipeline.txt": "",
}
APP = {f"worker/{name}": content.decode() for name, content in MODULES.items()}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=alice", "-c", "user.email=alice@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@dataclass(frozen=True)
class Repositories:
    """Git repositories below a folder, which git takes for those of https://github.example."""

    folder: Path

    def commit(self, name: str, files: dict[str, str]) -> str:
        """Make the files the content of a repository; return the commit."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "--quiet", "--initial-branch=main")
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--allow-empty", "--message", "files")
        return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repositories]:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/repositories/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.example/")
    monkeypatch.setenv("PATH", f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}")
    return Repositories(tmp_path / "repositories")


def publish(internet: Internet, signer: Signer, source: Source, workflow_commit: str) -> None:
    """The workflow at this commit signed this source."""
    internet.publish_document(source)
    claims = dict.fromkeys(("job_workflow_sha", "workflow_sha", "sha"), workflow_commit)
    internet.publish(signer.sign(statement_of(source), claims=claims))


def verify(
    internet: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any], str]:
    """Run the command; return its status, the check `rebuild`, and what it warned of."""
    options = ("--rebuild", "--signer-repo", "operator/platform", "--trusted-root", signer.trusted_root)
    status = main(["verify", internet.app_url, "--json", *options])
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    (check,) = (check for check in report["checks"] if check["name"] == "rebuild")
    assert report["checks"][-1] is check
    return status, check, captured.err


def test_the_same_commit_gives_the_same_bytes(
    internet: Internet,
    signer: Signer,
    repositories: Repositories,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tools = repositories.commit("operator/platform", TOOLS)
    # What came later, in either repository, isn't what was built, or built with.
    repositories.commit("operator/platform", {"pipeline/build.py": "raise SystemExit(1)"})
    commit = repositories.commit("alice/hello", APP)
    repositories.commit("alice/hello", {"worker/index.js": "other"})
    # Those of a git hook that calls it: git must not work in that repository instead.
    monkeypatch.setenv("GIT_DIR", "/no/such/repository")
    monkeypatch.setenv("PYTHONPATH", "/no/such/folder")
    publish(internet, signer, replace(SOURCE, commit=commit), tools)
    status, check, warning = verify(internet, signer, capsys)
    assert (status, check["status"]) == (0, "ok"), check
    assert tools in check["detail"]
    assert warning == (
        "Warning: code of https://github.example/operator/platform and of https://github.example/alice/hello"
        " runs on this machine now.\n"
    )


OTHERS = [
    (
        {"worker/index.js": "other", "worker/more.js": "more", "worker/build.sh": "rm text.txt"},
        "modules differ: index.js, more.js, text.txt",
    ),
    ({"worker/flags": "nodejs_compat"}, "manifest.json (the settings) differs"),
]


@pytest.mark.parametrize(("files", "word"), OTHERS)
def test_other_bytes_are_named(
    internet: Internet,
    signer: Signer,
    repositories: Repositories,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    word: str,
) -> None:
    tools = repositories.commit("operator/platform", TOOLS)
    # The workflow says that it built what its manifest has of this commit. It isn't so.
    commit = repositories.commit("alice/hello", APP | files)
    publish(internet, signer, replace(SOURCE, commit=commit), tools)
    status, check, _ = verify(internet, signer, capsys)
    assert (status, check["status"]) == (1, "failed"), check
    assert word in check["detail"]


@pytest.mark.parametrize(
    ("build", "word"),
    [
        ("raise SystemExit('The build\\x1b[2J broke.')", "pipeline.build failed: The build\x1b[2J broke."),
        ("", "the build left no artifact that can be read"),
    ],
)
def test_what_can_not_be_built_is_not_called_wrong(
    internet: Internet,
    signer: Signer,
    repositories: Repositories,
    capsys: pytest.CaptureFixture[str],
    build: str,
    word: str,
) -> None:
    tools = repositories.commit("operator/platform", TOOLS | {"pipeline/build.py": build})
    commit = repositories.commit("alice/hello", APP)
    publish(internet, signer, replace(SOURCE, commit=commit), tools)
    status, check, _ = verify(internet, signer, capsys)
    assert (status, check["status"]) == (2, "error"), check
    assert word in check["detail"]


def test_a_commit_that_is_gone_is_named(
    internet: Internet, signer: Signer, repositories: Repositories, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = repositories.commit("operator/platform", TOOLS)
    repositories.commit("alice/hello", APP)
    publish(internet, signer, SOURCE, tools)
    status, check, _ = verify(internet, signer, capsys)
    assert (status, check["status"]) == (2, "error"), check
    assert "git fetch" in check["detail"]


def test_nothing_is_built_that_was_not_signed(
    internet: Internet, signer: Signer, capsys: pytest.CaptureFixture[str]
) -> None:
    internet.publish(signer.sign(claims={"iss": "https://accounts.example.com"}))
    status, check, warning = verify(internet, signer, capsys)
    assert (status, check["status"], warning) == (1, "unchecked", "")


@pytest.mark.parametrize("version", ["", "v23.9.0", "v²4.0.0", "none"])
def test_an_old_node_is_refused(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho '{version}'\n")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UncheckableError, match=r"Node\.js 24 is needed"):
        rebuild.require_node(tmp_path)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(UncheckableError, match="no-such-program could not be run"):
        rebuild.run("no-such-program", folder=tmp_path)


@pytest.mark.parametrize("after", ["exit 0", "sleep 60"])
def test_what_a_build_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """A program in the background would hold the output open, for as long as it likes."""
    monkeypatch.setattr(rebuild, "TIMEOUT_SECONDS", 2 if after != "exit 0" else 60)
    for name in ("held", "started"):
        os.mkfifo(tmp_path / name)
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    script = f"(echo alive; echo > started; sleep 60; echo late) > held & read word < started; {after}"
    if after == "exit 0":
        assert rebuild.run("sh", "-c", script, folder=tmp_path) == ""
    else:
        with pytest.raises(UncheckableError, match="took more than 2 seconds"):
            rebuild.run("sh", "-c", script, folder=tmp_path)
    os.set_blocking(held, True)
    with os.fdopen(held) as file:
        assert file.read() == "alive\n"  # to its end, which comes when nothing holds it any more


def test_what_left_the_build_s_session_ends_with_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    held = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    daemon = "env -i setsid sh -c '(sleep 60; echo late) & sleep 60; echo late' > held 2> held &"
    rebuild.run("sh", "-c", f"{daemon} exit 0", folder=tmp_path)
    os.set_blocking(held, True)
    with os.fdopen(held) as file:
        assert "late" not in file.read()  # to its end, which comes when nothing holds it any more


def test_of_what_a_build_prints_the_end_is_kept(tmp_path: Path) -> None:
    lines = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done"
    output = rebuild.run("sh", "-c", lines, folder=tmp_path)
    assert output.endswith("19998\n19999\n")
    assert len(output) == rebuild.MAX_OUTPUT_BYTES
    with pytest.raises(UncheckableError, match="failed: x / y / z"):
        rebuild.run("sh", "-c", f"{lines}; printf 'x\\ny\\nz'; exit 1", folder=tmp_path)


def test_a_build_of_an_unknown_signer_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["verify", "https://app.example", "--rebuild"])
    assert stopped.value.code == 2
    assert "--signer-repo must name it" in capsys.readouterr().err


def test_programs_see_none_of_the_visitor_s_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    output = rebuild.run("env", folder=tmp_path)
    assert "PATH=" in output
    assert "hush" not in output
    assert "PYTHONPATH" not in output
