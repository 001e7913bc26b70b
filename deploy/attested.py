"""The jobs of deploy-platform.yml: the platform's Workers are built, signed, deployed and read back.

    python -m deploy.attested build FOLDER          writes the three manifests
    python -m deploy.attested statement FOLDER OUT  writes what is to be signed of them
    python -m deploy.attested deploy FOLDER         requires these of this checkout, deploys, reads back

ENV names the environment, as for `make deploy`; the run is read from GitHub's own variables. The job that
signs runs nothing that was built. What is deployed is what the same commit gives once more: anything else
stops it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.configs import ENVIRONMENTS, Installation
from deploy.errors import DeployError
from deploy.platform import Commit, PlatformManifest, manifests_of
from deploy.read_back import problems_at_cloudflare
from pipeline.attest import PREDICATE, SUBJECTS, provenance
from pipeline.errors import PipelineError, annotation
from pipeline.inputs import COMMIT, matching, required

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("billing", "dashboard", "dispatch")


def commit_of(env: Mapping[str, str]) -> Commit:
    return Commit(
        required(env, "GITHUB_REPOSITORY"), matching(env, "GITHUB_SHA", COMMIT, "a full commit hash")
    )


def build(installation: Installation, folder: Path, env: Mapping[str, str]) -> None:
    folder.mkdir(parents=True)
    for manifest in manifests_of(installation, commit_of(env)):
        (folder / manifest.file).write_bytes(manifest.encoded)
        print(f"{manifest.part}: {manifest.sha256}")


def read(folder: Path) -> list[PlatformManifest]:
    return [PlatformManifest(part, (folder / f"{part}.json").read_bytes()) for part in PARTS]


def statement(folder: Path, out: Path, environment: str, env: Mapping[str, str]) -> None:
    """What the job `build` handed on is taken as data: it must be this commit's and environment's."""
    manifests, commit = read(folder), commit_of(env)
    for manifest in manifests:
        content = json.loads(manifest.encoded)
        claimed = (content["part"], content["environment"], content["source"])
        source = {"repository": commit.repository, "commit": commit.commit}
        if claimed != (manifest.part, environment, source):
            raise DeployError(f"The manifest of {manifest.part} is of something else.")
    out.mkdir(parents=True)
    (out / SUBJECTS).write_text("".join(f"{item.sha256}  {item.file}\n" for item in manifests))
    (out / PREDICATE).write_text(json.dumps(predicate(manifests, environment, env)))
    digests = " ".join(manifest.sha256 for manifest in manifests)
    with open(required(env, "GITHUB_OUTPUT"), "a") as outputs:
        outputs.write(f"manifests={digests}\n")


def predicate(manifests: Sequence[PlatformManifest], environment: str, env: Mapping[str, str]) -> Any:
    """SLSA's provenance v1, of all three."""
    server, commit = required(env, "GITHUB_SERVER_URL"), commit_of(env)
    source = {
        "name": "source",
        "uri": f"git+{server}/{commit.repository}",
        "digest": {"gitCommit": commit.commit},
    }
    files = {manifest.file: manifest.encoded for manifest in manifests}
    return provenance(env, {"environment": environment}, {}, [source], files)


def deploy(installation: Installation, folder: Path, env: Mapping[str, str]) -> None:
    signed = required(env, "MANIFESTS_SHA256").split()
    manifests = read(folder)
    if [manifest.sha256 for manifest in manifests] != signed:
        raise DeployError("What was built is not what was signed.")
    made = {manifest.part: manifest.sha256 for manifest in manifests_of(installation, commit_of(env))}
    for manifest in manifests:
        if made.get(manifest.part) != manifest.sha256:
            raise DeployError(f"Built once more, {manifest.part} is not what was signed.")
    messages = {manifest.part: manifest.message for manifest in manifests}
    done = subprocess.run(
        [sys.executable, "-m", "deploy"],
        cwd=installation.root,
        env={**env, "ENV": installation.environment, "ATTESTED": json.dumps(messages)},
    )
    if done.returncode != 0:
        raise DeployError("The deploy failed.")
    problems = [
        problem for manifest in manifests for problem in problems_at_cloudflare(installation, manifest)
    ]
    if problems:
        raise DeployError("\n  ".join(["What is deployed is not what was signed:", *problems]))
    print("Read back: Cloudflare has what was signed.")


def job_of(arguments: Sequence[str], env: Mapping[str, str]) -> Callable[[], None] | None:
    """What is asked for, None for anything else."""
    environment = env.get("ENV", "")
    if environment not in ENVIRONMENTS:
        return None
    installation = Installation(ROOT, environment)
    match arguments:
        case ["build", folder]:
            return lambda: build(installation, Path(folder), env)
        case ["statement", folder, out]:
            return lambda: statement(Path(folder), Path(out), environment, env)
        case ["deploy", folder]:
            return lambda: deploy(installation, Path(folder), env)
    return None


def main(arguments: Sequence[str]) -> int:
    job = job_of(arguments, os.environ)
    if job is None:
        print(f"{__doc__}\nENV must be one of {', '.join(ENVIRONMENTS)}.", file=sys.stderr)
        return 2
    try:
        job()
    except (DeployError, PipelineError, OSError, KeyError, ValueError) as error:
        message, _, more = str(error).partition("\n")
        print(annotation(message, more), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
