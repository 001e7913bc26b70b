"""Static files in what is built; test_attestation.py of the system shows how they are served."""

from __future__ import annotations

import json
import os

import pytest

from tests.pipeline.support import Build, write

WORKER = "export default { fetch() { return new Response('hi') } };"
OWN = ["codius-site.js", "codius/asset-worker.js", "codius/router-worker.js", "codius/site-files.js"]


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


def files_of(build: Build) -> dict[str, bytes]:
    modules = build.succeed().modules
    beginning = "codius/files/"
    return {name.removeprefix(beginning): modules[name] for name in modules if name.startswith(beginning)}


def test_each_file_is_a_module_beside_the_worker(build: Build) -> None:
    write(build.checkout, {**site(), "public/.well-known/a b é[1].txt": "x"})
    artifact = build.succeed()
    names = [".well-known/a b é[1].txt", "index.html"]
    assert artifact.main == "codius-site.js"
    assert sorted(artifact.modules) == sorted(["index.js", *OWN, *(f"codius/files/{name}" for name in names)])
    assert files_of(build) == {names[0]: b"x", names[1]: b"home"}
    assert artifact.types["codius/files/index.html"] == "Data"


def test_without_a_worker_the_files_are_all_there_is(build: Build) -> None:
    write(build.checkout, site(main=None))
    assert sorted(build.succeed().modules) == sorted([*OWN, "codius/files/index.html"])


def test_what_assetsignore_names_and_what_has_no_effect_is_left_out(build: Build) -> None:
    write(build.checkout, site())
    lines = "# drafts\n*.draft.html\n/private/\n!kept.draft.html\n"
    write(build.checkout / "public", {".assetsignore": lines, "_headers": "", "_redirects": "/a /b"})
    names = ("a.draft.html", "kept.draft.html", "private/x", "b/private/x", "b/_headers")
    write(build.checkout / "public", dict.fromkeys(names, ""))
    assert sorted(files_of(build)) == ["b/_headers", "b/private/x", "index.html", "kept.draft.html"]
    done = build.run()
    lines_out = [line.split(" (")[0] for line in done.stdout.splitlines() if line.startswith("Left out")]
    assert lines_out == ["Left out: _headers", "Left out: _redirects"]


def test_a_link_within_the_repository_is_the_file_that_it_leads_to(build: Build) -> None:
    write(build.checkout, {**site(), "elsewhere/a.txt": "x"})
    os.symlink("../elsewhere/a.txt", build.checkout / "public" / "a.txt")
    assert files_of(build)["a.txt"] == b"x"


def test_a_link_out_of_the_repository_is_refused(build: Build) -> None:
    write(build.checkout, site())
    os.symlink("/etc/passwd", build.checkout / "public" / "passwd")
    assert build.fail() == "The static file passwd is a link that leads outside the repository."


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
            "wrangler could not bundle the Worker; ",
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
        ({**site(), 'public/a"b': ""}, "'codius/files/a\"b' can't be the name of a module here."),
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
    assert build.fail() == "The build script failed (npm run build); its message is above."


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


@pytest.mark.parametrize("content", ["{", "[]", '{"configPath": 3}', '{"configPath": "../../../x.json"}'])
def test_a_made_config_that_is_wrong_or_elsewhere_is_refused(build: Build, content: str) -> None:
    write(build.checkout, {**site(), ".wrangler/deploy/config.json": content})
    assert build.fail().startswith(".wrangler/deploy/config.json, which the build made, ")
