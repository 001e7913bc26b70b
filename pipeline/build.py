"""The job `build`: from an app's commit to the artifact that is deployed.

    python -m pipeline.build CHECKOUT ARTIFACT

reads the inputs from APP_ID, REPOSITORY, COMMIT, REF and DIRECTORY. The app's own code runs here (install
scripts, build commands), so this job must have no secrets, and nobody trusts what it hands on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline import dependencies, own_build
from pipeline.artifact import MANIFEST, Artifact
from pipeline.commands import COMMANDS, WRANGLER, environment, no_commands, run
from pipeline.config import REDIRECT, Config, remove_redirect
from pipeline.errors import PipelineError, run_job
from pipeline.inputs import Source
from pipeline.left_out import LeftOut
from pipeline.manifest import Manifest
from pipeline.repository import fetch_submodules, require_commit, require_files
from pipeline.static_files import add_static_files
from pipeline.upload_form import UploadForm

WHAT_IS_HOSTED = "an app is hosted with its code, its static files and its plain variables only"


def build(source: Source, checkout: Path, temporary: Path) -> Artifact:
    """Build the Worker in a checkout; `temporary` is an empty folder. Raises PipelineError."""
    env = {**environment(temporary / "home"), **of_workers_builds(source), **compile_cache()}
    env["RUSTC_WRAPPER"] = str(temporary / "home" / COMMANDS / dependencies.RUSTC)
    (temporary / "home").mkdir()
    require_commit(source, checkout, env)
    fetch_submodules(checkout, env)
    config = built(source, checkout.resolve(), env)
    require_files(checkout, env)
    form = bundle(config, source, checkout, temporary / "upload", env)
    artifact = replace(Artifact.of_form(form), left_out=config.left_out)
    if config.assets:
        artifact = add_static_files(artifact, config, checkout, env)
    say_what_is_left_out(artifact.left_out)
    return artifact


def of_workers_builds(source: Source) -> dict[str, str]:
    """By what a build sees that it is one for Workers ("Default variables" of Workers Builds' configuration).

    Frameworks choose by it what they build for. What differs between two builds of a commit by one ref is
    not there.
    """
    return {"WORKERS_CI": "1", "WORKERS_CI_BRANCH": source.ref, "WORKERS_CI_COMMIT_SHA": source.commit}


def compile_cache() -> dict[str, str]:
    """Where wrangler is started often, compiling it is a fifth of a start.

    Not where a token is: an app's build could write there.
    """
    name = "NODE_COMPILE_CACHE"
    return {name: os.environ[name]} if name in os.environ else {}


def built(source: Source, checkout: Path, env: dict[str, str]) -> Config:
    """Run the app's own build; return the config that counts after it."""
    folder = source.folder(checkout)
    committed = Config.find(folder, source.directory, env)
    before = committed.path.read_bytes()
    was_committed = remove_redirect(folder)
    dependencies.install(committed, checkout, env)
    own_build.run_build_script(committed, checkout, env)
    config = committed.after_build(folder, source.directory, env, before)
    for command in own_build.completing(committed, checkout):
        if not config.is_complete:
            own_build.run_command(command, committed, checkout, env)
            config = committed.after_build(folder, source.directory, env, before)
    if was_committed and not config.is_generated:
        raise PipelineError(
            f"{REDIRECT} is committed, and would give the directory another config's code: only one that the "
            "app's own build makes counts. Take it out of the repository."
        )
    config.require_entry()
    return config


def say_what_is_left_out(things: Sequence[LeftOut]) -> None:
    """In the log and, on GitHub, in the run's summary ("Adding a job summary")."""
    lines = [f"{on_one_line(thing.name)} ({on_one_line(thing.kind)})" for thing in things]
    with no_commands():  # the names are the app's
        for line in lines:
            print(f"Left out: {line}, as {WHAT_IS_HOSTED}")
    if lines and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        with open(summary, "a") as file:
            file.write(f"Left out, as {WHAT_IS_HOSTED}:\n\n")
            file.writelines("- `{}`\n".format(line.replace("`", "'")) for line in lines)


def on_one_line(name: str) -> str:
    return name if name.isprintable() else repr(name)


def bundle(config: Config, source: Source, checkout: Path, outfile: Path, env: dict[str, str]) -> UploadForm:
    """What wrangler would upload. It finds a generated config itself: a named one counts as a person's."""
    place = () if config.is_generated else ("--config", config.path)
    run(
        # An app's `.env` could name an environment otherwise, which is read here nowhere else.
        *(WRANGLER, "deploy", "--dry-run", "--autoconfig=false", "--env="),
        *(*place, "--name", source.app_id, "--outfile", outfile),
        cwd=source.folder(checkout),
        env=dependencies.with_binaries(config, checkout.resolve(), env),
        failure="wrangler could not bundle the Worker",
    )
    if not outfile.is_file():
        raise PipelineError("wrangler wrote no upload.")
    return UploadForm.parse(outfile.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout", type=Path)
    parser.add_argument("artifact", type=Path)
    arguments = parser.parse_args()
    source = Source.read(os.environ)
    place = f"{source.directory} of {source.repository}" if source.directory else source.repository
    with no_commands():
        print(f"Building {place} at {source.commit} ({source.ref or 'no ref'}) for {source.app_id}")
    with tempfile.TemporaryDirectory() as temporary:
        artifact = build(source, arguments.checkout, Path(temporary))
    manifest = Manifest.of(source, artifact)
    artifact.write(arguments.artifact)
    (arguments.artifact / MANIFEST).write_bytes(manifest.encoded)
    with no_commands():
        for name, content in artifact.modules.items():
            print(f"{len(content):>10,}  {name}")
    print(f"Manifest: {manifest.sha256}")


if __name__ == "__main__":
    run_job(main)
