import asyncio
import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

from local.github.annotations import LONGEST_MESSAGE, Annotation
from local.github.attestations import Attestations
from local.github.job_log import JobLog
from local.github.runner import Runner
from local.github.workflow import Workflow
from local.sigstore.authority import Authority
from local.staging import ROOT
from tests.pipeline.conftest import Cloudflare, cloudflare  # noqa: F401
from tests.pipeline.support import commit_all, copy_examples, git, git_server, is_running

DEPLOY = ROOT / ".github" / "workflows" / "deploy-worker.yml"


class Record:
    """What a run reported: events in order, and each job's log."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.logs: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.annotations: list[Annotation] = []
        self.on_log: Callable[[str], None] = lambda text: None

    async def job_started(self, job_id: str, name: str) -> None:
        self.events.append((job_id, "started"))
        self.names[job_id] = name

    async def step_started(self, job_id: str, number: int, name: str) -> None:
        self.events.append((job_id, number, name))

    async def step_completed(self, job_id: str, number: int, conclusion: str) -> None:
        self.events.append((job_id, number, conclusion))

    def log(self, job_id: str, text: str) -> None:
        self.logs[job_id] = self.logs.get(job_id, "") + text
        self.on_log(text)

    def annotate(self, job_id: str, annotation: Annotation) -> None:
        self.annotations.append(annotation)

    async def job_completed(self, job_id: str, conclusion: str) -> None:
        self.events.append((job_id, conclusion))

    def conclusions(self) -> dict[str, str]:
        """The conclusion of each job."""
        return {event[0]: event[1] for event in self.events if len(event) == 2 and event[1] != "started"}

    def steps(self, job_id: str) -> list[str]:
        """The conclusions of a job's own steps."""
        own = [event[2] for event in self.events if len(event) == 3 and event[0] == job_id]
        return own[3:-2:2]


class Trial:
    """Runs workflows in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.authority = Authority(folder / "sigstore")
        self.attestations = Attestations(folder / "attestations", self.authority)
        self.record = Record()

    def workflow(self, jobs: str) -> Workflow:
        path = self.folder / "workflow.yml"
        path.write_text(f"on: {{workflow_dispatch: }}\ndefaults: {{run: {{shell: bash}}}}\njobs:\n{jobs}")
        return Workflow.read(path)

    def run(self, workflow: Workflow | str, **context: Mapping[str, str]) -> str:
        if isinstance(workflow, str):
            workflow = self.workflow(workflow)
        runner = Runner(workflow, self.workspace, context, attestations=self.attestations)
        conclusion = asyncio.run(runner.run(self.record))
        assert not self.workspace.exists()
        return conclusion


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.fixture
def repositories(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder for repositories, and where they are served."""
    folder = tmp_path / "repositories"
    folder.mkdir()
    with git_server(folder) as address:
        yield folder, address


# Jobs and steps.


def test_steps_run_in_order_and_are_reported(trial: Trial) -> None:
    jobs = """
  greet:
    runs-on: any
    steps:
      - run: echo one > file
      - name: The second
        run: cat file
"""
    assert trial.run(jobs) == "success"
    assert trial.record.events == [
        ("greet", "started"),
        ("greet", 1, "Set up job"),
        ("greet", 1, "success"),
        ("greet", 2, "Run echo one > file"),
        ("greet", 2, "success"),
        ("greet", 3, "The second"),
        ("greet", 3, "success"),
        ("greet", 4, "Complete job"),
        ("greet", 4, "success"),
        ("greet", "success"),
    ]
    assert "one\n" in trial.record.logs["greet"]


def test_outputs_reach_later_steps_and_jobs(trial: Trial) -> None:
    jobs = """
  first:
    outputs: {greeting: "${{ steps.say.outputs.text }}!"}
    runs-on: any
    steps:
      - id: say
        run: |
          echo text=unused >> "$GITHUB_OUTPUT"
          printf 'text<<END\\nHello\\nWorld\\nEND\\n' >> "$GITHUB_OUTPUT"
  second:
    needs: first
    env: {TEXT: "${{ needs.first.outputs.greeting }}"}
    runs-on: any
    steps: [{run: "printf '<%s>' \\"$TEXT\\""}]
"""
    assert trial.run(jobs) == "success"
    assert "<Hello\nWorld!>" in trial.record.logs["second"]


def test_variables_and_path_entries_reach_later_steps(trial: Trial) -> None:
    jobs = """
  job:
    runs-on: any
    steps:
      - run: |
          mkdir bin
          printf '#!/bin/sh\\necho tool of $COLOR' > bin/tool
          chmod +x bin/tool
          echo "$PWD/bin" >> "$GITHUB_PATH"
          echo COLOR=red >> "$GITHUB_ENV"
      - run: tool
      - if: env.COLOR == 'red'
        run: echo condition met
"""
    assert trial.run(jobs) == "success"
    assert "tool of red" in trial.record.logs["job"]
    assert "condition met" in trial.record.logs["job"]


def test_a_bad_line_in_a_command_file_fails_the_step(trial: Trial) -> None:
    jobs = """
  job: {runs-on: any, steps: [{run: 'echo nothing >> "$GITHUB_OUTPUT"'}]}
  other: {runs-on: any, steps: [{run: 'echo "a<<END" >> "$GITHUB_OUTPUT"'}]}
"""
    assert trial.run(jobs) == "failure"
    assert "##[error]Invalid format 'nothing'" in trial.record.logs["job"]
    assert "##[error]Matching delimiter not found 'END'" in trial.record.logs["other"]


def test_a_failure_skips_what_comes_after_it(trial: Trial) -> None:
    jobs = """
  build:
    runs-on: any
    steps:
      - run: "false | true"
      - run: echo unreached
      - if: always()
        run: echo cleaned
      - if: failure()
        run: echo told
  deploy:
    needs: build
    runs-on: any
    steps: [{run: echo unreached}]
  notify:
    needs: deploy
    if: failure()
    runs-on: any
    steps: [{run: "echo build was ${{ needs.deploy.result }}"}]
"""
    assert trial.run(jobs) == "failure"
    assert trial.record.steps("build") == ["failure", "skipped", "success", "success"]
    assert trial.record.conclusions() == {"build": "failure", "deploy": "skipped", "notify": "success"}
    assert ("deploy", "started") not in trial.record.events
    assert "##[error]Process completed with exit code 1." in trial.record.logs["build"]
    assert "build was skipped" in trial.record.logs["notify"]
    assert "unreached" not in str(trial.record.logs).replace("Run echo unreached", "")


def test_a_skipped_job_is_no_failure_and_skips_what_needs_it(trial: Trial) -> None:
    jobs = """
  one: {if: "inputs.go == 'yes'", runs-on: any, steps: [{run: echo}]}
  two: {needs: one, runs-on: any, steps: [{run: echo}]}
  three: {needs: two, if: failure(), runs-on: any, steps: [{run: echo}]}
"""
    assert trial.run(jobs, inputs={"go": "no"}) == "success"
    assert set(trial.record.conclusions().values()) == {"skipped"}


def test_jobs_that_do_not_need_each_other_run_at_once(trial: Trial) -> None:
    pipe = trial.folder / "pipe"
    os.mkfifo(pipe)
    jobs = f"""
  one: {{runs-on: any, steps: [{{run: "echo hello > {pipe}"}}]}}
  two: {{runs-on: any, steps: [{{run: "cat {pipe}"}}]}}
"""
    assert trial.run(jobs) == "success"
    assert "hello" in trial.record.logs["two"]


def test_a_job_has_a_workspace_of_its_own(trial: Trial) -> None:
    jobs = """
  one: {runs-on: any, steps: [{run: 'touch mine; touch "$HOME/mine" "$RUNNER_TEMP/mine"'}]}
  two: {needs: one, runs-on: any, steps: [{run: 'ls -A . "$HOME"; test ! -e "$RUNNER_TEMP/mine"'}]}
"""
    assert trial.run(jobs) == "success"
    assert "mine" not in trial.record.logs["two"].partition("endgroup")[2]


def test_a_step_runs_in_its_working_directory(trial: Trial) -> None:
    jobs = """
  job:
    runs-on: any
    steps:
      - run: mkdir here
      - working-directory: here
        run: basename "$PWD"
      - working-directory: there
        run: echo
"""
    assert trial.run(jobs) == "failure"
    assert "\nhere\n" in trial.record.logs["job"]
    assert "##[error]The working directory there isn't there." in trial.record.logs["job"]


def test_an_unknown_action_fails_the_job_by_name_before_anything_runs(trial: Trial) -> None:
    jobs = """
  job: {runs-on: any, steps: [{run: echo unreached}, {uses: someone/something@v1}]}
"""
    assert trial.run(jobs) == "failure"
    assert ("job", 1, "failure") in trial.record.events
    assert "'someone/something@v1'" in trial.record.logs["job"]
    assert "unreached" not in trial.record.logs["job"]


# Secrets and the environment.


def test_a_secret_is_only_where_it_is_named_and_masked_in_logs(trial: Trial) -> None:
    jobs = """
  build:
    runs-on: any
    steps: [{run: env}]
  deploy:
    runs-on: any
    steps:
      - run: env
      - env: {KEY: "${{ secrets.KEY }}"}
        run: echo "key=$KEY"; test "$KEY" = "hush hush"
"""
    assert trial.run(jobs, secrets={"KEY": "hush hush"}) == "success"
    logs = trial.record.logs
    assert "hush" not in logs["build"]
    assert "KEY=" not in logs["build"]
    assert "CI=true" in logs["build"]
    assert "hush" not in logs["deploy"]
    assert "key=***\n" in logs["deploy"]


def test_processes_see_only_the_named_variables(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATORS_TOKEN", "leaked")
    jobs = """
  job:
    env: {COLOR: red}
    runs-on: any
    steps: [{run: env, env: {SIZE: large}}]
"""
    trial.run(jobs, github={"repository": "alice/hello", "run_id": "7"})
    log = trial.record.logs["job"].splitlines()
    assert not [line for line in log if line.startswith("OPERATORS_TOKEN")]
    assert {"COLOR=red", "SIZE=large", "GITHUB_REPOSITORY=alice/hello", "GITHUB_RUN_ID=7"} <= set(log)
    assert f"GITHUB_WORKSPACE={trial.workspace / 'job' / 'work'}" in log


SECRETS = ["abc", "abcdef", "first\nsecond"]


@given(st.lists(st.sampled_from(["abc", "def", "first", "second", "\n", "x"]), max_size=12), st.data())
def test_secrets_are_masked_however_the_output_comes(parts: list[str], data: st.DataObject) -> None:
    output = "".join(parts).encode()
    lines: list[str] = []
    log = JobLog(lines.append, SECRETS)
    while output:
        size = data.draw(st.integers(1, len(output)))
        log.feed(output[:size])
        output = output[size:]
    log.flush()
    text = "".join(lines)
    assert not [secret for secret in ("abc", "first", "second") if secret in text]
    plain = "".join(parts).replace("abcdef", "***").replace("abc", "***")
    plain = plain.replace("first", "***").replace("second", "***")
    assert text == (plain if not plain or plain.endswith("\n") else plain + "\n")


def test_workflow_commands_count_unless_they_are_stopped() -> None:
    lines: list[str] = []
    annotations: list[Annotation] = []
    log = JobLog(lines.append, [], annotations.append)
    for line in (
        "::error file=a%2Cb,line=3,title=It%3A::It is%0Awrong",
        "::add-mask::pin",
        "pin",
        "::stop-commands::word",
        "::error::shown as it is",
        "::add-mask::open",
        "::word::",
        "open",
    ):
        log.write(line)
    assert lines == [
        "##[error]It is\nwrong\n",
        "***\n",
        "::error::shown as it is\n",
        "::add-mask::open\n",
        "open\n",
    ]
    assert annotations == [Annotation("failure", "It is\nwrong", "It:", "a,b", 3)]


def test_a_line_without_an_end_is_broken() -> None:
    lines: list[str] = []
    log = JobLog(lines.append, [])
    log.feed(b"x" * 70_000)
    assert [len(line) for line in lines] == [70_001]


NOISY = """
  noisy:
    runs-on: any
    steps:
      - run: |
          for number in $(seq 12); do echo "::error::$number"; echo "::warning::$number"; done
      - run: |
          echo "::error title=Why::The key is $KEY, and it $(printf 'x%.0s' $(seq 5000))"
          exit 3
        env: {KEY: "${{ secrets.KEY }}"}
"""


def test_what_a_job_says_to_people_is_kept_within_githubs_limits(trial: Trial) -> None:
    assert trial.run(NOISY, secrets={"KEY": "hidden"}) == "failure"
    said = [annotation for annotation in trial.record.annotations if annotation.level == "failure"]
    assert [annotation.message for annotation in said[:10]] == [str(number) for number in range(1, 11)]
    why, end = said[10:]
    assert why.title == "Why"
    assert why.message.startswith("The key is ***, and it xxx")
    assert len(why.message) == LONGEST_MESSAGE
    assert end.message == "Process completed with exit code 3."
    assert len(trial.record.annotations) == 22


# The end of a run.


LONG = """
  long:
    runs-on: any
    steps:
      - run: |
          sleep 600 &
          echo "ids $! $$"
          wait
      - run: echo unreached
  after: {needs: long, runs-on: any, steps: [{run: echo}]}
"""


def test_a_cancelled_run_leaves_no_process_and_no_folder(trial: Trial) -> None:
    started = asyncio.Event()
    trial.record.on_log = lambda text: started.set() if text.startswith("ids ") else None

    async def start_and_cancel() -> None:
        run = asyncio.create_task(Runner(trial.workflow(LONG), trial.workspace, {}).run(trial.record))
        await started.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(start_and_cancel())
    ids = next(line for line in trial.record.logs["long"].splitlines() if line.startswith("ids ")).split()[1:]
    assert len(ids) == 2
    assert not [process_id for process_id in ids if is_running(int(process_id))]
    assert not trial.workspace.exists()
    assert trial.record.conclusions() == {"long": "cancelled", "after": "skipped"}
    assert ("long", 2, "cancelled") in trial.record.events


def with_timeouts(workflow: Workflow, seconds: float, of_steps: bool) -> Workflow:
    """The workflow with timeouts of its jobs, or of their steps, that are no whole minutes."""
    jobs = {}
    for job_id, job in workflow.jobs.items():
        steps = tuple(dataclasses.replace(step, timeout_minutes=seconds / 60) for step in job.steps)
        jobs[job_id] = dataclasses.replace(
            job, **({"steps": steps} if of_steps else {"timeout_minutes": seconds / 60})
        )
    return dataclasses.replace(workflow, jobs=jobs)


@pytest.mark.parametrize(("of_steps", "conclusion"), [(False, "cancelled"), (True, "failure")])
def test_what_takes_too_long_is_ended(trial: Trial, of_steps: bool, conclusion: str) -> None:
    assert trial.run(with_timeouts(trial.workflow(LONG), 0.5, of_steps)) == conclusion
    assert trial.record.conclusions() == {"long": conclusion, "after": "skipped"}
    assert "timed out" in trial.record.logs["long"] or "maximum execution time" in trial.record.logs["long"]
    ids = next(line for line in trial.record.logs["long"].splitlines() if line.startswith("ids ")).split()[1:]
    assert not [process_id for process_id in ids if is_running(int(process_id))]


@pytest.mark.parametrize("ticks", range(1, 6))
def test_a_run_that_is_cancelled_at_once_reports_each_job_once(trial: Trial, ticks: int) -> None:
    async def start_and_cancel() -> None:
        run = asyncio.create_task(Runner(trial.workflow(LONG), trial.workspace, {}).run(trial.record))
        for _ in range(ticks):
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(start_and_cancel())
    completed = [event for event in trial.record.events if len(event) == 2 and event[1] != "started"]
    assert sorted(job_id for job_id, _ in completed) == ["after", "long"]
    assert {conclusion for _, conclusion in completed} <= {"cancelled", "skipped"}
    assert not trial.workspace.exists()


@pytest.mark.parametrize(
    "command",
    [
        "sleep 600 &",
        pytest.param(
            "setsid sleep 600 &",
            marks=pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc"),
        ),
    ],
)
def test_nothing_that_a_step_started_outlives_it(trial: Trial, command: str) -> None:
    jobs = f"""
  job:
    runs-on: any
    steps:
      - run: |
          {command}
          echo "id $!"
"""
    assert trial.run(jobs) == "success"
    log = trial.record.logs["job"].splitlines()
    assert not is_running(int(next(line for line in log if line.startswith("id ")).split()[1]))


# Actions.


def test_an_apps_commit_is_checked_out_without_history_or_credentials(
    trial: Trial, repositories: tuple[Path, str]
) -> None:
    folder, address = repositories
    app = folder / "alice" / "hello"
    app.mkdir(parents=True)
    (app / "index.js").write_text("first")
    commit = commit_all(app)
    (app / "index.js").write_text("second")
    git(app, "commit", "--quiet", "--all", "--message", "Second")
    jobs = f"""
  job:
    runs-on: any
    steps:
      - uses: actions/checkout@v6
        with: {{repository: alice/hello, ref: {commit}, path: app, persist-credentials: false}}
      - working-directory: app
        run: cat index.js; git rev-parse HEAD; git rev-list --count HEAD; cat .git/config
"""
    assert trial.run(jobs, github={"server_url": address}) == "success"
    log = trial.record.logs["job"]
    assert f"first{commit}\n1\n" in log
    assert "extraheader" not in log
    assert f"url = {address}/alice/hello\n" in log  # submodules may have addresses relative to it


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ("repository: alice/hello, ref: main, persist-credentials: false", "'main'"),
        ("repository: alice/hello, ref: --upload-pack=x, persist-credentials: false", "'--upload-pack=x'"),
        ("repository: ../etc/x, ref: {commit}, persist-credentials: false", "'../etc/x'"),
        ("repository: alice/hello, ref: {commit}, path: ../out, persist-credentials: false", "'../out'"),
        ("repository: alice/hello, ref: {commit}", "persist-credentials"),
        ("persist-credentials: false", "sparse-checkout"),
        ("repository: alice/hello, lfs: true, persist-credentials: false", "'lfs'"),
    ],
)
def test_a_checkout_that_is_not_safe_or_not_known_is_refused(trial: Trial, inputs: str, named: str) -> None:
    inputs = inputs.format(commit="0" * 40)
    jobs = f"""
  job: {{runs-on: any, steps: [{{uses: actions/checkout@v6, with: {{{inputs}}}}}]}}
"""
    assert trial.run(jobs, github={"server_url": "http://127.0.0.1:9"}) == "failure"
    assert named in trial.record.logs["job"]


def test_a_commit_that_is_not_there_fails_the_checkout(trial: Trial, repositories: tuple[Path, str]) -> None:
    folder, address = repositories
    app = folder / "alice" / "hello"
    app.mkdir(parents=True)
    commit_all(app)
    jobs = f"""
  job:
    runs-on: any
    steps:
      - uses: actions/checkout@v6
        with: {{repository: alice/hello, ref: {"0" * 40}, persist-credentials: false}}
"""
    assert trial.run(jobs, github={"server_url": address}) == "failure"
    assert "0" * 40 in trial.record.logs["job"]


def test_an_artifact_goes_from_job_to_job(trial: Trial) -> None:
    jobs = """
  one:
    runs-on: any
    steps:
      - run: mkdir -p out/deep && echo one > out/deep/file && echo two > out/.hidden
      - uses: actions/upload-artifact@v7
        with: {name: plain, path: out}
      - uses: actions/upload-artifact@v7
        with: {name: whole, path: out, include-hidden-files: true}
  two:
    needs: one
    runs-on: any
    steps:
      - uses: actions/download-artifact@v8
        with: {name: plain, path: plain}
      - uses: actions/download-artifact@v8
        with: {name: whole, path: whole}
      - run: find . -type f | sort
"""
    assert trial.run(jobs) == "success"
    assert "./plain/deep/file\n./whole/.hidden\n./whole/deep/file\n" in trial.record.logs["two"]


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ("{uses: actions/download-artifact@v8, with: {name: none, path: x}}", "none"),
        (
            "{uses: actions/upload-artifact@v7, with: {name: a, path: x, if-no-files-found: error}}",
            "No files",
        ),
        (
            "{run: mkdir x && touch 'x/a:b'}, {uses: actions/upload-artifact@v7, with: {name: a, path: x}}",
            "a:b",
        ),
        ("{uses: actions/upload-artifact@v7, with: {name: ../a, path: .}}", "'../a'"),
    ],
)
def test_an_artifact_that_github_would_refuse_fails_the_step(trial: Trial, steps: str, named: str) -> None:
    assert trial.run(f"\n  job: {{runs-on: any, steps: [{steps}]}}\n") == "failure"
    assert "##[error]" in trial.record.logs["job"]
    assert named in trial.record.logs["job"]


# The deploy workflow itself.


WORKFLOW_REF = "codius/codius-workers/.github/workflows/deploy-worker.yml@refs/heads/main"


class Deployment:
    """A repository alice/apps with the examples, and what a run of the deploy workflow needs."""

    def __init__(self, trial: Trial, folder: Path, address: str, api: Cloudflare) -> None:
        self.trial = trial
        self.app = folder / "alice" / "apps"
        self.app.mkdir(parents=True)
        copy_examples(self.app)
        self.commit = commit_all(self.app)
        self.context = {
            "github": {
                "server_url": address,
                "repository": "codius/codius-workers",
                "workflow_ref": WORKFLOW_REF,
                "ref": "refs/heads/main",
                "sha": "d" * 40,
                "run_id": "77",
                "run_attempt": "1",
                "event_name": "workflow_dispatch",
            },
            "vars": {
                "APPS_DOMAIN": "apps.example",
                "CLOUDFLARE_ACCOUNT_ID": "local",
                "CLOUDFLARE_API_BASE_URL": api.url,
            },
            "secrets": {"CLOUDFLARE_API_TOKEN": "token-of-the-operator"},
        }

    def run(self, **inputs: str) -> str:
        given = {"appId": "abc", "repo": "alice/apps", "commit": self.commit, "dispatchNamespace": "testing"}
        return self.trial.run(Workflow.read(DEPLOY), **self.context, inputs={**given, **inputs})


@pytest.fixture
def deployment(
    trial: Trial,
    repositories: tuple[Path, str],
    cloudflare: Cloudflare,  # noqa: F811
) -> Deployment:
    return Deployment(trial, *repositories, cloudflare)


def test_what_the_deploy_workflow_deploys_was_signed_by_it(
    deployment: Deployment,
    cloudflare: Cloudflare,  # noqa: F811
) -> None:
    assert deployment.run(directory="examples/palette", ref="main") == "success"
    assert "token-of-the-operator" not in str(deployment.trial.record.logs)
    trial, server = deployment.trial, deployment.context["github"]["server_url"]
    notify, app_id, sha256 = trial.record.names["notify"].split(" ")
    assert (notify, app_id) == ("notify", "abc")
    (identity,) = trial.attestations.of(sha256)
    bundle = trial.attestations.bundle(identity)
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(trial.authority.trusted_root)))
    workflow = Identity(
        identity=f"{server}/{WORKFLOW_REF}", issuer="https://token.actions.githubusercontent.com"
    )
    kind, payload = verifier.verify_dsse(Bundle.from_json(json.dumps(bundle)), workflow)
    assert kind == "application/vnd.in-toto+json"
    statement = json.loads(payload)
    script = cloudflare.store.get("testing", "abc")
    assert script is not None
    assert script["main_module"] == "index.js"
    digests = {
        f"modules/{module['name']}": hashlib.sha256(base64.b64decode(module["content"])).hexdigest()
        for module in script["modules"]
    }
    assert {item["name"]: item["digest"]["sha256"] for item in statement["subject"]} == {
        "manifest.json": sha256,
        **digests,
    }
    assert statement["predicate"]["buildDefinition"]["resolvedDependencies"][1]["digest"] == {
        "gitCommit": deployment.commit
    }


def test_only_a_job_that_may_sign_signs(trial: Trial) -> None:
    checksums = f"{'0' * 64}  x"
    jobs = f"""
  sign:
    permissions: {{id-token: write}}
    runs-on: any
    steps:
      - run: echo "{checksums}" > checksums; echo "{{}}" > predicate
      - uses: actions/attest@v4
        with: {{subject-checksums: checksums, predicate-type: x, predicate-path: predicate}}
"""
    assert trial.run(jobs) == "failure"
    assert "##[error]The job needs the permission attestations: write." in trial.record.logs["sign"]
    assert trial.attestations.of("0" * 64) == []


def test_a_build_never_sees_the_operators_token(
    deployment: Deployment,
    cloudflare: Cloudflare,  # noqa: F811
) -> None:
    folder = deployment.app / "spy"
    folder.mkdir()
    (folder / "index.js").write_text("export default { fetch() { return new Response() } };")
    (folder / "wrangler.toml").write_text(
        'name = "spy"\nmain = "index.js"\ncompatibility_date = "2026-11-01"\n'
        '[build]\ncommand = "env; cat /proc/$PPID/environ; grep -rs token-of ../../..; true"\n'
    )
    deployment.commit = commit_all(deployment.app)
    deployment.run(directory="spy")
    log = deployment.trial.record.logs["build"]
    assert "CI=true" in log
    assert "***" not in log
    assert "CLOUDFLARE_API_TOKEN" not in log


def test_a_worker_that_does_not_build_is_not_deployed(
    deployment: Deployment,
    cloudflare: Cloudflare,  # noqa: F811
) -> None:
    folder = deployment.app / "broken"
    folder.mkdir()
    (folder / "index.js").write_text("export default {")
    (folder / "wrangler.toml").write_text('main = "index.js"\ncompatibility_date = "2026-11-01"\n')
    deployment.commit = commit_all(deployment.app)
    assert deployment.run(directory="broken") == "failure"
    skipped = dict.fromkeys(("attest", "deploy", "notify"), "skipped")
    assert deployment.trial.record.conclusions() == {"build": "failure", **skipped}
    assert "##[error]wrangler could not bundle" in deployment.trial.record.logs["build"]
    assert cloudflare.store.list("testing") == []


ATTACKS = [
    "$(touch {file})",
    "`touch {file}`",
    "x\ntouch {file}\n",
    "'; touch {file}; '",
    '"; touch {file}; "',
    "${{{{ secrets.CLOUDFLARE_API_TOKEN }}}}; touch {file}",
]
# A ref with it is deployed: one run has all of them, whatever quotes they would be between.
ALL_ON_ONE_LINE = "".join(attack for attack in ATTACKS if "\n" not in attack)


@pytest.mark.parametrize(
    ("name", "attack"),
    [
        *(("directory", attack) for attack in ATTACKS),
        *(("ref", attack) for attack in (ALL_ON_ONE_LINE, "x\ntouch {file}\n")),
        *((name, "$(touch {file})") for name in ("appId", "repo", "commit", "dispatchNamespace")),
    ],
)
def test_an_input_is_never_run(
    deployment: Deployment,
    cloudflare: Cloudflare,  # noqa: F811
    name: str,
    attack: str,
) -> None:
    file = deployment.trial.folder / "touched"
    inputs = {"directory": "examples/hello", name: attack.format(file=file)}
    conclusion = deployment.run(**inputs)
    assert not file.exists()
    assert "token-of-the-operator" not in str(deployment.trial.record.logs)
    # A ref says only how the commit was found, and a quote may be in one.
    assert conclusion == ("success" if name == "ref" and "\n" not in attack else "failure")
    assert bool(cloudflare.store.list("testing")) is (conclusion == "success")
