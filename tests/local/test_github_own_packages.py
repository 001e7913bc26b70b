"""The local Actions beside GitHub's own packages: they may know less, but nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from local.github.expression_values import text_of, truthy
from local.github.expressions import Contexts, parse
from local.github.workflow import Workflow, WorkflowError
from local.staging import NODE_BIN, ROOT

Ask = Callable[..., dict[str, Any]]
CONTEXTS: dict[str, Any] = {
    "inputs": {"name": "World", "empty": "", "number": "3", "yes": "true"},
    "needs": {"build": {"result": "success", "outputs": {"a-b": "abc"}}},
    "vars": {},
}
STATUSES = st.sampled_from(["success", "failure", "cancelled"])


@pytest.fixture(scope="module")
def github() -> Iterator[Ask]:
    """Ask GitHub's packages, as `github_actions.mjs` does."""
    script = Path(__file__).with_name("github_actions.mjs")
    with subprocess.Popen(
        [NODE_BIN / "node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(**request: Any) -> dict[str, Any]:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield ask
        process.stdin.close()


def ours(source: str, status: str) -> dict[str, Any] | None:
    """What an expression is here; None where it is refused."""
    try:
        value = parse(source)(Contexts(CONTEXTS, status))
        return {"text": text_of(value), "truthy": truthy(value)}
    except WorkflowError:
        return None


def quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


# One quote at most: of several, GitHub's package takes only the first for what it means.
TEXTS = st.text("aAzß1 0.x{}'-+eıİ", max_size=4).filter(lambda text: text.count("'") < 2)
LEAVES = st.one_of(
    TEXTS.map(quoted),
    st.integers(-99, 99).map(str),
    st.decimals(-99, 99, places=3, allow_nan=False).map(str),
    st.sampled_from(["true", "false", "null", "vars", "needs.build", "Inputs.NAME", "inputs.absent.more"]),
    st.sampled_from(
        ["inputs.name", "inputs.empty", "inputs.number", "inputs.yes", "needs.build.outputs.a-b"]
    ),
    st.sampled_from(["success()", "Failure()", "cancelled()", "always()"]),
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["==", "!=", "&&", "||"])
    template = st.lists(st.sampled_from(["{0}", "{1}", "{{", "}}", "{", "}", "a", "{0:x}"]), max_size=4)
    return st.one_of(
        st.tuples(inner, operator, inner).map(" ".join),
        inner.map(lambda one: f"!{one}"),
        inner.map(lambda one: f"({one})"),
        st.tuples(template.map(lambda parts: quoted("".join(parts))), inner).map(
            lambda pair: f"format({pair[0]}, {pair[1]})"
        ),
    )


@given(source=st.recursive(LEAVES, larger, max_leaves=6), status=STATUSES)
@example(source="'10' == 1e1", status="success")
@example(source="'0x10' == 16", status="success")
@example(source="inputs == inputs", status="success")
def test_an_expression_has_github_s_own_value(github: Ask, source: str, status: str) -> None:
    theirs = github(source=source, contexts=CONTEXTS, status=status)
    assert ours(source, status) in (None if "errors" in theirs else theirs, None)


@given(
    st.lists(st.sampled_from(["inputs", ".", "name", "(", ")", "!", "==", "'a'", "1", "-", " ", ",", "é"]))
)
def test_what_github_refuses_is_refused(github: Ask, parts: list[str]) -> None:
    source = "".join(parts)
    theirs = github(source=source, contexts=CONTEXTS, status="success")
    if "errors" in theirs:
        assert ours(source, "success") is None


def test_the_expressions_that_are_used_are_known() -> None:
    assert ours("inputs.name == 'world' && !failure() || format('{0}', 1.50)", "success") is not None


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / ".github" / "workflows").iterdir()))
def test_github_finds_no_error_in_a_workflow(github: Ask, name: str) -> None:
    text = (ROOT / ".github" / "workflows" / name).read_text()
    assert github(name=name, workflow=text)["errors"] == []


def test_the_workflow_is_read_as_github_reads_it(github: Ask) -> None:
    path = ROOT / ".github" / "workflows" / "deploy-worker.yml"
    theirs, mine = github(name=path.name, workflow=path.read_text()), Workflow.read(path)
    assert {job["id"]: job["needs"] for job in theirs["jobs"]} == {
        job.id: list(job.needs) for job in mine.jobs.values()
    }
    for job in theirs["jobs"]:
        steps = [(step.uses, step.run) for step in mine.jobs[job["id"]].steps]
        assert [(step["uses"], step["run"]) for step in job["steps"]] == steps
    assert {name: found.get("required", False) for name, found in theirs["inputs"].items()} == {
        name: found.required for name, found in mine.inputs.items()
    }


STEP = {"run": "echo"}
JOB = {"runs-on": "any", "steps": [STEP]}


def workflow(**jobs: Any) -> dict[str, Any]:
    return {"on": {"workflow_dispatch": {}}, "jobs": jobs}


@pytest.mark.parametrize(
    "content",
    [
        workflow(),
        workflow(one={"steps": [STEP]}),
        workflow(one={**JOB, "step": []}),
        workflow(one={**JOB, "needs": "two"}),
        workflow(one={**JOB, "needs": "two"}, two={**JOB, "needs": "one"}),
        workflow(**{"1st": JOB}),
        workflow(one={**JOB, "steps": [{**STEP, "uses": "a/b@c"}]}),
        workflow(one={**JOB, "steps": [{"name": "nothing"}]}),
        workflow(one={**JOB, "steps": [{"run": "echo", "with": {"a": "b"}}]}),
        workflow(one={**JOB, "steps": [{**STEP, "id": "x"}, {**STEP, "id": "x"}]}),
        workflow(one={**JOB, "steps": [{"run": "echo ${{ foo.bar }}"}]}),
        workflow(one={**JOB, "steps": [{"run": "echo ${{ inputs.a"}]}),
        workflow(one={**JOB, "if": "secrets.KEY == ''"}),
        workflow(one={**JOB, "if": "steps.x.outputs.y"}),
        workflow(one={**JOB, "name": "${{ secrets.KEY }}"}),
        {**workflow(one=JOB), "run-name": "${{ secrets.KEY }}"},
        {**workflow(one=JOB), "concurrency": {"group": "${{ env.A }}"}},
        {**workflow(one=JOB), "env": {"A": "${{ steps.x.outputs.y }}"}},
        {**workflow(one=JOB), "onn": {}},
        {"jobs": {"one": JOB}},
    ],
)
def test_a_file_that_github_refuses_is_refused(github: Ask, tmp_path: Path, content: Any) -> None:
    path = tmp_path / "wrong.yml"
    path.write_text(yaml.safe_dump(content))
    assert github(name=path.name, workflow=path.read_text())["errors"] != []
    with pytest.raises(WorkflowError):
        Workflow.read(path)
