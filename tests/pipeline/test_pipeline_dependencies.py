import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands import COMMANDS, environment
from pipeline.config import Config
from pipeline.dependencies import RUSTC, install, provide_rustc, with_binaries
from pipeline.errors import PipelineError
from pipeline.package_managers import find_lock, manager_of, managers_of, place_of

# As pnpm 11 and later write it: what comes first is about pnpm itself.
OF_TWO_DOCUMENTS = """---
lockfileVersion: '9.0'

importers:

  .:
    configDependencies: {}
    packageManagerDependencies:
      '@pnpm/exe':
        specifier: 12.1.2
        version: 12.1.2
      pnpm:
        specifier: ^12.0.0
        version: 12.1.2

packages: {}

---
"""
Project = Callable[[dict[str, str | bytes]], Path]


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, ["npm", "install", "--no-package-lock"]),
        ({"package-lock.json": "{}"}, ["npm", "ci"]),
        ({"pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, ["pnpm@7", "--frozen-lockfile"]),
        ({"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}, ["pnpm@8", "--frozen-lockfile"]),
        ({"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, ["pnpm@10", "--ignore-workspace"]),
        ({"pnpm-lock.yaml": OF_TWO_DOCUMENTS + "lockfileVersion: '9.0'\n"}, ["pnpm@12.1.2"]),
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
            {"package.json": '{"engines": {"pnpm": ">=11"}}', "pnpm-lock.yaml": "lockfileVersion: '9.0'\n"},
            ["pnpm@>=11 <13 >=11"],
        ),
        (
            {
                "package.json": '{"packageManager": "pnpm@10.1.0"}',
                "pnpm-lock.yaml": OF_TWO_DOCUMENTS + "lockfileVersion: '9.0'\n",
            },
            ["pnpm@12"],
        ),
        ({"pnpm-workspace.yaml": "minimumReleaseAge: 1\n"}, ["pnpm@10"]),
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
    manager = manager_of(folder, find_lock(folder, folder))
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
    "pnpm-12": {"pnpm-lock.yaml": f"{OF_TWO_DOCUMENTS}{PNPM}"},
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


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": '{"workspaces": ["packages/*", "!packages/other"]}'},
        {"pnpm-workspace.yaml": "packages:\n  # but one\n  - 'packages/*'\n  - \"!packages/other\"\nx: 1"},
    ],
)
def test_without_a_lock_the_packages_of_a_workspace_are_installed_at_its_root(
    project: Project, files: dict[str, str | bytes]
) -> None:
    checkout = project({**files, "packages/a/package.json": "{}", "packages/other/package.json": "{}"})
    other = checkout / "packages" / "other"
    assert place_of(checkout / "packages" / "a", checkout) == (checkout, None)
    assert place_of(other, checkout) == (other, None)


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


def test_scripts_and_build_commands_find_package_managers_by_their_names(project: Project) -> None:
    folder = project({"package.json": '{"packageManager": "pnpm@9.1.0"}', "pnpm-lock.yaml": PNPM})
    found = managers_of(folder, find_lock(folder, folder))
    assert set(found) == {"bun", "bunx", "pnpm", "pnpx", "yarn"}
    assert "pnpm@9.1.0" in found["pnpm"].call
    assert found["bunx"].call[-2:] == ("bun@1", "x")


def test_packages_that_need_a_token_or_have_two_locks_are_told_with_the_way_out(
    project: Project, env: dict[str, str]
) -> None:
    files = {
        ".npmrc": "//npm.example/:_authToken=${NODE_AUTH_TOKEN}",
        "package-lock.json": "",
        "bun.lock": "",
    }
    checkout = project({**files, "package.json": "{}"})
    with pytest.raises(PipelineError) as caught:
        install(Config(checkout / "wrangler.toml", {}, "index.js"), checkout, env)
    assert "(there is bun.lock, too: remove what isn't used, or name the one as packageManager)" in str(
        caught.value
    )
    assert "(.npmrc names a token: a build has none, its packages must be public)" in str(caught.value)


def test_addresses_of_git_for_people_with_a_key_are_asked_without_one(env: dict[str, str]) -> None:
    command = ["git", "ls-remote", "--get-url"]
    for address in ("git@github.com:alice/x.git", "ssh://git@github.com/alice/x.git"):
        done = subprocess.run([*command, address], env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout == "https://github.com/alice/x.git\n"


def test_rustc_is_told_no_folder_of_this_build(tmp_path: Path) -> None:
    home, checkout = tmp_path / "a home", tmp_path / "checkout"
    provide_rustc(home, checkout)
    command = [home / COMMANDS / RUSTC, "echo", "--edition", "2024"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    mapped = f"--remap-path-prefix={home}=/home --remap-path-prefix={checkout}=/app"
    assert done.stdout == f"--edition 2024 {mapped}\n"


def test_toolchains_and_what_is_installed_into_the_home_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, home = tmp_path / "real", tmp_path / "home"
    (real / ".rustup").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(real))
    monkeypatch.setenv("PATH", f"/usr/bin{os.pathsep}{real}/.cargo/bin")
    monkeypatch.delenv("RUSTUP_HOME", raising=False)
    env = environment(home)
    assert (env["HOME"], env["RUSTUP_HOME"]) == (str(home), str(real / ".rustup"))
    own = [str(home / COMMANDS), str(home / ".cargo" / "bin")]
    assert env["PATH"].split(os.pathsep) == [*own, "/usr/bin", f"{real}/.cargo/bin"]
