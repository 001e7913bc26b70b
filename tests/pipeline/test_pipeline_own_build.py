"""An app's own build makes what its author's deployment would."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.left_out import LeftOut
from pipeline.own_build import completing, is_made_otherwise, is_of_next
from pipeline.scripts import before_deploying
from tests.pipeline.support import Build, write

Project = Callable[[dict[str, str | bytes]], Path]


@pytest.mark.parametrize(
    ("scripts", "commands"),
    [
        (
            {"deploy": "npm run build &&  cp -r static dist && wrangler deploy"},
            "npm run build && cp -r static dist",
        ),
        ({"predeploy": "make", "deploy": "pnpm exec wrangler deploy --minify && echo done"}, "make"),
        (
            {
                "predeploy": "npm run build && wrangler d1 migrations apply DB --remote",
                "deploy": "wrangler deploy",
            },
            "npm run build",
        ),
        ({"predeploy": "make && wrangler deploy -e staging", "deploy": "wrangler deploy"}, "make"),
        ({"cf:deploy": "npm run cf:build && opennextjs-cloudflare deploy"}, "npm run cf:build"),
        ({"deploy:staging": "a && wrangler deploy -e staging", "deploy": "b && wrangler deploy"}, "b"),
        ({"deploy": "wrangler d1 migrations apply DB --remote && tsc && wrangler deploy"}, "tsc"),
        ({"deploy": "wrangler deploy"}, ""),
        ({"deploy": "gh-pages -d dist", "build": "vite build"}, ""),
    ],
)
def test_what_a_deployment_begins_with_is_found_in_the_scripts(
    scripts: dict[str, str], commands: str
) -> None:
    assert before_deploying(scripts) == commands


@pytest.mark.parametrize(
    ("main", "content"),
    [(".open-next/worker.js", {}), ("custom.ts", {"assets": {"directory": "./.open-next/assets"}})],
)
def test_what_open_next_makes_is_made_without_any_script_for_it(
    project: Project, main: str, content: dict[str, object]
) -> None:
    config = Config(project({"package.json": "{}"}) / "wrangler.json", content, main)
    assert completing(config, config.path.parent) == ["opennextjs-cloudflare build"]


def test_what_the_build_script_does_not_make_is_made_as_before_a_deployment(build: Build) -> None:
    """OpenNext runs the script `build` itself."""
    make = "mkdir .open-next && cp index.js .open-next/worker.js && mkdir .open-next/assets"
    settings = {"main": ".open-next/worker.js", "assets": {"directory": ".open-next/assets"}}
    scripts = {
        "build": "exit 1; next build",
        "deploy": "opennextjs-cloudflare build && opennextjs-cloudflare deploy",
    }
    write(
        build.checkout,
        {
            "wrangler.json": json.dumps({**settings, "compatibility_date": "2026-11-01"}),
            "index.js": "export default { fetch() { return new Response('made') } };",
            "package.json": json.dumps({"scripts": scripts, "dependencies": {"next": "file:./next"}}),
            "next/package.json": '{"name": "next", "bin": {"opennextjs-cloudflare": "run"}}',
            "next/run": f'#!/bin/sh\ntest "$1" = build && {make}\n',
        },
    )
    assert b"made" in build.succeed().modules["worker.js"]


@pytest.mark.parametrize(
    ("script", "is_left_to_it"),
    [("next build", True), ("sh build.sh", False), ("npx @opennextjs/cloudflare build", False)],
)
def test_only_what_open_next_runs_itself_is_left_to_it(script: str, is_left_to_it: bool) -> None:
    assert is_of_next(script) is is_left_to_it


def test_beside_a_build_command_a_script_that_fails_fails_nothing(build: Build) -> None:
    settings = {"main": "index.js", "assets": {"directory": "dist"}, "build": {"command": "mkdir dist"}}
    write(
        build.checkout,
        {
            "wrangler.json": json.dumps({**settings, "compatibility_date": "2026-11-01"}),
            "index.js": "export default { fetch() { return new Response('made') } };",
            "package.json": json.dumps({"scripts": {"build": "echo It is wrong; exit 1"}}),
        },
    )
    assert b"made" in build.succeed().modules["index.js"]


def test_the_environments_of_a_config_are_known_where_a_build_makes_another(tmp_path: Path) -> None:
    staging, production = (LeftOut(name, "Environment") for name in ("staging", "production"))
    first = Config(tmp_path / "wrangler.json", {}, "a.js", (production, staging))
    made = Config(tmp_path / "dist" / "wrangler.json", {"targetEnvironment": "staging"}, "a.js")
    assert first.in_place_of(made).left_out == (production,)


def test_where_the_build_makes_another_config_without_its_files_it_is_run_once(build: Build) -> None:
    made = {"main": "index.js", "compatibility_date": "2026-11-01", "assets": {"directory": "files"}}
    write(
        build.checkout,
        {
            "wrangler.json": json.dumps({**made, "assets": {"directory": "public"}}),
            "index.js": "export default { fetch() { return new Response('made') } };",
            "made.json": json.dumps(made),
            "redirect.json": json.dumps({"configPath": "../../dist/wrangler.json"}),
            "build.sh": "echo It is built; mkdir -p dist .wrangler/deploy; cp made.json dist/wrangler.json\n"
            "cp index.js dist; cp redirect.json .wrangler/deploy/config.json\n",
            "package.json": json.dumps({"scripts": {"build": "sh build.sh"}}),
        },
    )
    done = build.run()
    assert done.returncode == 1
    assert done.stdout.count("It is built") == 1, done.stdout


def test_what_a_package_json_above_builds_is_named(project: Project) -> None:
    checkout = project({"package.json": '{"scripts": {"build": "make"}}', "worker/wrangler.toml": ""})
    config = Config(checkout / "worker" / "wrangler.toml", {}, "dist/index.js")
    assert completing(config, checkout) == ["npm run build"]


@pytest.mark.parametrize(
    ("command", "directory", "is_otherwise"),
    [
        ("sh worker.sh", "", True),
        ("sh worker.sh", ".", True),
        ("sh worker.sh", "dist", False),
        ("pnpm build", "dist", True),
        ("test -d src && make all", "dist", True),
        ("npm run build:worker", "dist", False),
        ("", "", False),
    ],
)
def test_a_build_command_has_the_place_of_the_script_where_it_can_make_all(
    tmp_path: Path, command: str, directory: str, is_otherwise: bool
) -> None:
    content = {"build": {"command": command}, "assets": {"directory": directory}}
    config = Config(tmp_path / "wrangler.json", content, "index.js")
    assert is_made_otherwise(config, "make all") is is_otherwise
