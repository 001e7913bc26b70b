import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.staging import ROOT
from pipeline.config import Config, path_in, read_by_wrangler
from pipeline.errors import PipelineError
from pipeline.left_out import (
    BINDINGS,
    BUILD,
    DEPLOYED,
    KINDS,
    LISTED,
    SILENT,
    LeftOut,
    left_out,
)

Project = Callable[[dict[str, str | bytes]], Path]


def test_configs_are_read_as_wrangler_reads_them(project: Project, env: dict[str, str]) -> None:
    toml = 'main = "a.js" # the entry\n\nvars = {\n  A = "// no comment", # TOML 1.1\n}'
    text = '\ufeff{/* the\n entry */ "main": "a.js", // and\n "vars": {"A": "// no comment",},}'
    folder = project({"wrangler.toml": toml, "wrangler.json": text, ".env": "CLOUDFLARE_ENV=other"})
    paths = [folder / "wrangler.toml", folder / "wrangler.json"]
    for path, found in zip(paths, read_by_wrangler(paths, folder, env), strict=True):
        config = Config.of(path, found)
        assert (config.path, config.main, config.left_out) == (path, "a.js", ())
        assert config.content["vars"] == {"A": "// no comment"}


ORDER = """
import { experimental_readRawConfig } from "wrangler";
const read = (folder) => {
  process.chdir(folder);
  return experimental_readRawConfig({}, { useRedirectIfAvailable: true }).configPath;
};
process.stdout.write(JSON.stringify(process.argv.slice(1).map(read)));
"""


def test_of_several_configs_wranglers_first_counts(project: Project, env: dict[str, str]) -> None:
    names = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"]
    root = project(
        {f"{n}/{name}": "" if name.endswith("toml") else "{}" for n in range(3) for name in names[n:]}
    )
    folders = [root / str(n) for n in range(3)]
    command = ["node", "--input-type=module", "--eval", ORDER, *folders]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True, text=True, timeout=60)
    assert [path_in(folder, "") for folder in folders] == [Path(path) for path in json.loads(done.stdout)]


@pytest.mark.parametrize(
    ("directory", "place"), [("examples/x", "examples/x"), ("", "the repository's root")]
)
def test_a_missing_config_is_named_with_its_place(tmp_path: Path, directory: str, place: str) -> None:
    with pytest.raises(PipelineError) as caught:
        Config.find(tmp_path, directory, {})
    assert str(caught.value) == f"No wrangler.toml, wrangler.json or wrangler.jsonc in {place}."


WRONG: list[tuple[str, Any, list[str]]] = [
    ("wrangler.toml", 'main = "a', ["can't be read: ", "(line 1, column 8)"]),
    ("wrangler.json", b"\xff\xfe", ["can't be read: ", "UTF-16"]),
    ("wrangler.json", "[]", ["has no main: it must name the Worker's entry module."]),
    ("wrangler.json", {"main": 3}, ['can\'t be read: Expected "main" to be of type string']),
    ("wrangler.toml", "node_compat = true", ['The "node_compat" field is no longer supported']),
    ("wrangler.json", {"assets": {}}, ["has no main"]),
    ("wrangler.json", {"main": "a.js", "site": {"bucket": "."}}, ["has site: ", "use `assets = "]),
    ("wrangler.json", {"pages_build_output_dir": "x"}, ["it is a Pages project's", "`assets = "]),
    ("wrangler.toml", 'type = "webpack"', ['has type = "webpack", as of wrangler 1: ', "`main`"]),
    ("wrangler.json", {"wasm_modules": {"A": "a.wasm"}, "main": "a.js"}, ["import the .wasm files"]),
]


def test_a_config_that_is_wrong_is_named_with_the_way_out(project: Project, env: dict[str, str]) -> None:
    texts = [json.dumps(content) if isinstance(content, dict) else content for _, content, _ in WRONG]
    folder = project(
        {f"{n}/{name}": text for n, ((name, *_), text) in enumerate(zip(WRONG, texts, strict=True))}
    )
    paths = [folder / str(n) / name for n, (name, *_) in enumerate(WRONG)]
    for path, found, (_, _, words) in zip(paths, read_by_wrangler(paths, folder, env), WRONG, strict=True):
        with pytest.raises(PipelineError) as caught:
            Config.of(path, found).require_entry()
        message = str(caught.value)
        assert message.startswith(path.name)
        assert "\n" not in message
        assert [word for word in words if word not in message] == [], message


def test_an_entry_that_only_a_script_names_is_told(project: Project) -> None:
    scripts = {"dev": "vite dev", "deploy": "tsc && wrangler deploy src/index.ts --minify"}
    package = "\ufeff" + json.dumps({"scripts": scripts})
    folder = project({"package.json": package})
    found = {"content": {"name": "a"}, "main": "", "bindings": []}
    with pytest.raises(PipelineError, match=r"names src/index\.ts: put it into wrangler\.toml as main\."):
        Config.of(folder / "wrangler.toml", found).require_entry()


def test_a_config_may_not_be_a_link_out_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "wrangler.toml").write_text('main = "a.js"')
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "wrangler.toml").symlink_to(tmp_path / "wrangler.toml")
    with pytest.raises(PipelineError, match="leads outside the directory"):
        Config.find(folder, "app", {})


# What is left out.

SCHEMA = ROOT / "node_modules" / "wrangler" / "config-schema.json"
REFUSED = {"containers", "data_blobs", "pages_build_output_dir", "site", "text_blobs", "wasm_modules"}
# What is asked for without a binding.
ASKED_FOR = {
    *("access", "cache", "cloudchamber", "connect", "first_party_worker", "limits", "logfwdr", "queues"),
    *("route", "routes", "secrets", "triggers"),
}


def test_each_key_that_wrangler_knows_is_known_here() -> None:
    keys = set(json.loads(SCHEMA.read_text())["definitions"]["RawConfig"]["properties"])
    known = BINDINGS | BUILD | DEPLOYED | SILENT | set(LISTED) | REFUSED | ASKED_FOR
    assert keys - known == set()


def test_what_an_app_does_not_get_is_told_by_name_and_kind(project: Project, env: dict[str, str]) -> None:
    content = {
        "main": "a.js",
        "minify": True,
        "route": {"pattern": "example.com", "custom_domain": True},
        "triggers": {"crons": ["* * * * *"]},
        "queues": {"consumers": [{"queue": "jobs"}], "producers": [{"binding": "Q", "queue": "jobs"}]},
        "tail_consumers": [{"service": "logs"}],
        "kv_namespaces": [{"binding": "KV", "id": "x"}],
        "durable_objects": {"bindings": [{"name": "COUNTER", "class_name": "Counter"}]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": ["Counter"]}],
        "r2_buckets": [{"binding": "FILES", "bucket_name": "files"}],
        "d1_databases": [{"binding": "DB", "database_id": "x"}],
        "services": [{"binding": "API", "service": "api"}],
        "ai": {"binding": "AI"},
        "secrets": {"required": ["KEY"]},
        "limits": {"cpu_ms": 10},
        "unsafe": {"bindings": [{"name": "U", "type": "some_thing"}]},
        "observability": {"enabled": True},
        "placement": {"mode": "smart"},
        "env": {"staging": {"name": "y"}},
        "workers_dev": False,
    }
    config = Config.find(project({"wrangler.json": json.dumps(content)}), "", env)
    assert {thing.name: thing.kind for thing in config.left_out} == {
        "* * * * *": "Cron Trigger",
        "AI": "AI",
        "API": "Worker",
        "COUNTER": "Durable Object",
        "DB": "D1 Database",
        "FILES": "R2 Bucket",
        "KEY": "Secret",
        "KV": "KV Namespace",
        "Q": "Queue",
        "U": "some thing",
        "example.com": "Custom Domain",
        "jobs": "Queue Consumer",
        "limits": "Setting",
        "logs": "Tail Worker",
    }


@pytest.mark.parametrize(
    ("deploy", "names"),
    [
        ("npm run build && wrangler deploy --env production", ["production"]),
        ("wrangler deploy -e=production --minify", ["production"]),
        ("CLOUDFLARE_ENV=production wrangler deploy", ["production"]),
        ("wrangler deploy --env staging", []),
        ("wrangler deploy --env-file .env.production", []),
        ("wrangler deploy", []),
    ],
)
def test_the_environment_that_its_author_deploys_is_told_as_left_out(
    project: Project, deploy: str, names: list[str]
) -> None:
    folder = project({"package.json": json.dumps({"scripts": {"deploy": deploy}})})
    content = {"main": "a.js", "env": {"production": {"vars": {"A": "1"}}, "staging": {}}}
    found = {"content": content, "main": str(folder / "a.js"), "bindings": []}
    config = Config.of(folder / "wrangler.json", found)
    assert config.left_out == tuple(LeftOut(name, "Environment") for name in names)


def test_what_a_generated_config_names_without_asking_for_it_is_not_left_out() -> None:
    empty = {"triggers": {}, "queues": {"consumers": [], "producers": []}, "limits": None, "addresses": []}
    assert left_out(empty, []) == ()


def test_a_key_that_nobody_knows_is_named() -> None:
    assert left_out({"later": {"x": 1}}, []) == (LeftOut("later", "Setting"),)
    assert "plain_text" not in KINDS
