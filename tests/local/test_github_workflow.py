from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.github.expressions import Contexts, condition_holds, parse, render
from local.github.workflow import Workflow, WorkflowError
from local.staging import ROOT

VALUES: dict[str, Any] = {
    "inputs": {"name": "World", "empty": "", "tricky": "${{ secrets.KEY }} $(touch x)"},
    "secrets": {"KEY": "hush"},
    "vars": {"N": "3"},
    "needs": {"build": {"result": "success", "outputs": {"digest": "abc"}}},
    "steps": {"one": {"outputs": {"x-y": "z"}, "conclusion": "failure"}},
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.name", "World"),
        ("needs.build.outputs.digest", "abc"),
        ("steps.one.outputs.x-y", "z"),
        ("inputs.absent", None),
        ("needs.absent.outputs.x", None),
        ("'it''s'", "it's"),
        ("42", 42.0),
        ("true", True),
        ("null", None),
        ("inputs.name == 'world'", True),
        ("inputs.name != 'world'", False),
        ("vars.N == 3", True),
        ("inputs.empty == 0", True),
        ("inputs.empty == null", True),
        ("inputs.name == 0", False),
        ("true == 1", True),
        ("!inputs.empty", True),
        ("inputs.empty || inputs.name", "World"),
        ("inputs.name && vars.N", "3"),
        ("inputs.empty && vars.N", ""),
        ("true || true && false", True),
        ("(true || true) && false", False),
        ("!true == false", True),
        ("format('{1}-{0}-{{0}}', inputs.name, vars.N)", "3-World-{0}"),
        ("success()", True),
        ("failure() || always()", True),
    ],
)
def test_an_expression_has_the_value_that_github_gives_it(source: str, value: Any) -> None:
    assert parse(source)(Contexts(VALUES)) == value


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("toJSON(inputs)", "toJSON"),
        ("matrix.os", "matrix"),
        ("inputs['name']", "['name']"),
        ("inputs.name > 3", "> 3"),
        ("inputs.*.name", ".*"),
        ("inputs.name inputs.name", "inputs.name"),
        ("(true", "nothing more"),
        ("", "nothing more"),
        ("true ==", "nothing more"),
        ("always(1)", "always"),
        ("format()", "format"),
    ],
)
def test_an_expression_that_is_not_known_is_named(source: str, named: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        parse(source)
    assert named in str(caught.value)


def test_a_format_that_names_a_missing_value_is_an_error() -> None:
    with pytest.raises(WorkflowError, match="isn't given"):
        render("${{ format('{1}', 'a') }}", Contexts({}))


def test_values_are_not_evaluated_again() -> None:
    assert render("<${{ inputs.tricky }}>", Contexts(VALUES)) == "<${{ secrets.KEY }} $(touch x)>"


@given(st.text())
def test_a_literal_renders_as_its_text(text: str) -> None:
    literal = text.replace("'", "''")
    if "}}" not in text:
        assert render(f"a${{{{ '{literal}' }}}}b", Contexts({})) == f"a{text}b"


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_format_puts_each_value_into_its_place(values: list[str]) -> None:
    inputs = {f"v{number}": value for number, value in enumerate(values)}
    template = "|".join(f"{{{number}}}" for number in range(len(values)))
    source = f"${{{{ format('{template}', {', '.join(f'inputs.{name}' for name in inputs)}) }}}}"
    assert render(source, Contexts({"inputs": inputs})) == "|".join(values)


@pytest.mark.parametrize(
    ("condition", "status", "holds"),
    [
        ("true", "success", True),
        ("true", "failure", False),
        ("${{ inputs.name == 'World' }}", "success", True),
        ("inputs.name == 'World' && failure()", "success", False),
        ("inputs.name == 'World' && failure()", "failure", True),
        ("always()", "cancelled", True),
        ("cancelled()", "cancelled", True),
        ("!success()", "failure", True),
        ("'failure()' == 'x'", "failure", False),
    ],
)
def test_a_condition_needs_success_unless_it_asks_for_a_status(
    condition: str, status: str, holds: bool
) -> None:
    assert condition_holds(condition, Contexts(VALUES, status)) is holds


# Files.

SMALL = """
on:
  workflow_dispatch:
    inputs:
      name: {required: true, description: Whose}
      greeting: {default: Hello}
run-name: Greet ${{ inputs.name }}
concurrency: {group: "greet-${{ inputs.name }}", cancel-in-progress: true}
jobs:
  second:
    needs: first
    runs-on: any
    steps: [{run: echo}]
  first:
    name: The first
    runs-on: any
    steps: [{run: "echo one\\necho two"}, {uses: actions/checkout@v6, with: {fetch-depth: 1}}]
"""


def read(tmp_path: Path, text: str) -> Workflow:
    path = tmp_path / "greet.yml"
    path.write_text(text)
    return Workflow.read(path)


def test_a_workflow_is_read(tmp_path: Path) -> None:
    workflow = read(tmp_path, SMALL)
    assert workflow.name == "greet.yml"
    assert workflow.inputs["name"].required
    assert not workflow.inputs["greeting"].required
    assert workflow.inputs["greeting"].default == "Hello"
    assert list(workflow.jobs) == ["first", "second"]
    assert [job.name for job in workflow.jobs.values()] == ["The first", "second"]
    assert workflow.jobs["second"].needs == ("first",)
    assert [step.name for step in workflow.jobs["first"].steps] == ["Run echo one", "Run actions/checkout@v6"]
    assert workflow.title({"name": "Ann"}) == "Greet Ann"
    assert workflow.concurrency({"name": "Ann"}) == ("greet-Ann", True)


def test_without_a_run_name_or_concurrency_there_are_githubs_defaults(tmp_path: Path) -> None:
    workflow = read(tmp_path, "{name: Greet, on: {workflow_dispatch: }, jobs: {a: {runs-on: any}}}")
    assert workflow.title({}) == "Greet"
    assert workflow.concurrency({}) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("jobs: [", "greet.yml"),
        ("- a", "must be a mapping"),
        ("schedule: x", "'schedule'"),
        ("jobs: {a: {strategy: {}}}", "'strategy'"),
        ("jobs: {a: {steps: [{run: a, continue-on-error: true}]}}", "'continue-on-error'"),
        ("jobs: {a: {steps: [{name: b}]}}", "either uses or run"),
        ("jobs: {a: {steps: [{run: a, uses: b}]}}", "either uses or run"),
        ("jobs: {a: {needs: b}}", "a"),
        ("{on: {push: }, jobs: {a: {runs-on: c, needs: b}, b: {runs-on: c, needs: [a]}}}", "a, b"),
        ("jobs: {a: {runs-on: c, env: {A: [1]}}}", "env.A"),
        ("jobs: {a: {steps: [{run: 'echo ${{ hashFiles(1) }}'}]}}", "hashFiles"),
        ("jobs: {a: {if: contains(1)}}", "contains"),
        ("jobs: {a: {runs-on: c, timeout-minutes: 0.5}}", "timeout-minutes"),
        ("{on: {workflow_dispatch: {inputs: {a: {type: boolean}}}}, jobs: {a: {runs-on: any}}}", "boolean"),
        (
            "{on: {push: }, concurrency: {group: a, cancel-in-progress: maybe}, jobs: {a: {runs-on: any}}}",
            "cancel-in-progress",
        ),
        ("defaults: {job: {}}", "'job'"),
    ],
)
def test_what_is_not_honored_is_refused_with_its_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        read(tmp_path, text)
    assert named in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"absent\.yml"):
        Workflow.read(tmp_path / "absent.yml")


def test_the_deploy_workflow_is_what_the_dashboard_dispatches() -> None:
    workflow = Workflow.read(ROOT / ".github" / "workflows" / "deploy-worker.yml")
    required = {name for name, value in workflow.inputs.items() if value.required}
    assert required == {"appId", "repo", "commit", "dispatchNamespace"}
    assert set(workflow.inputs) == required | {"ref", "directory"}
    assert workflow.title({"appId": "abc"}) == "Deploy abc"
    assert workflow.concurrency({"appId": "abc"}) == ("deploy-abc", True)
    assert [(job.id, job.name) for job in workflow.jobs.values()] == [
        ("build", "build"),
        ("attest", "attest"),
        ("deploy", "deploy"),
        ("notify", "notify ${{ inputs.appId }} ${{ needs.attest.outputs.manifest }}"),
    ]


def test_no_script_of_the_deploy_workflow_has_an_expression_in_it() -> None:
    workflow = Workflow.read(ROOT / ".github" / "workflows" / "deploy-worker.yml")
    scripts = [step.run for job in workflow.jobs.values() for step in job.steps if step.run]
    assert scripts
    assert not [script for script in scripts if "${{" in script]


def test_only_the_last_step_of_deploying_is_given_a_secret() -> None:
    workflow = Workflow.read(ROOT / ".github" / "workflows" / "deploy-worker.yml")
    steps = [step for job in workflow.jobs.values() for step in job.steps]
    assert [step.name for step in steps if "secrets." in repr(step)] == ["Deploy the Worker"]
    assert not [job.id for job in workflow.jobs.values() if "secrets." in repr(job.env)]
