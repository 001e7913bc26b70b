"""The job `deploy`: upload a built Worker to the dispatch namespace, with wrangler, and look at what arrived.

    python -m pipeline.deploy ARTIFACT

reads the inputs as the job `build` does, DISPATCH_NAMESPACE, MANIFEST_SHA256 (the digest that was signed),
and what wrangler needs: CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID and, where it isn't Cloudflare's own,
CLOUDFLARE_API_BASE_URL. Nothing of the app's runs here. Wrangler works in a fresh folder with the checked
modules and a config made from checked values, so that no file of the app's can be taken for one of
wrangler's (`.env`, `package.json`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.artifact import CONFIG, MODULES, TYPES, VENDORED, Artifact, write_modules
from pipeline.cloudflare import DeployedScript
from pipeline.commands import WRANGLER, CommandError, environment, run
from pipeline.errors import PipelineError, run_job
from pipeline.inputs import Source, Target, required
from pipeline.manifest import Manifest

# Enough of the job's ten minutes is left to take back what may have arrived.
UPLOAD_SECONDS = 240
# How wrangler reports a page (403) in the place of the API's answer.
FIREWALL = re.compile(r"WAF block page|malformed response from the API.*?-> 403\b", re.DOTALL)
# Of an app's requests; said, because what is left out may stay as somebody set it.
NOBODY_IS_TOLD = {"logpush": False, "observability": {"enabled": False}, "tail_consumers": []}
RAY = re.compile(r"Ray ID: ([0-9a-f]{1,32})\b")


def upload(artifact: Artifact, target: Target, credentials: Mapping[str, str], temporary: Path) -> None:
    """Deploy to the namespace; `temporary` is an empty folder. Raises PipelineError."""
    home, folder = temporary / "home", temporary / "worker"
    home.mkdir()
    stage(artifact, target.cpu_ms, folder)
    try:
        run(
            *(WRANGLER, "deploy", "--no-bundle", "--autoconfig=false", "--config", folder / CONFIG),
            *("--dispatch-namespace", target.namespace, "--name", target.app_id),
            cwd=folder,
            env={**environment(home), **credentials},
            failure="wrangler could not deploy the Worker",
            timeout=UPLOAD_SECONDS,
        )
    except CommandError as error:
        if FIREWALL.search(error.output):
            raise PipelineError(refused_by_firewall(error.output)) from error
        raise


def refused_by_firewall(output: str) -> str:
    """What to tell of an upload that never reached Cloudflare's API."""
    ray = RAY.search(output)
    return (
        "Cloudflare's own firewall took the upload for an attack and refused it. Something in the modules "
        "looks like one (installers, shell scripts and examples of attacks often do): leave it out, or store "
        "it compressed. The operator can report it to Cloudflare"
        + (f" with the Ray ID {ray[1]}." if ray else ".")
    )


def stage(artifact: Artifact, cpu_ms: int, folder: Path) -> None:
    """Lay the artifact out as wrangler takes it: what a Python Worker vendors is beside its config."""
    is_python = artifact.main.endswith(".py")
    vendored = {name for name in artifact.modules if is_python and name.startswith(VENDORED)}
    modules = {name: content for name, content in artifact.modules.items() if name not in vendored}
    write_modules(folder / MODULES, modules)
    write_modules(folder, {name: artifact.modules[name] for name in vendored})
    config = {
        **artifact.config(),
        "rules": short_rules(artifact),
        "base_dir": MODULES,
        "find_additional_modules": True,
        "python_modules": {"exclude": []},
        "limits": {"cpu_ms": cpu_ms},
        **NOBODY_IS_TOLD,
        # Wrangler would send a source map among the modules once more, rewritten.
        "upload_source_maps": False,
    }
    (folder / CONFIG).write_text(json.dumps(config))


def short_rules(artifact: Artifact) -> list[dict[str, Any]]:
    """The types of modules, by a folder where all in it are of one: wrangler tries each glob on each file."""
    kinds: dict[PurePosixPath, set[str | None]] = defaultdict(set)
    for name in artifact.modules:
        for folder in PurePosixPath(name).parents:
            kinds[folder].add(artifact.types.get(name))
    globs: dict[str, set[str]] = {kind: set() for kind in TYPES.values()}
    for name, kind in artifact.types.items():
        *folders, _ = PurePosixPath(name).parents
        widest = next((folder for folder in reversed(folders) if kinds[folder] == {kind}), None)
        globs[kind].add(name if widest is None else f"{widest}/**")
    return [{"type": kind, "globs": sorted(named), "fallthrough": False} for kind, named in globs.items()]


def require_same(script: DeployedScript, artifact: Artifact) -> None:
    """Raise PipelineError if what is deployed isn't the artifact."""
    differences = script.differences(artifact)
    if differences:
        raise PipelineError(f"What was deployed differs from what was built: {', '.join(differences)}.")


def deploy(artifact: Artifact, target: Target, credentials: Mapping[str, str], tags: Sequence[str]) -> None:
    """Upload, read back, and tag. Raises PipelineError, and leaves nothing deployed that wasn't read back.

    That holds for whatever ends it, a cancelled run (KeyboardInterrupt, SystemExit) included.
    """
    script = DeployedScript.of(credentials, target.namespace, target.app_id)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            upload(artifact, target, credentials, Path(temporary))
        require_same(script, artifact)
        script.tag(tags)
    except PipelineError as error:
        raise PipelineError(f"{error} {removed(script)}") from error
    except BaseException:
        print(removed(script), flush=True)
        raise


def removed(script: DeployedScript) -> str:
    try:
        script.delete()
    except PipelineError as error:
        return f"What is deployed could not be deleted: {error}"
    return "Nothing of it is deployed."


def credentials_of(env: Mapping[str, str]) -> dict[str, str]:
    names = ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID")
    found = {name: required(env, name) for name in names}
    base_url = env.get("CLOUDFLARE_API_BASE_URL")
    return {**found, "CLOUDFLARE_API_BASE_URL": base_url} if base_url else found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("artifact", type=Path)
    arguments = parser.parse_args()
    source, target = Source.read(os.environ), Target.read(os.environ)
    credentials = credentials_of(os.environ)
    artifact = Artifact.read(arguments.artifact)
    manifest = Manifest.check(arguments.artifact, source, artifact)
    if manifest.sha256 != required(os.environ, "MANIFEST_SHA256"):
        raise PipelineError("What was built is not what was signed.")
    deploy(artifact, target, credentials, [f"commit-{source.commit}", f"manifest-{manifest.sha256}"])
    print(f"Deployed {target.app_id}, and read back: {manifest.sha256}")


if __name__ == "__main__":
    run_job(main)
