import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config, without_comments
from pipeline.dependencies import find_lock, manager_of, python_of
from pipeline.errors import PipelineError

Project = Callable[[dict[str, str | bytes]], Path]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wrangler.toml", 'main = "a.js" # the entry\n[vars]\nA = "// no comment"'),
        ("wrangler.json", '{"main": "a.js", "vars": {"A": "// no comment"}}'),
        ("wrangler.jsonc", '{/* the\n entry */ "main": "a.js", // and\n "vars": {"A": "// no comment",},}'),
    ],
)
def test_a_config_is_found_in_each_format(project: Project, name: str, text: str) -> None:
    folder = project({name: text})
    config = Config.find(folder, "")
    assert (config.path, config.main) == (folder / name, "a.js")
    assert config.content["vars"] == {"A": "// no comment"}
    assert config.left_out() == []


@pytest.mark.parametrize(
    ("directory", "place"), [("examples/x", "examples/x"), ("", "the repository's root")]
)
def test_a_missing_config_is_named_with_its_place(tmp_path: Path, directory: str, place: str) -> None:
    with pytest.raises(PipelineError) as caught:
        Config.find(tmp_path, directory)
    assert str(caught.value) == f"No wrangler.toml, wrangler.json or wrangler.jsonc in {place}."


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("wrangler.toml", "main =", "can't be read"),
        ("wrangler.toml", b"\xff\xfe", "can't be read"),
        ("wrangler.json", "{", "can't be read"),
        ("wrangler.json", "[]", "has no main"),
        ("wrangler.toml", 'name = "a"', "has no main"),
        ("wrangler.toml", "main = 3", "has no main"),
        ("wrangler.toml", "assets = {}", "has no main"),
        ("wrangler.toml", 'main = "a.js"\nsite = { bucket = "." }', "has site: an app can't have"),
    ],
)
def test_a_config_that_is_wrong_is_named(project: Project, name: str, text: str, named: str) -> None:
    with pytest.raises(PipelineError) as caught:
        Config.find(project({name: text}), "")
    assert str(caught.value).startswith(name)
    assert named in str(caught.value)


def test_a_config_may_not_be_a_link_out_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "wrangler.toml").write_text('main = "a.js"')
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "wrangler.toml").symlink_to(tmp_path / "wrangler.toml")
    with pytest.raises(PipelineError, match="leads outside the directory"):
        Config.find(folder, "app")


def test_what_an_app_does_not_get_is_told(project: Project) -> None:
    text = """
main = "a.js"
name = "x"
minify = true
routes = ["example.com/*"]
[build]
command = "make"
[[kv_namespaces]]
binding = "KV"
[triggers]
crons = ["* * * * *"]
[env.staging]
name = "y"
"""
    config = Config.find(project({"wrangler.toml": text}), "")
    assert config.left_out() == ["env", "kv_namespaces", "routes", "triggers"]


@given(JSON)
def test_json_has_no_comments_to_take_out(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    assert json.loads(without_comments(text)) == value


@given(JSON, st.text().filter(lambda text: "*/" not in text))
def test_comments_and_trailing_commas_are_taken_out(value: Any, comment: str) -> None:
    text = json.dumps(value)
    line = comment.replace("\n", " ").replace("\r", " ")
    commented = f"/*{comment}*/[{text},//{line}\n{text}, ]"
    if "\u2028" not in comment:
        assert json.loads(without_comments(commented)) == [value, value]


# Dependencies.


def test_the_lock_file_says_who_installs(project: Project) -> None:
    folder = project({"package-lock.json": "{}", "b/pnpm-lock.yaml": "", "c/yarn.lock": "# yarn lockfile v1"})
    project({"d/yarn.lock": "__metadata:\n  version: 8", "e/bun.lock": "", "f/package.json": "{}"})

    def command(name: str) -> tuple[str, ...]:
        lock = find_lock(folder / name, folder)
        assert lock is not None
        manager = manager_of(lock)
        return (*manager.call, *manager.install)

    assert command(".") == ("npm", "ci")
    assert command("b")[2:4] == ("pnpm@10", "install")
    assert command("c")[2:4] == ("yarn@1", "install")
    assert command("d")[-1] == "--immutable"
    assert command("e")[2] == "bun@1"
    # A package of a workspace has its lock at the workspace's root.
    assert command("f") == ("npm", "ci")


def test_no_lock_is_looked_for_outside_of_the_checkout(project: Project) -> None:
    folder = project({"package-lock.json": "{}", "checkout/package.json": "{}"})
    assert find_lock(folder / "checkout", folder / "checkout") is None


@pytest.mark.parametrize(
    ("date", "flags", "version"),
    [
        ("2026-11-01", [], "3.14"),
        ("2026-09-08", [], "3.14"),
        ("2026-09-07", [], "3.13"),
        ("2025-09-28", [], "3.12"),
        ("2025-01-01", ["python_workers_314"], "3.14"),
        ("2025-01-01", ["python_workers_20250116"], "3.13"),
    ],
)
def test_the_python_of_a_worker_follows_its_date_and_flags(date: str, flags: list[str], version: str) -> None:
    content = {"compatibility_date": date, "compatibility_flags": ["python_workers", *flags]}
    assert python_of(Config(Path("wrangler.toml"), content, "a.py"))[0] == version


def test_a_python_worker_needs_its_flag() -> None:
    with pytest.raises(PipelineError, match="python_workers"):
        python_of(Config(Path("wrangler.toml"), {"compatibility_date": "2026-11-01"}, "a.py"))
