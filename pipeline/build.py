"""The job `build`: from an app's commit to the artifact that is deployed.

    python -m pipeline.build CHECKOUT ARTIFACT

reads the inputs from APP_ID, REPOSITORY, COMMIT, REF and DIRECTORY. The app's own code runs here (install
scripts, build commands), so this job must have no secrets, and nobody trusts what it hands on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from pipeline import dependencies
from pipeline.artifact import MANIFEST, Artifact
from pipeline.commands import WRANGLER, environment, no_commands, output_of, run
from pipeline.config import Config
from pipeline.errors import PipelineError, run_job
from pipeline.inputs import Source
from pipeline.manifest import Manifest
from pipeline.static_files import add_static_files
from pipeline.upload_form import UploadForm

WHAT_IS_HOSTED = "an app is hosted with its code, its static files and its plain variables only"


def build(source: Source, checkout: Path, temporary: Path) -> Artifact:
    """Build the Worker in a checkout; `temporary` is an empty folder. Raises PipelineError."""
    env = environment(temporary / "home")
    (temporary / "home").mkdir()
    require_commit(source, checkout, env)
    config = Config.find(source.folder(checkout), source.directory)
    dependencies.install(config, checkout.resolve(), env)
    dependencies.run_build_script(config, checkout.resolve(), env)
    # Which may have changed it, or made another.
    config = Config.find(source.folder(checkout), source.directory).generated(checkout)
    artifact = Artifact.of_form(bundle(config, source.app_id, temporary / "upload", env))
    say_what_is_left_out(config.left_out())
    return add_static_files(artifact, config, checkout, env) if config.assets else artifact


def say_what_is_left_out(names: list[str]) -> None:
    """In the log and, on GitHub, in the run's summary ("Adding a job summary")."""
    with no_commands():  # the names are the app's
        for name in names:
            print(f"Left out: {on_one_line(name)} ({WHAT_IS_HOSTED})")
    if names and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        names = [on_one_line(name).replace("`", "'") for name in names]
        with open(summary, "a") as file:
            file.write(f"Left out, as {WHAT_IS_HOSTED}:\n\n")
            file.writelines(f"- `{name}`\n" for name in names)


def on_one_line(name: str) -> str:
    return name if name.isprintable() else repr(name)


def require_commit(source: Source, checkout: Path, env: dict[str, str]) -> None:
    failure = f"{checkout} is not a checkout of {source.repository}."
    found = output_of("git", "rev-parse", "HEAD", cwd=checkout, env=env, failure=failure)
    if found != source.commit:
        raise PipelineError(f"The checkout is at {found}, not at {source.commit}.")


def bundle(config: Config, name: str, outfile: Path, env: dict[str, str]) -> UploadForm:
    """What wrangler would upload."""
    run(
        # An app's `.env` could name an environment otherwise, which is read here nowhere else.
        *(WRANGLER, "deploy", "--dry-run", "--autoconfig=false", "--env="),
        *("--config", config.path, "--name", name, "--outfile", outfile),
        cwd=config.path.parent,
        env=env,
        failure="wrangler could not bundle the Worker; its message is above.",
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
