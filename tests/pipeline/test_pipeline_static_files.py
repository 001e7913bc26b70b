"""Static files in what is built; test_attestation.py of the system shows how they are served."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.artifact import Artifact, check_name
from pipeline.static_files import StaticFile
from tests.pipeline.support import Build, git, run_job, write

WORKER = "export default { fetch() { return new Response('hi') } };"
SCRIPTS = ["asset-worker.js", "files.js", "router-worker.js", "site.js"]
OWN = ["codius-site.js", *(f"codius/{name}" for name in SCRIPTS)]


def config(**settings: object) -> str:
    return json.dumps({"compatibility_date": "2026-11-01", **settings})


def site(main: str | None = "index.js", **files: str) -> dict[str, str]:
    """A repository with a Worker and files in `public`."""
    named = {} if main is None else {"main": main}
    worker = {} if main is None else {main: WORKER}
    return {
        "wrangler.json": config(assets={"directory": "public"}, **named),
        "public/index.html": "home",
        **worker,
        **files,
    }


def files_in(artifact: Artifact) -> dict[str, bytes]:
    beginning, modules = "codius/files/", artifact.modules
    return {name.removeprefix(beginning): modules[name] for name in modules if name.startswith(beginning)}


def files_of(build: Build) -> dict[str, bytes]:
    return files_in(build.succeed())


def test_each_file_is_a_module_beside_the_worker(build: Build) -> None:
    write(build.checkout, {**site(), "public/.well-known/a.txt": "x"})
    artifact = build.succeed()
    names = [".well-known/a.txt", "index.html"]
    assert artifact.main == "codius-site.js"
    assert sorted(artifact.modules) == sorted(["index.js", *OWN, *(f"codius/files/{name}" for name in names)])
    assert files_in(artifact) == {names[0]: b"x", names[1]: b"home"}
    assert artifact.types["codius/files/index.html"] == "Data"


def test_in_a_python_worker_the_scripts_are_where_wrangler_takes_them(build: Build) -> None:
    python = {"compatibility_flags": ["python_workers"], "main": "src/entry.py"}
    write(
        build.checkout, {**site(main=None), "wrangler.json": config(assets={"directory": "public"}, **python)}
    )
    entry = "from workers import Response, WorkerEntrypoint\n\n\nclass Default(WorkerEntrypoint):\n    pass\n"
    write(build.checkout, {"src/entry.py": entry})
    artifact = build.succeed()
    assert artifact.main == "codius_site.py"
    assert {f"python_modules/workers/codius/{name}" for name in SCRIPTS} < artifact.modules.keys()
    assert b'import_module("entry")' in artifact.modules["codius_site.py"]
    assert files_in(artifact) == {"index.html": b"home"}


NAMES = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(NAMES.filter(lambda name: name not in (".", "..")), unique=True))
def test_every_name_has_a_module_of_its_own(names: list[str]) -> None:
    modules = [StaticFile(name, None, b"").module for name in names]
    assert len(set(modules)) == len(names)
    for module in modules:
        check_name(module)
        assert len(module.encode()) <= 255


def test_without_a_worker_the_files_are_all_there_is(build: Build) -> None:
    write(build.checkout, site(main=None))
    assert sorted(build.succeed().modules) == sorted([*OWN, "codius/files/index.html"])


def test_what_assetsignore_names_is_left_out_and_so_are_the_rules(build: Build) -> None:
    write(build.checkout, site())
    lines = "# drafts\n*.draft.html\n/private/\n!kept.draft.html\n"
    rules = {"_headers": "/*\n  X-A: b\n", "_redirects": "/a /b 301\n/c /d 999\n"}
    write(build.checkout / "public", {".assetsignore": lines, **rules})
    names = ("a.draft.html", "kept.draft.html", "private/x", "b/private/x", "b/_headers")
    write(build.checkout / "public", dict.fromkeys(names, ""))
    assert sorted(files_of(build)) == ["b/_headers", "b/private/x", "index.html", "kept.draft.html"]


def test_wrangler_s_own_words_about_a_rule_are_in_the_log(build: Build) -> None:
    write(build.checkout, {**site(), "public/_redirects": "/a /b 301\n/c /d 999\n"})
    done = build.run()
    assert done.returncode == 0, done.stdout
    assert "Found 1 invalid redirect rule:" in done.stdout
    assert "Valid status codes are 200, 301, 302 (default), 303, 307, or 308. Got 999." in done.stdout


def test_a_whole_repository_as_files_is_the_same_in_each_of_its_clones(build: Build, tmp_path: Path) -> None:
    whole = config(main="index.js", assets={"directory": "."})
    write(build.checkout, {**site(), "wrangler.json": whole, ".wrangler/state": "x"})
    assert sorted(files_of(build)) == ["index.js", "public/index.html", "wrangler.json"]
    manifest = (build.artifact / "manifest.json").read_bytes()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(build.checkout), str(clone))
    done = run_job("build", clone, tmp_path / "other", env=build.inputs)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "other" / "manifest.json").read_bytes() == manifest


def test_a_link_within_the_repository_is_the_file_that_it_leads_to(build: Build) -> None:
    write(build.checkout, {**site(), "elsewhere/a.txt": "x"})
    os.symlink("../elsewhere/a.txt", build.checkout / "public" / "a.txt")
    assert files_of(build)["a.txt"] == b"x"


@pytest.mark.parametrize("target", ["/etc/passwd", "../.git/config"])
def test_a_link_out_of_the_repository_is_refused(build: Build, target: str) -> None:
    write(build.checkout, site())
    os.symlink(target, build.checkout / "public" / "linked")
    assert build.fail() == "The static file linked is a link that leads outside the repository."


def test_what_git_keeps_is_no_directory_of_static_files(build: Build) -> None:
    write(build.checkout, {"wrangler.json": config(assets={"directory": ".git/logs"})})
    assert build.fail() == "wrangler.json: assets.directory is not a directory in the repository."


def test_assetsignore_means_what_it_means_to_wrangler(build: Build) -> None:
    write(build.checkout, site())
    lines = "\ufeffprivate.txt\nsecrets/\n*.key\nclosed/\n!closed/kept.txt\n"
    names = ("private.txt", "Secrets/a.txt", "UPPER.KEY", "closed/kept.txt")
    write(build.checkout / "public", {".assetsignore": lines, **dict.fromkeys(names, "")})
    assert sorted(files_of(build)) == ["index.html"]


def test_another_environment_is_not_chosen_by_the_app_s_env_file(build: Build) -> None:
    production = {"vars": {"A": "production"}, "assets": {"directory": "other"}}
    top = {"vars": {"A": "top"}, "assets": {"directory": "public"}}
    both = config(main="index.js", **top, env={"production": production})
    write(build.checkout, {**site(), "wrangler.json": both, ".env": "CLOUDFLARE_ENV=production"})
    write(build.checkout, {"other/other.html": ""})
    artifact = build.succeed()
    assert artifact.variables == {"A": "top"}
    assert "codius/files/other.html" not in artifact.modules


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"wrangler.json": config(main="index.js", assets={"directory": ".."}), "index.js": WORKER},
            "wrangler.json: assets.directory is not a directory in the repository.",
        ),
        (
            {"wrangler.json": config(main="index.js", assets={"directory": "no"}), "index.js": WORKER},
            "wrangler could not bundle the Worker: ",
        ),
        (
            {
                **site(),
                "wrangler.json": config(
                    main="index.js",
                    no_bundle=True,
                    rules=[{"type": "ESModule", "globs": ["codius/*.js"]}],
                    assets={"directory": "public"},
                ),
                "codius/x.js": "export default 1;",
            },
            "The Worker has a module codius/x.js, a name that static files need here.",
        ),
    ],
)
def test_files_that_can_not_be_served_are_named(build: Build, files: dict[str, str], message: str) -> None:
    write(build.checkout, files)
    assert build.fail().startswith(message)


def test_the_build_script_makes_the_files(build: Build) -> None:
    script = "mkdir dist && echo made > dist/index.html && env"
    package = json.dumps({"scripts": {"build": script}})
    write(build.checkout, {"wrangler.json": config(assets={"directory": "dist"}), "package.json": package})
    done = build.run()
    assert done.returncode == 0, done.stdout
    assert "hush" not in done.stdout
    assert b"made\n" in build.artifact.joinpath("modules/codius/files/index.html").read_bytes()


def test_a_build_script_that_fails_says_so(build: Build) -> None:
    write(build.checkout, {**site(), "package.json": json.dumps({"scripts": {"build": "exit 1"}})})
    assert build.fail().startswith("The build script failed (npm run build)")


def test_a_build_command_of_the_config_is_run_in_its_place(build: Build) -> None:
    write(build.checkout, {**site(), "package.json": json.dumps({"scripts": {"build": "exit 1"}})})
    command = {"command": "echo built > public/b.txt"}
    write(
        build.checkout,
        {"wrangler.json": config(main="index.js", assets={"directory": "public"}, build=command)},
    )
    assert files_of(build)["b.txt"] == b"built\n"


def test_a_config_that_the_build_made_takes_the_place_of_the_first(build: Build) -> None:
    """As Vite's plugin makes one: with a key for everything that there is."""
    nothing: dict[str, object] = {"workflows": [], "queues": {"producers": [], "consumers": []}}
    made = config(main="w.js", no_bundle=True, assets={"directory": "../client"}, **nothing)
    script = (
        "mkdir -p dist/worker dist/client .wrangler/deploy && cp index.js dist/worker/w.js"
        " && echo made > dist/client/a.txt && cp made.json dist/worker/wrangler.json"
        ' && echo \'{"configPath": "../../dist/worker/wrangler.json"}\' > .wrangler/deploy/config.json'
    )
    write(build.checkout, {**site(), "made.json": made})
    write(build.checkout, {"package.json": json.dumps({"scripts": {"build": script}})})
    assert files_of(build) == {"a.txt": b"made\n"}
    assert "w.js" in build.succeed().modules
