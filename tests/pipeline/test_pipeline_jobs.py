"""The two jobs as the workflow runs them, with real git, npm, uv and wrangler."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from local.staging import ROOT
from pipeline.artifact import Artifact
from tests.pipeline.conftest import Cloudflare
from tests.pipeline.support import commit_all, copy_examples

Project = Callable[[dict[str, str | bytes]], Path]
CONFIG = 'main = "index.js"\ncompatibility_date = "2026-11-01"\n'
WORKER = "export default { fetch() { return new Response('hi') } };"


def run_job(module: str, *arguments: str | Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", f"pipeline.{module}", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "OPERATORS_TOKEN": "hush", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )


class Build:
    """Builds of a repository whose checkout is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder
        self.artifact = folder.parent / "artifact"

    def run(self, directory: str = "", commit: str | None = None) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(self.artifact, ignore_errors=True)
        env = {
            "APP_ID": "abc",
            "REPOSITORY": "alice/apps",
            "COMMIT": commit or commit_all(self.checkout),
            "REF": "main",
            "DIRECTORY": directory,
        }
        return run_job("build", self.checkout, self.artifact, env=env)

    def succeed(self, directory: str = "") -> Artifact:
        done = self.run(directory)
        assert done.returncode == 0, done.stdout
        return Artifact.read(self.artifact)

    def fail(self, directory: str = "", commit: str | None = None) -> str:
        """Run a build that fails; return the one line that says why."""
        done = self.run(directory, commit)
        assert done.returncode == 1, done.stdout
        assert not self.artifact.exists()
        errors = [line for line in done.stdout.splitlines() if line.startswith("::error::")]
        assert len(errors) == 1, done.stdout
        return errors[0].removeprefix("::error::")


@pytest.fixture
def build(tmp_path: Path) -> Build:
    (tmp_path / "checkout").mkdir()
    return Build(tmp_path / "checkout")


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


@pytest.fixture
def examples(build: Build) -> Build:
    copy_examples(build.checkout)
    return build


# Building.


def test_a_javascript_worker_is_built(examples: Build) -> None:
    artifact = examples.succeed("examples/hello")
    assert list(artifact.modules) == ["index.js"]
    assert artifact.variables == {"GREETING": "Hello"}
    assert artifact.compatibility_date == "2026-11-01"


def test_a_typescript_worker_is_bundled(examples: Build) -> None:
    artifact = examples.succeed("examples/palette")
    assert b"FNV" not in artifact.modules["index.js"]
    assert b"function palette(word, count)" in artifact.modules["index.js"]
    (page,) = (name for name in artifact.modules if name.endswith("-page.html"))
    assert artifact.types == {"index.js": "ESModule", page: "Text"}


def test_a_python_worker_is_built_with_its_packages(examples: Build) -> None:
    artifact = examples.succeed("examples/hello-python")
    assert artifact.main == "entry.py"
    assert artifact.compatibility_flags == ("python_workers",)
    assert "python_modules/workers/__init__.py" in artifact.modules
    assert artifact.types == {}


def test_two_builds_of_a_commit_are_the_same(examples: Build) -> None:
    assert examples.succeed("examples/palette") == examples.succeed("examples/palette")


def test_what_is_left_out_is_printed(build: Build) -> None:
    write(
        build.checkout,
        {
            "wrangler.toml": CONFIG
            + 'routes = ["example.com/*"]\n[vars]\nA = "x"\n[[kv_namespaces]]\nbinding = "KV"\nid = "x"\n',
            "index.js": WORKER,
        },
    )
    done = build.run()
    assert done.returncode == 0, done.stdout
    lines = [line.split(" (")[0] for line in done.stdout.splitlines() if line.startswith("Left out")]
    assert lines == ["Left out: kv_namespaces", "Left out: routes"]
    assert Artifact.read(build.artifact).variables == {"A": "x"}


def test_modules_that_are_not_bundled_keep_their_names_and_types(build: Build) -> None:
    write(
        build.checkout,
        {
            "wrangler.json": json.dumps(
                {
                    "main": "src/index.mjs",
                    "compatibility_date": "2026-11-01",
                    "no_bundle": True,
                    "find_additional_modules": True,
                    "rules": [{"type": "ESModule", "globs": ["**/*.js", "**/*.mjs"]}],
                }
            ),
            "src/index.mjs": 'import a from "./lib/[a].js"; export default { fetch() { return a() } };',
            "src/lib/[a].js": "export default () => new Response('a');",
            "src/lib/data.bin": "\0",
            "src/lib/.note.txt": "hidden",
        },
    )
    artifact = build.succeed()
    assert artifact.main == "index.mjs"
    assert artifact.types == {
        "index.mjs": "ESModule",
        "lib/[a].js": "ESModule",
        "lib/data.bin": "Data",
        "lib/.note.txt": "Text",
    }


def test_packages_are_installed_and_bundled(build: Build) -> None:
    write(
        build.checkout,
        {
            "wrangler.toml": CONFIG,
            "index.js": 'import text from "local-text"; export default { fetch: () => new Response(text) };',
            "package.json": '{"dependencies": {"local-text": "file:./text"}}',
            "text/package.json": '{"name": "local-text", "version": "1.0.0", "main": "text.js"}',
            "text/text.js": "export default 'from a package';",
        },
    )
    assert b"from a package" in build.succeed().modules["index.js"]


def test_what_an_app_runs_sees_no_token_and_an_empty_home(build: Build) -> None:
    write(
        build.checkout,
        {
            "wrangler.toml": CONFIG + '[build]\ncommand = "sh build.sh"\n',
            "build.sh": 'env; echo "home: $(ls -A "$HOME" | grep -v -e wrangler -e config)"\n'
            f'echo "{WORKER}" > index.js\n',
        },
    )
    done = build.run()
    assert done.returncode == 0, done.stdout
    assert "CI=true" in done.stdout
    assert "home: \n" in done.stdout
    assert "hush" not in done.stdout
    assert "APP_ID" not in done.stdout


def test_what_an_app_prints_is_no_workflow_command(build: Build) -> None:
    write(
        build.checkout,
        {
            "wrangler.toml": CONFIG + '[build]\ncommand = "echo ::error::not an error"\n',
            "index.js": WORKER,
        },
    )
    done = build.run()
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("::stop-commands::"))
    word = lines[start].removeprefix("::stop-commands::")
    assert len(word) >= 32
    end = lines.index(f"::{word}::")
    assert any("::error::not an error" in line for line in lines[start:end])
    assert not any("::error::" in line for line in [*lines[:start], *lines[end:]])


@pytest.mark.parametrize(
    ("files", "directory", "message"),
    [
        ({}, "", "No wrangler.toml, wrangler.json or wrangler.jsonc in the repository's root."),
        ({"x/a": ""}, "x", "No wrangler.toml, wrangler.json or wrangler.jsonc in x."),
        ({}, "absent", "There is no directory absent in alice/apps."),
        ({}, "../x", "DIRECTORY is '../x', which is not a directory in a repository."),
        ({"wrangler.toml": "name = 'x'"}, "", "wrangler.toml has no main: "),
        ({"wrangler.toml": CONFIG}, "", "wrangler could not bundle the Worker; "),
        ({"wrangler.toml": CONFIG, "index.js": "export default {"}, "", "wrangler could not bundle"),
        (
            {"wrangler.toml": CONFIG, "index.js": "addEventListener('fetch', () => {});"},
            "",
            "The Worker has the service worker format.",
        ),
        (
            {"wrangler.toml": CONFIG, "index.js": WORKER, "package.json": "{", "package-lock.json": "{}"},
            "",
            "The packages of package-lock.json could not be installed by npm ci.",
        ),
        ({"wrangler.toml": 'main = "a.py"', "a.py": ""}, "", "wrangler.toml lacks the compatibility flag"),
    ],
)
def test_a_failed_build_says_why_in_one_line(
    build: Build, files: dict[str, str], directory: str, message: str
) -> None:
    write(build.checkout, files)
    assert build.fail(directory).startswith(message)


def test_a_checkout_of_another_commit_is_refused(build: Build) -> None:
    commit = commit_all(build.checkout)
    assert build.fail(commit="0" * 40) == f"The checkout is at {commit}, not at {'0' * 40}."


# Deploying.


def credentials(api: Cloudflare) -> dict[str, str]:
    return {
        "APP_ID": "abc",
        "DISPATCH_NAMESPACE": "testing",
        "CLOUDFLARE_API_TOKEN": "token-of-the-operator",
        "CLOUDFLARE_ACCOUNT_ID": "local",
        "CLOUDFLARE_API_BASE_URL": api.url,
    }


@pytest.mark.parametrize("directory", ["examples/hello", "examples/palette", "examples/hello-python"])
def test_what_is_deployed_is_exactly_what_was_built(
    examples: Build, cloudflare: Cloudflare, directory: str
) -> None:
    artifact = examples.succeed(directory)
    done = run_job("upload", examples.artifact, env=credentials(cloudflare))
    assert done.returncode == 0, done.stdout
    assert "token-of-the-operator" not in done.stdout
    script = cloudflare.store.get("testing", "abc")
    assert script is not None
    modules = {module["name"]: base64.b64decode(module["content"]) for module in script["modules"]}
    assert modules == artifact.modules
    assert script["main_module"] == artifact.main
    assert script["compatibility_date"] == artifact.compatibility_date
    assert tuple(script["compatibility_flags"]) == artifact.compatibility_flags
    assert {binding["name"]: binding["text"] for binding in script["bindings"]} == artifact.variables


def test_modules_of_every_type_are_deployed_with_their_types(cloudflare: Cloudflare, tmp_path: Path) -> None:
    wasm = b"\0asm\x01\0\0\0"
    modules = {
        "index.js": WORKER.encode(),
        "lib/[a].mjs": b"export default 1;",
        "lib/b.cjs": b"module.exports = 1;",
        "lib/c d.html": b"<p>",
        "lib/.e.txt": b"e",
        "lib/f.txt": b"not text",
        "lib/g.wasm": wasm,
        "h": b"\0",
        "package.json": b"{}",
    }
    kinds = ["ESModule", "ESModule", "CommonJS", "Text", "Text", "Data", "CompiledWasm", "Data", "Text"]
    types = dict(zip(modules, kinds, strict=True))
    variables = {"A": "x", "B": {"n": [1]}, "C": 3}
    Artifact("index.js", "2026-11-01", (), variables, modules, types).write(tmp_path / "artifact")
    done = run_job("upload", tmp_path / "artifact", env=credentials(cloudflare))
    assert done.returncode == 0, done.stdout
    script = cloudflare.store.get("testing", "abc")
    assert script is not None
    found = {
        module["name"]: (base64.b64decode(module["content"]), module["type"]) for module in script["modules"]
    }
    content_types = {
        "ESModule": "application/javascript+module",
        "CommonJS": "application/javascript",
        "Text": "text/plain",
        "Data": "application/octet-stream",
        "CompiledWasm": "application/wasm",
    }
    assert found == {name: (content, content_types[types[name]]) for name, content in modules.items()}
    assert {
        binding["name"]: binding.get("text", binding.get("json")) for binding in script["bindings"]
    } == variables


@pytest.mark.parametrize("name", ["APP_ID", "DISPATCH_NAMESPACE", "CLOUDFLARE_API_TOKEN"])
def test_a_missing_setting_of_the_deployment_is_named(
    cloudflare: Cloudflare, tmp_path: Path, name: str
) -> None:
    done = run_job("upload", tmp_path, env={**credentials(cloudflare), name: ""})
    assert (done.returncode, done.stdout) == (1, f"::error::{name} is missing.\n")


def test_a_refused_upload_fails_the_job(examples: Build, cloudflare: Cloudflare) -> None:
    examples.succeed("examples/hello")
    env = {**credentials(cloudflare), "CLOUDFLARE_API_BASE_URL": cloudflare.url + "/wrong"}
    done = run_job("upload", examples.artifact, env=env)
    assert done.returncode == 1
    assert "::error::wrangler could not deploy the Worker; its message is above.\n" in done.stdout
    assert cloudflare.store.list("testing") == []
