import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.dependencies import install, with_binaries
from pipeline.package_managers import find_lock, manager_of

Project = Callable[[dict[str, str | bytes]], Path]


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, ["npm", "install", "--no-package-lock"]),
        ({"package-lock.json": "{}"}, ["npm", "ci"]),
        ({"pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, ["pnpm@7", "--frozen-lockfile"]),
        ({"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}, ["pnpm@8", "--frozen-lockfile"]),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, ["pnpm@10", "--ignore-workspace"]),
        ({"yarn.lock": "# yarn lockfile v1"}, ["yarn@1", "--ignore-engines", "--frozen-lockfile"]),
        ({"yarn.lock": "__metadata:\n  version: 6"}, ["@yarnpkg/cli-dist@3", "--immutable"]),
        ({"yarn.lock": "__metadata:\n  version: 8"}, ["@yarnpkg/cli-dist@4", "--immutable"]),
        ({"bun.lock": ""}, ["bun@1", "--frozen-lockfile"]),
        # What package.json names counts where it reads the lock.
        ({"package.json": '\ufeff{"packageManager": "pnpm@9.1.0+sha512.ab"}'}, ["pnpm@9.1.0"]),
        ({"package.json": '{"packageManager": "yarn@4.5.0"}'}, ["@yarnpkg/cli-dist@4.5.0", "--no-immutable"]),
        ({"package.json": '{"packageManager": "bun@1.2.3"}'}, ["bun@1.2.3"]),
        # pnpm would refuse to be another than these.
        (
            {
                "package.json": '{"engines": {"pnpm": "9.x||^12", "node": "1"}}',
                "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
            },
            ["pnpm@>=9 <11 9.x || >=9 <11 ^12", "--frozen-lockfile"],
        ),
        (
            {
                "package.json": '{"engines": {"pnpm": "use npm"}}',
                "pnpm-lock.yaml": "lockfileVersion: 5.4\n",
            },
            ["pnpm@7"],
        ),
        (
            {
                "package.json": '{"packageManager": "pnpm@8.15.9"}',
                "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
                "package-lock.json": "{}",
            },
            ["pnpm@10", "--frozen-lockfile"],
        ),
        (
            {"package.json": '{"packageManager": "yarn@4.5.0"}', "yarn.lock": "# yarn lockfile v1"},
            ["yarn@1", "--frozen-lockfile"],
        ),
    ],
)
def test_the_lock_says_who_installs(
    project: Project, files: dict[str, str | bytes], command: list[str]
) -> None:
    folder = project(files)
    manager = manager_of(find_lock(folder, folder), folder)
    assert [part for part in command if part not in (*manager.call, *manager.install)] == []


PNPM = """lockfileVersion: '9.0'

importers:

  .:
    devDependencies: {}

  packages/a:
    dependencies:
      b: {}

packages:

  other@1.0.0:
    resolution: {}
"""
WORKSPACES: dict[str, dict[str, str | bytes]] = {
    "npm": {"package-lock.json": '{"packages": {"": {}, "packages/a": {}, "node_modules/other": {}}}'},
    "pnpm": {"pnpm-lock.yaml": PNPM},
    "yarn": {
        "yarn.lock": "",
        "package.json": '{"workspaces": {"packages": ["./packages/*", "!packages/other"]}}',
    },
    "bun": {"bun.lockb": b"", "package.json": '{"workspaces": ["**", "!**/other"]}'},
}


@pytest.mark.parametrize("files", WORKSPACES.values(), ids=WORKSPACES.keys())
def test_a_lock_above_counts_for_its_own_workspaces_only(
    project: Project, files: dict[str, str | bytes]
) -> None:
    checkout = project({**files, "packages/a/package.json": "{}", "packages/other/package.json": "{}"})
    (lock,) = (name for name in files if name != "package.json")
    assert find_lock(checkout / "packages" / "a", checkout) == checkout / lock
    assert find_lock(checkout / "packages" / "other", checkout) is None


def test_no_lock_is_looked_for_outside_of_the_checkout(project: Project) -> None:
    lock = '{"packages": {"checkout": {}}}'
    folder = project({"package-lock.json": lock, "checkout/package.json": "{}"})
    assert find_lock(folder / "checkout", folder / "checkout") is None


def test_the_packages_of_the_nearest_project_above_are_installed_by_its_own_manager(
    project: Project, env: dict[str, str]
) -> None:
    package = {
        "dependencies": {"local-text": "file:./text"},
        "engines": {"node": "20.x"},
        "devEngines": {"packageManager": {"name": "yarn"}},
        "scripts": {"postinstall": "exit 0"},
    }
    checkout = project(
        {
            "package.json": json.dumps(package),
            "yarn.lock": '"local-text@file:./text":\n  version "1.0.0"\n',
            "text/package.json": '{"name": "local-text", "version": "1.0.0", "engines": {"node": "20.x"}}',
            "text/text.js": "",
            "worker/wrangler.toml": "",
        }
    )
    config = Config(checkout / "worker" / "wrangler.toml", {}, "index.js")
    install(config, checkout, env)
    assert (checkout / "node_modules" / "local-text" / "text.js").is_file()
    path = with_binaries(config, checkout, env)["PATH"].split(os.pathsep)
    assert path[:2] == [str(checkout / name / "node_modules/.bin") for name in ("worker", "")]
