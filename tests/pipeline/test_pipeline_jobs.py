"""The jobs as the workflow runs them, with real git, npm, uv and wrangler."""

import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import rfc8785

from local.cloudflare.namespace_store import Script
from local.staging import ROOT
from pipeline.artifact import Artifact
from pipeline.deploy import short_rules
from pipeline.errors import PipelineError
from pipeline.inputs import Source
from pipeline.manifest import Manifest
from tests.pipeline.conftest import Cloudflare
from tests.pipeline.support import (
    ERROR,
    Build,
    commit_all,
    copy_examples,
    inputs,
    is_running,
    run_job,
    start_job,
    write,
)
from tests.system.running import soon

Project = Callable[[dict[str, str | bytes]], Path]
CONFIG = 'main = "index.js"\ncompatibility_date = "2026-11-01"\n'
WORKER = "export default { fetch() { return new Response('hi') } };"


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


def test_a_python_worker_gets_what_its_lock_says(build: Build) -> None:
    project = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'
    project += 'dependencies = ["idna>=3.4"]\n'
    flags = 'compatibility_flags = ["python_workers"]\n'
    worker = "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint): pass\n"
    config = 'main = "entry.py"\ncompatibility_date = "2026-11-01"\n' + flags
    write(build.checkout, {"wrangler.toml": config, "entry.py": worker, "pyproject.toml": project})
    lock = [ROOT / ".venv" / "bin" / "uv", "lock", "--quiet", "--resolution", "lowest-direct"]
    env = {**os.environ, "UV_PYTHON": sys.executable}
    subprocess.run(lock, cwd=build.checkout, env=env, check=True, timeout=60)
    modules = build.succeed().modules
    assert b"'3.4'" in modules["python_modules/idna/package_data.py"]
    assert "python_modules/workers/__init__.py" in modules


def test_two_builds_of_a_commit_are_the_same(examples: Build) -> None:
    assert examples.succeed("examples/palette") == examples.succeed("examples/palette")


def test_what_is_left_out_is_printed_and_signed(build: Build) -> None:
    config = {
        "main": "index.js",
        "compatibility_date": "2026-11-01",
        "routes": ["example.com/*"],
        "vars": {"A": "x"},
        "kv_namespaces": [{"binding": "KV"}],
        "durable_objects": {"bindings": [{"name": "COUNTER", "class_name": "Counter"}]},
        "observability": {"enabled": True},
    }
    write(
        build.checkout,
        {"wrangler.json": json.dumps(config), "index.js": f"{WORKER} export class Counter {{}}"},
    )
    done = build.run()
    assert done.returncode == 0, done.stdout
    lines = [line.split(", as")[0] for line in done.stdout.splitlines() if line.startswith("Left out")]
    named = [("COUNTER", "Durable Object"), ("KV", "KV Namespace"), ("example.com/*", "Route")]
    assert lines == [f"Left out: {name} ({kind})" for name, kind in named]
    assert Artifact.read(build.artifact).variables == {"A": "x"}
    manifest = json.loads((build.artifact / "manifest.json").read_text())
    assert manifest["leftOut"] == [{"name": name, "kind": kind} for name, kind in named]


def test_a_build_that_is_ended_ends_what_it_started(build: Build) -> None:
    slow = '[build]\ncommand = "echo of process $$; sleep 600"\n'
    write(build.checkout, {"wrangler.toml": CONFIG + slow, "index.js": WORKER})
    env = inputs(commit_all(build.checkout))
    with start_job("build", build.checkout, build.artifact, env=env) as process:
        assert process.stdout is not None
        said = next(found for line in process.stdout if (found := re.search(r"of process (\d+)$", line)))
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert soon(lambda: not is_running(int(said[1])))


def where_commands_count(output: str) -> str:
    """What is printed while workflow commands are not stopped."""
    return re.sub(r"::stop-commands::(\w+)\n.*?::\1::", "", output, flags=re.DOTALL)


def test_a_key_of_the_config_is_no_workflow_command(build: Build) -> None:
    keys = {"x\n::warning::y": 1, "##[warning]z": 1}
    content = {"main": "index.js", "compatibility_date": "2026-11-01", **keys}
    write(build.checkout, {"wrangler.json": json.dumps(content), "index.js": WORKER})
    done = build.run()
    assert done.returncode == 0, done.stdout
    assert "Left out: 'x\\n::warning::y' (Setting), as" in done.stdout
    assert "warning" not in where_commands_count(done.stdout)


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
            "build.sh": 'env; echo "home: $(ls -A "$HOME" | grep -v -e wrangler -e config -e ^.codius$)"\n'
            'echo "found: $(command -v pnpm)"\n'
            f'echo "{WORKER}" > index.js\n',
        },
    )
    done = build.run()
    assert done.returncode == 0, done.stdout
    assert "CI=true" in done.stdout
    assert "home: \n" in done.stdout
    assert re.search("^.*found: /.*/home/.codius/bin/pnpm$", done.stdout, re.MULTILINE)
    for line in ("WORKERS_CI=1", "WORKERS_CI_BRANCH=main", f"WORKERS_CI_COMMIT_SHA={build.inputs['COMMIT']}"):
        assert line in done.stdout
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
    assert "::error::not an error" in done.stdout
    assert "not an error" not in where_commands_count(done.stdout)
    words = re.findall(r"::stop-commands::(\w+)\n", done.stdout)
    assert len(set(words)) == len(words)
    assert min(map(len, words)) >= 32


@pytest.mark.parametrize(
    ("files", "directory", "message"),
    [
        ({}, "", "No wrangler.toml, wrangler.json or wrangler.jsonc in the repository's root."),
        ({"x/a": ""}, "x", "No wrangler.toml, wrangler.json or wrangler.jsonc in x."),
        ({}, "absent", "There is no directory absent in alice/apps."),
        ({}, "../x", "DIRECTORY is '../x', which is not a directory in a repository."),
        ({"wrangler.toml": "name = 'x'"}, "", "wrangler.toml has no main: "),
        ({"wrangler.toml": CONFIG}, "", "index.js, the main of wrangler.toml, isn't there: "),
        (
            {"wrangler.toml": CONFIG, "index.js": "export default {"},
            "",
            "wrangler could not bundle the Worker: Expected identifier but found end of file",
        ),
        (
            {"wrangler.toml": 'main = "index.js"', "index.js": WORKER},
            "",
            "wrangler could not bundle the Worker: A compatibility_date is required",
        ),
        (
            {"wrangler.toml": CONFIG, "index.js": "addEventListener('fetch', () => {});"},
            "",
            "The Worker has the service worker format.",
        ),
        (
            {"wrangler.toml": CONFIG, "index.js": WORKER, "package.json": "{", "package-lock.json": "{}"},
            "",
            "package.json can't be read: ",
        ),
        (
            {"wrangler.toml": 'main = "a.py"', "a.py": ""},
            "",
            "wrangler.toml can't be read: The `python_workers` compatibility flag is required",
        ),
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


# Attesting.


def signed(build: Build) -> dict[str, str]:
    """The inputs of the job that deploys what was built."""
    content = (build.artifact / "manifest.json").read_bytes()
    return {**build.inputs, "MANIFEST_SHA256": hashlib.sha256(content).hexdigest()}


def hand_on(artifact: Artifact, folder: Path) -> dict[str, str]:
    """Write an artifact as the job `build` does; return the inputs of the job that deploys it."""
    manifest = Manifest.of(Source.read(inputs()), artifact)
    artifact.write(folder)
    (folder / "manifest.json").write_bytes(manifest.encoded)
    return {**inputs(), "MANIFEST_SHA256": manifest.sha256}


RUN = {
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "operator/platform",
    "GITHUB_WORKFLOW_REF": "operator/platform/.github/workflows/deploy-worker.yml@refs/heads/main",
    "GITHUB_SHA": "d" * 40,
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_EVENT_NAME": "workflow_dispatch",
    "APPS_DOMAIN": "apps.example",
    "CLOUDFLARE_ACCOUNT_ID": "0a" * 16,
}


def attest(artifact: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    outputs = artifact.parent / "outputs"
    outputs.unlink(missing_ok=True)
    statement = artifact.parent / "statement"
    return run_job("attest", artifact, statement, env={**env, **RUN, "GITHUB_OUTPUT": str(outputs)})


def test_what_is_signed_names_the_source_and_every_module(examples: Build) -> None:
    artifact = examples.succeed("examples/palette")
    done = attest(examples.artifact, examples.inputs)
    assert done.returncode == 0, done.stdout
    folder = examples.artifact.parent
    encoded = (examples.artifact / "manifest.json").read_bytes()
    sha256 = hashlib.sha256(encoded).hexdigest()
    assert (folder / "outputs").read_text() == f"manifest={sha256}\n"
    lines = (folder / "statement" / "subjects.sha256").read_text().splitlines()
    assert lines == [f"{sha256}  manifest.json"] + [
        f"{hashlib.sha256(content).hexdigest()}  modules/{name}" for name, content in artifact.modules.items()
    ]
    predicate = json.loads((folder / "statement" / "predicate.json").read_text())
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    commit = examples.inputs["COMMIT"]
    assert definition["resolvedDependencies"][1] == {
        "name": "source",
        "uri": "git+https://github.example/alice/apps",
        "digest": {"gitCommit": commit},
        "annotations": {"directory": "examples/palette"},
    }
    assert definition["externalParameters"]["inputs"]["appId"] == "abc"
    assert definition["externalParameters"]["vars"] == {
        "APPS_DOMAIN": "apps.example",
        "CLOUDFLARE_ACCOUNT_ID": "0a" * 16,
    }
    assert base64.b64decode(details["byproducts"][0]["content"]) == encoded
    assert json.loads(encoded) == {
        "version": 2,
        "appId": "abc",
        "source": {"repository": "alice/apps", "commit": commit, "directory": "examples/palette"},
        "main": artifact.main,
        "compatibilityDate": artifact.compatibility_date,
        "compatibilityFlags": sorted(artifact.compatibility_flags),
        "vars": dict(artifact.variables),
        "leftOut": [],
        "modules": [
            {
                "name": name,
                "type": artifact.media_type(name),
                "sha256": hashlib.sha256(artifact.modules[name]).hexdigest(),
            }
            for name in sorted(artifact.modules)
        ],
    }


def test_an_app_of_very_many_modules_is_signed_by_its_manifest_alone(tmp_path: Path) -> None:
    modules = {"index.js": WORKER.encode()} | {f"{number}.txt": b"x" for number in range(1023)}
    types = dict.fromkeys(modules, "Text") | {"index.js": "ESModule"}
    env = hand_on(Artifact("index.js", "2026-11-01", (), {}, modules, types), tmp_path / "artifact")
    done = attest(tmp_path / "artifact", env)
    assert done.returncode == 0, done.stdout
    lines = (tmp_path / "statement" / "subjects.sha256").read_text().splitlines()
    assert lines == [f"{env['MANIFEST_SHA256']}  manifest.json"]


@pytest.mark.parametrize("domain", ["", "apps.example/x", "Apps.example"])
def test_without_the_apps_domain_nothing_is_signed(tmp_path: Path, domain: str) -> None:
    artifact = Artifact("index.js", "2026-11-01", (), {}, {"index.js": b"1"}, {"index.js": "ESModule"})
    env = hand_on(artifact, tmp_path / "artifact") | RUN | {"APPS_DOMAIN": domain}
    env["GITHUB_OUTPUT"] = str(tmp_path / "outputs")
    done = run_job("attest", tmp_path / "artifact", tmp_path / "statement", env=env)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{ERROR}APPS_DOMAIN ")


def test_a_module_that_could_pass_for_another_app_s_manifest_is_refused() -> None:
    victim = Manifest.of(
        Source.read(inputs()),
        Artifact("index.js", "2026-11-01", (), {}, {"index.js": b"1"}, {"index.js": "ESModule"}),
    )
    modules = {"index.js": b"1", "m.txt": victim.encoded}
    types = {"index.js": "ESModule", "m.txt": "Text"}
    with pytest.raises(PipelineError, match=r"The module m\.txt begins as a manifest does"):
        Manifest.of(Source.read(inputs()), Artifact("index.js", "2026-11-01", (), {}, modules, types))


@pytest.mark.parametrize("value", ["\ud800", {"\udc00": 1}, 2**60])
def test_variables_that_have_no_canonical_form_are_refused(value: object) -> None:
    types = {"index.js": "ESModule"}
    artifact = Artifact("index.js", "2026-11-01", (), {"A": value}, {"index.js": b""}, types)
    with pytest.raises(PipelineError, match=r"^The variables can't be written in the manifest: "):
        Manifest.of(Source.read(inputs()), artifact)


def test_a_manifest_that_is_too_large_is_refused() -> None:
    modules = {f"{number}.txt": b"" for number in range(9_000)} | {"index.js": b"1"}
    types = dict.fromkeys(modules, "Text") | {"index.js": "ESModule"}
    artifact = Artifact("index.js", "2026-11-01", (), {}, modules, types)
    with pytest.raises(
        PipelineError, match=r"has 9,001 modules and static files, too many .* about 7,\d{3} "
    ):
        Manifest.of(Source.read(inputs()), artifact)


def forge_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("c" * 40, "f" * 40))


def add_module(folder: Path) -> None:
    (folder / "modules" / "more.js").write_text("export default 1;")
    config = json.loads((folder / "wrangler.json").read_text())
    next(rule for rule in config["rules"] if rule["type"] == "ESModule")["globs"].append("more.js")
    (folder / "wrangler.json").write_text(json.dumps(config))


def replace_settings(folder: Path) -> None:
    """A module that an upload would take for its settings, described as all others are."""
    content = b'{"main_module": "index.js", "bindings": []}'
    (folder / "modules" / "metadata").write_bytes(content)
    config = json.loads((folder / "wrangler.json").read_text())
    next(rule for rule in config["rules"] if rule["type"] == "Text")["globs"].append("metadata")
    (folder / "wrangler.json").write_text(json.dumps(config))
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    manifest["modules"].append({"name": "metadata", "type": "text/plain", "sha256": digest})
    (folder / "manifest.json").write_bytes(rfc8785.dumps(manifest))


FORGERIES: list[Callable[[Path], object]] = [
    forge_manifest,
    add_module,
    lambda folder: (folder / "modules" / "index.js").write_text("export default 2;"),
    lambda folder: (folder / "manifest.json").unlink(),
    replace_settings,
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_build_is_neither_signed_nor_deployed(
    cloudflare: Cloudflare, tmp_path: Path, forge: Callable[[Path], object]
) -> None:
    modules = {"index.js": WORKER.encode()}
    artifact = Artifact("index.js", "2026-11-01", (), {}, modules, {"index.js": "ESModule"})
    env = hand_on(artifact, tmp_path / "artifact")
    forge(tmp_path / "artifact")
    for done in (
        attest(tmp_path / "artifact", env),
        run_job("deploy", tmp_path / "artifact", env=env | credentials(cloudflare)),
    ):
        assert done.returncode == 1, done.stdout
        refused = (f"{ERROR}The artifact's manifest.json ", f"{ERROR}The artifact has no manifest.json")
        assert any(words in done.stdout for words in (*refused, "'metadata' can't be the name of a module"))
    assert not (tmp_path / "outputs").exists()
    assert cloudflare.store.list("testing") == []


def test_the_same_modules_can_not_be_passed_off_as_another_commit_s(
    cloudflare: Cloudflare, tmp_path: Path
) -> None:
    artifact = Artifact("index.js", "2026-11-01", (), {}, {"index.js": b"1"}, {"index.js": "ESModule"})
    env = hand_on(artifact, tmp_path / "artifact") | {"COMMIT": "e" * 40}
    assert attest(tmp_path / "artifact", env).returncode == 1
    done = run_job("deploy", tmp_path / "artifact", env=env | credentials(cloudflare))
    assert done.returncode == 1
    assert cloudflare.store.list("testing") == []


# Deploying.


def credentials(api: Cloudflare) -> dict[str, str]:
    return {
        "CLOUDFLARE_API_TOKEN": "token-of-the-operator",
        "CLOUDFLARE_ACCOUNT_ID": "local",
        "CLOUDFLARE_API_BASE_URL": api.url,
    }


@pytest.mark.parametrize("directory", ["examples/hello", "examples/palette", "examples/hello-python"])
def test_what_is_deployed_is_exactly_what_was_built(
    examples: Build, cloudflare: Cloudflare, directory: str
) -> None:
    artifact = examples.succeed(directory)
    done = run_job("deploy", examples.artifact, env=signed(examples) | credentials(cloudflare))
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
        "files/[a].js": b"data",
        "files/deep/.b": b"\0",
    }
    kinds = ["ESModule", "ESModule", "CommonJS", "Text", "Text", "Data", "CompiledWasm", "Data", "Text"]
    kinds += ["Data", "Data"]
    types = dict(zip(modules, kinds, strict=True))
    variables = {"A": "x", "B": {"n": [1]}, "C": 3}
    artifact = Artifact("index.js", "2026-11-01", (), variables, modules, types)
    env = hand_on(artifact, tmp_path / "artifact")
    done = run_job("deploy", tmp_path / "artifact", env=env | credentials(cloudflare))
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


def test_all_that_a_python_worker_vendors_is_deployed(cloudflare: Cloudflare, tmp_path: Path) -> None:
    modules = {
        "entry.py": b"from workers import Response",
        "python_modules/a.pyc": b"\0",
        "python_modules/workers/b.mjs": b"export {};",
    }
    artifact = Artifact("entry.py", "2026-11-01", ("python_workers",), {}, modules, {})
    env = hand_on(artifact, tmp_path / "artifact")
    done = run_job("deploy", tmp_path / "artifact", env=env | credentials(cloudflare))
    assert done.returncode == 0, done.stdout


def test_wrangler_is_told_the_types_by_folders_where_they_are_alike() -> None:
    modules = ["index.js", "a/b/1.js", "a/b/c/2.js", "a/3.txt", "d/4.bin", "d/e/5.bin", "python_modules/6.js"]
    types = {
        name: {"js": "ESModule", "txt": "Text", "bin": "Data"}[name.rpartition(".")[2]] for name in modules
    }
    artifact = Artifact("index.js", "2026-11-01", (), {}, dict.fromkeys(modules, b""), types)
    globs = {rule["type"]: rule["globs"] for rule in short_rules(artifact)}
    assert globs["ESModule"] == ["a/b/**", "index.js", "python_modules/**"]
    assert (globs["Text"], globs["Data"], globs["CommonJS"]) == (["a/3.txt"], ["d/**"], [])


@pytest.mark.parametrize("name", ["APP_ID", "COMMIT", "DISPATCH_NAMESPACE", "CLOUDFLARE_API_TOKEN"])
def test_a_missing_setting_of_the_deployment_is_named(
    cloudflare: Cloudflare, tmp_path: Path, name: str
) -> None:
    done = run_job("deploy", tmp_path, env={**inputs(), **credentials(cloudflare), name: ""})
    assert (done.returncode, done.stdout) == (1, f"{ERROR}{name} is missing.\n")


def test_a_refused_upload_fails_the_job(examples: Build, cloudflare: Cloudflare) -> None:
    examples.succeed("examples/hello")
    env = {
        **signed(examples),
        **credentials(cloudflare),
        "CLOUDFLARE_API_BASE_URL": cloudflare.url + "/wrong",
    }
    done = run_job("deploy", examples.artifact, env=env)
    assert done.returncode == 1
    assert f"{ERROR}wrangler could not deploy the Worker: " in done.stdout
    assert cloudflare.store.list("testing") == []


def test_an_upload_that_cloudflares_firewall_refuses_is_explained(
    cloudflare: Cloudflare, tmp_path: Path
) -> None:
    cloudflare.firewall = "<!DOCTYPE html><title>Attention Required! | Cloudflare</title>" + "<p>x" * 100
    done = deploy_one_module(cloudflare, tmp_path)
    assert done.returncode == 1
    assert f"{ERROR}Cloudflare's own firewall took the upload for an attack and refused it. " in done.stdout
    assert "with the Ray ID 8f00aa11bb22cc33" in done.stdout
    assert cloudflare.store.list("testing") == []


def test_what_was_not_signed_is_not_deployed(examples: Build, cloudflare: Cloudflare) -> None:
    examples.succeed("examples/hello")
    env = {**signed(examples), "MANIFEST_SHA256": "0" * 64, **credentials(cloudflare)}
    done = run_job("deploy", examples.artifact, env=env)
    assert (done.returncode, done.stdout) == (1, f"{ERROR}What was built is not what was signed.\n")
    assert cloudflare.store.list("testing") == []


def test_what_arrives_otherwise_than_built_is_deleted_again(examples: Build, cloudflare: Cloudflare) -> None:
    examples.succeed("examples/hello")

    def tamper(script: Script) -> None:
        script["modules"][0]["content"] = base64.b64encode(b"export default {}").decode()
        script["bindings"].append({"type": "plain_text", "name": "MORE", "text": "x"})
        script["settings"] = {"logpush": True, "observability": {"enabled": True}}

    cloudflare.store.tamper = tamper
    done = run_job("deploy", examples.artifact, env=signed(examples) | credentials(cloudflare))
    assert done.returncode == 1
    assert (
        "differs from what was built: the module index.js, the variables, logpush, observability. "
        in done.stdout
    )
    assert "Nothing of it is deployed." in done.stdout
    assert cloudflare.store.list("testing") == []


def one_module(cloudflare: Cloudflare, folder: Path) -> dict[str, str]:
    """The environment of a job `deploy` of one module; the artifact is in the folder."""
    modules, types = {"index.js": WORKER.encode()}, {"index.js": "ESModule"}
    artifact = Artifact("index.js", "2026-11-01", (), {}, modules, types)
    return hand_on(artifact, folder / "artifact") | credentials(cloudflare)


def deploy_one_module(cloudflare: Cloudflare, folder: Path) -> subprocess.CompletedProcess[str]:
    return run_job("deploy", folder / "artifact", env=one_module(cloudflare, folder))


def test_what_cloudflare_fails_to_do_once_is_asked_again(cloudflare: Cloudflare, tmp_path: Path) -> None:
    cloudflare.failures.update({"/content": 1, "/settings": 1, "/tags": 1})
    done = deploy_one_module(cloudflare, tmp_path)
    assert done.returncode == 0, done.stdout
    assert set(cloudflare.failures.values()) == {0}
    assert cloudflare.store.list("testing") != []


@pytest.mark.parametrize("part", ["content", "settings"])
@pytest.mark.parametrize("answer", [None, b"nonsense", b"{}"])
def test_a_read_back_that_is_cut_off_or_says_nothing_leaves_nothing_deployed(
    cloudflare: Cloudflare, tmp_path: Path, part: str, answer: bytes | None
) -> None:
    cloudflare.nonsense[f"/{part}"] = answer
    done = deploy_one_module(cloudflare, tmp_path)
    assert done.returncode == 1
    assert "Nothing of it is deployed." in done.stdout
    assert cloudflare.store.list("testing") == []


def test_a_run_that_is_cancelled_leaves_nothing_deployed(cloudflare: Cloudflare, tmp_path: Path) -> None:
    cloudflare.is_slow = True
    with start_job("deploy", tmp_path / "artifact", env=one_module(cloudflare, tmp_path)) as process:
        assert cloudflare.is_read.wait(60)
        process.terminate()
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Nothing of it is deployed." in output
    assert cloudflare.store.list("testing") == []


@pytest.mark.parametrize("path", ["/content", "/tags"])
def test_what_could_not_be_read_back_is_not_left_deployed(
    cloudflare: Cloudflare, tmp_path: Path, path: str
) -> None:
    cloudflare.failures[path] = 3
    done = deploy_one_module(cloudflare, tmp_path)
    assert done.returncode == 1
    assert f"{path.strip('/')}): HTTP Error 500" in done.stdout
    assert "Nothing of it is deployed." in done.stdout
    assert cloudflare.store.list("testing") == []


def test_a_deployed_script_is_tagged_with_what_it_is(examples: Build, cloudflare: Cloudflare) -> None:
    examples.succeed("examples/hello")
    env = signed(examples)
    assert run_job("deploy", examples.artifact, env=env | credentials(cloudflare)).returncode == 0
    script = cloudflare.store.get("testing", "abc")
    assert script is not None
    assert script["limits"] == {"cpu_ms": 50}
    # Said even where it is the default: nobody is told of an app's requests.
    assert script["settings"] == {"logpush": False, "observability": {"enabled": False}, "tail_consumers": []}
    assert script["tags"] == [f"commit-{env['COMMIT']}", f"manifest-{env['MANIFEST_SHA256']}"]
