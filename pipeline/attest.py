"""The job `attest`: what is to be signed of a build.

    python -m pipeline.attest ARTIFACT STATEMENT

reads the inputs as the job `build` does, APPS_DOMAIN and CLOUDFLARE_ACCOUNT_ID (where apps answer, and where
they are deployed to: the operator's variables, no inputs), and the run from GitHub's own variables
("Variables reference"). It writes `subjects.sha256` and `predicate.json` into the folder STATEMENT, for
actions/attest to sign, and puts the digest of the manifest into the step's outputs as `manifest`. Nothing of
the app's runs here.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.artifact import MANIFEST, MODULES, Artifact
from pipeline.errors import PipelineError, run_job
from pipeline.inputs import ACCOUNT, DOMAIN, Source, Target, matching, required
from pipeline.manifest import Manifest, digest

SUBJECTS, PREDICATE = "subjects.sha256", "predicate.json"
# actions/attest, "Attestation Limits".
MAX_SUBJECTS = 1024
# "SLSA Provenance, version 1", the build type of GitHub's own provenance.
BUILD_TYPE = "https://actions.github.io/buildtypes/workflow/v1"


def subjects(manifest: Manifest, artifact: Artifact) -> str:
    """The lines of a `sha256sum` file: the manifest, and the modules where all of them may be named."""
    found = {MANIFEST: manifest.sha256}
    if len(artifact.modules) < MAX_SUBJECTS:
        found |= {f"{MODULES}/{name}": digest(content) for name, content in artifact.modules.items()}
    return "".join(f"{sha256}  {name}\n" for name, sha256 in found.items())


def predicate(manifest: Manifest, source: Source, namespace: str, env: Mapping[str, str]) -> dict[str, Any]:
    """What was built by which workflow from which sources."""
    server, operator = required(env, "GITHUB_SERVER_URL"), required(env, "GITHUB_REPOSITORY")
    _, ref = workflow_of(env)
    inputs = {
        "appId": source.app_id,
        "repo": source.repository,
        "commit": source.commit,
        "ref": source.ref,
        "directory": source.directory,
        "dispatchNamespace": namespace,
    }
    variables = {"APPS_DOMAIN": matching(env, "APPS_DOMAIN", DOMAIN, "the apps' domain")}
    dependencies = [
        {
            "uri": f"git+{server}/{operator}@{ref}",
            "digest": {"gitCommit": required(env, "GITHUB_SHA")},
        },
        {
            "name": "source",
            "uri": f"git+{server}/{source.repository}",
            "digest": {"gitCommit": source.commit},
            "annotations": {"directory": source.directory},
        },
    ]
    return provenance(env, inputs, variables, dependencies, {MANIFEST: manifest.encoded})


def provenance(
    env: Mapping[str, str],
    inputs: Mapping[str, str],
    variables: Mapping[str, str],
    dependencies: Sequence[Mapping[str, Any]],
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    """The predicate `https://slsa.dev/provenance/v1` of this run, for its Cloudflare account.

    `files` are JSON that was built. Raises PipelineError for what the run's environment lacks.
    """
    server, operator = required(env, "GITHUB_SERVER_URL"), required(env, "GITHUB_REPOSITORY")
    workflow, ref = workflow_of(env)
    run = f"{server}/{operator}/actions/runs/{required(env, 'GITHUB_RUN_ID')}"
    account = matching(env, "CLOUDFLARE_ACCOUNT_ID", ACCOUNT, "a Cloudflare account")
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "workflow": {"ref": ref, "repository": f"{server}/{operator}", "path": workflow},
                "inputs": dict(inputs),
                "vars": {**variables, "CLOUDFLARE_ACCOUNT_ID": account},
            },
            "internalParameters": {"github": {"event_name": required(env, "GITHUB_EVENT_NAME")}},
            "resolvedDependencies": list(dependencies),
        },
        "runDetails": {
            "builder": {"id": f"{server}/{operator}/{workflow}@{ref}"},
            "metadata": {"invocationId": f"{run}/attempts/{required(env, 'GITHUB_RUN_ATTEMPT')}"},
            "byproducts": [
                {
                    "name": name,
                    "mediaType": "application/json",
                    "content": base64.b64encode(content).decode(),
                }
                for name, content in files.items()
            ],
        },
    }


def workflow_of(env: Mapping[str, str]) -> tuple[str, str]:
    """The workflow's path in its repository, and the ref that it runs from."""
    place, _, ref = required(env, "GITHUB_WORKFLOW_REF").partition("@")
    repository = required(env, "GITHUB_REPOSITORY")
    if not ref or not place.startswith(f"{repository}/"):
        raise PipelineError("GITHUB_WORKFLOW_REF doesn't name a workflow of this repository.")
    return place.removeprefix(f"{repository}/"), ref


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("artifact", type=Path)
    parser.add_argument("statement", type=Path)
    arguments = parser.parse_args()
    source, target = Source.read(os.environ), Target.read(os.environ)
    artifact = Artifact.read(arguments.artifact)
    manifest = Manifest.check(arguments.artifact, source, artifact)
    found = predicate(manifest, source, target.namespace, os.environ)
    arguments.statement.mkdir(parents=True)
    (arguments.statement / SUBJECTS).write_text(subjects(manifest, artifact))
    (arguments.statement / PREDICATE).write_text(json.dumps(found))
    with open(required(os.environ, "GITHUB_OUTPUT"), "a") as outputs:
        outputs.write(f"manifest={manifest.sha256}\n")
    print(f"To be signed for {source.app_id}: {manifest.sha256}")


if __name__ == "__main__":
    run_job(main)
