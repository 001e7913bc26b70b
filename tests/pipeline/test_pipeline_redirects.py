"""A build tool's own config takes the place of the directory's, and no other does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config, remove_redirect
from pipeline.errors import PipelineError
from tests.pipeline.support import Build, write

REDIRECT = ".wrangler/deploy/config.json"
SHOWN = {"name": "shown", "main": "index.js", "compatibility_date": "2026-11-01"}
Attack = Callable[[Path], object]


def worker(text: str) -> str:
    return f"export default {{ fetch: () => new Response('{text}') }};"


def redirect_to(path: str) -> str:
    return json.dumps({"configPath": path})


def shown(**files: str) -> dict[str, str]:
    return {"shown/wrangler.json": json.dumps(SHOWN), "shown/index.js": worker("shown"), **files}


HIDDEN = {
    "hidden/wrangler.json": json.dumps(SHOWN),
    "hidden/index.js": worker("hidden"),
    f"shown/{REDIRECT}": redirect_to("../../../hidden/wrangler.json"),
}


def test_what_a_build_made_is_taken_as_wrangler_takes_it(build: Build) -> None:
    made = {**SHOWN, "no_bundle": True, "legacy_env": True, "triggers": {}, "kv_namespaces": []}
    script = f"mkdir -p dist .wrangler/deploy && echo '{json.dumps(made)}' > dist/wrangler.json "
    script += f"&& echo '{redirect_to('../../dist/wrangler.json')}' > {REDIRECT} && cp built.js dist/index.js"
    package = json.dumps({"scripts": {"build": "sh build.sh"}})
    files = {"shown/build.sh": script, "shown/built.js": worker("built"), "shown/package.json": package}
    # Nitro's and Solid's own configs name no entry.
    files["shown/wrangler.json"] = json.dumps({key: SHOWN[key] for key in ("name", "compatibility_date")})
    # A committed one is of no consequence where the build makes its own.
    write(build.checkout, shown(**files) | HIDDEN)
    artifact = build.succeed("shown")
    assert (artifact.modules, artifact.left_out) == ({"index.js": worker("built").encode()}, ())


def test_a_redirect_that_is_committed_does_not_count(build: Build) -> None:
    write(build.checkout, shown() | HIDDEN)
    assert build.fail("shown").startswith(f"{REDIRECT} is committed, and would give the directory another ")


def test_a_redirect_out_of_the_directory_is_refused(build: Build) -> None:
    script = f"mkdir -p .wrangler/deploy && cp made.json {REDIRECT}"
    package = json.dumps({"scripts": {"build": script}})
    made = redirect_to("../../../hidden/wrangler.json")
    write(build.checkout, shown(**{"shown/package.json": package, "shown/made.json": made}) | HIDDEN)
    reason = "which the build made, leads out of the directory (it is ../hidden/wrangler.json)."
    assert build.fail("shown") == f"{REDIRECT}, {reason}"


ATTACKS: list[Attack] = [
    lambda folder: (folder / ".wrangler").symlink_to(folder.parent / "hidden" / ".wrangler"),
    lambda folder: link(folder / ".wrangler" / "deploy", folder.parent / "hidden" / ".wrangler" / "deploy"),
    lambda folder: link(folder / REDIRECT, folder.parent / "hidden" / REDIRECT),
]


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True)
    path.symlink_to(target)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_redirect_that_is_a_link_is_refused(tmp_path: Path, attack: Attack) -> None:
    folder = tmp_path / "shown"
    folder.mkdir()
    write(tmp_path, {f"hidden/{REDIRECT}": redirect_to("../../wrangler.json")})
    attack(folder)
    with pytest.raises(PipelineError, match=r"\.wrangler.* is a link: only what the app's build makes"):
        remove_redirect(folder)
    assert (tmp_path / "hidden" / REDIRECT).exists()


def generated(folder: Path, main: str = "dist/index.js", **content: Any) -> Config:
    """The config that wrangler read in a folder's dist/."""
    found = {"content": content, "main": str(folder / main), "bindings": []}
    return Config.of(folder / "dist" / "wrangler.json", found, within=folder)


def test_what_a_generated_config_names_is_in_the_directory(tmp_path: Path) -> None:
    folder = tmp_path / "shown"
    (folder / "dist").mkdir(parents=True)
    assert generated(folder, assets={"directory": "../client"}).main == "index.js"
    (folder / "dist" / "index.js").symlink_to(tmp_path / "hidden.js")
    for named in (
        lambda: generated(folder),
        lambda: generated(folder, "../hidden/index.js"),
        lambda: generated(folder, "dist/other.js", assets={"directory": "../../hidden"}),
        lambda: generated(folder, "dist/other.js", base_dir="/"),
    ):
        with pytest.raises(PipelineError, match="leads out of the directory"):
            named()
    (folder / "dist").rename(tmp_path / "elsewhere")
    (folder / "dist").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PipelineError, match="leads out of the directory"):
        generated(folder, "dist/other.js")
