"""What is said of a failure: in an annotation of the run, and of all that a program printed."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.artifact import Artifact
from pipeline.commands import CommandError, run
from pipeline.errors import MAX_MESSAGE, PipelineError, annotation, run_job, shown
from pipeline.excerpt import LINES_BEFORE, LINES_FROM, MAX_SHOWN, MAX_WORDS, Output
from pipeline.limits import (
    MAX_BYTES,
    MAX_VARIABLE_BYTES,
    MAX_VARIABLE_DEPTH,
    require_size,
    require_variables,
)


@given(st.text())
def test_an_annotation_is_one_command_whatever_its_words_are(words: str) -> None:
    line = annotation(words)
    assert line.startswith("::error title=Not deployed::")
    assert line.isprintable()
    assert re.search("%(?!25)", line) is None


@given(st.text(), st.text(min_size=1))
def test_the_lines_around_an_error_follow_it_in_the_same_command(words: str, excerpt: str) -> None:
    line = annotation(words, excerpt)
    assert line.isprintable()
    said = line.split("%0A")
    assert said[0] == annotation(words)
    assert said == [
        said[0],
        *(shown(one).replace("%", "%25") for one in excerpt.split("\n")[: len(said) - 1]),
    ]
    assert len(line.replace("%25", "%").replace("%0A", "\n")) <= len(said[0]) + MAX_MESSAGE


def test_a_fault_of_the_pipelines_own_is_told_and_not_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    def job() -> None:
        raise KeyError("hush")

    with pytest.raises(KeyError):
        run_job(job)
    words = "The job failed by a fault that isn't the app's (KeyError); its log has more."
    assert capsys.readouterr().out == f"::error title=Not deployed::{words}\n"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (
            "▲ [WARNING] no error yet\n\n✘ [ERROR] Build failed with 1 error:\n\n"
            '  ✘ [ERROR] Could not resolve "x"\n\n      index.js:1:7:\n',
            'Could not resolve "x"',
        ),
        ("\x1b[31m✘ \x1b[41;97mERROR\x1b[0m It is wrong\n", "ERROR It is wrong"),
        (
            "npm warn deprecated a@1: error-prone\nnpm error code E404\nnpm error 404 Not Found - GET /a\n",
            "404 Not Found - GET /a",
        ),
        (" ERR_PNPM_OUTDATED_LOCKFILE  Cannot install\n", "ERR_PNPM_OUTDATED_LOCKFILE  Cannot install"),
        ("error during build:\n[vite]: It failed\n", "[vite]: It failed"),
        (
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because a has no wheels\n",
            "No solution found when resolving dependencies: ╰─▶ Because a has no wheels",
        ),
        ("src/a.ts(1,2): error TS2304: Cannot find name\n", "src/a.ts(1,2): error TS2304: Cannot find name"),
        ("one\ntwo\n\n", "two"),
        ("", ""),
    ],
)
def test_the_first_error_is_found_in_what_a_program_printed(printed: str, told: str) -> None:
    whole, pieces = Output(), Output()
    whole.take(printed)
    for character in printed:
        pieces.take(character)
    assert (whole.first_error(), pieces.first_error()) == (told, told)


@given(st.text())
def test_what_is_told_of_any_output_is_short_and_on_one_line(printed: str) -> None:
    output = Output()
    output.take(printed * 50)
    assert len(output.first_error()) <= MAX_WORDS
    assert "\n" not in output.first_error()


@pytest.mark.parametrize(
    ("printed", "around"),
    [
        (
            "".join(f"step {n}\n\n" for n in range(9)) + "error: it\n  is wrong\n",
            "step 7\nstep 8\nerror: it\n  is wrong",
        ),
        ("".join(f"step {n}\n" for n in range(99)), "\n".join(f"step {n}" for n in range(89, 99))),
        ("error: all that there is\n", ""),
        ("", ""),
    ],
)
def test_the_lines_around_the_first_error_are_told_or_else_the_last(printed: str, around: str) -> None:
    output = Output()
    output.take(printed)
    assert output.excerpt() == around


@given(st.text(st.characters(), max_size=300))
def test_an_excerpt_has_so_many_lines_of_such_a_length(printed: str) -> None:
    output = Output()
    output.take(printed * 50)
    lines = output.excerpt().split("\n")
    assert len(lines) <= LINES_BEFORE + LINES_FROM
    assert all(len(line) <= MAX_SHOWN for line in lines)


def test_a_program_that_fails_is_told_of_with_what_it_printed_around_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "print('one'); print('error: it is 100% wrong'); print('  at index.js'); raise SystemExit(1)"

    def job() -> None:
        run(sys.executable, "-u", "-c", script, cwd=tmp_path, env={}, failure="It failed")

    with pytest.raises(SystemExit):
        run_job(job)
    said = capsys.readouterr().out.splitlines()[-1]
    words = "It failed: it is 100%25 wrong at index.js"
    assert said == f"::error title=Not deployed::{words}%0Aone%0Aerror: it is 100%25 wrong%0A  at index.js"


LEAVES_ONE_BEHIND = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("error: it is\\xff wrong", flush=True)
sys.exit(3)
"""


def test_a_program_that_leaves_another_behind_is_not_waited_for(tmp_path: Path) -> None:
    command = (sys.executable, "-c", LEAVES_ONE_BEHIND)
    with pytest.raises(CommandError, match=r"^It failed: it is.* wrong$") as caught:
        run(*command, cwd=tmp_path, env={}, failure="It failed")
    assert "wrong" in caught.value.output


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    with pytest.raises(PipelineError, match=r"^It failed: it took more than 1 seconds\.$"):
        run(sys.executable, "-c", script, cwd=tmp_path, env={}, failure="It failed", timeout=1)


# Cloudflare's limits.


def test_what_is_larger_than_cloudflare_takes_is_refused_naming_the_largest() -> None:
    half = bytes(MAX_BYTES // 2)
    require_size({"a.bin": half, "b.bin": half})
    with pytest.raises(PipelineError) as caught:
        require_size({"a.bin": half, "video.bin": half + b"1", "c.js": b""})
    assert str(caught.value) == (
        "The Worker has 67,108,865 bytes in 3 modules and static files; Cloudflare takes 67,108,864 (64 MiB, "
        "uncompressed). The largest: video.bin (32.0 MiB), a.bin (32.0 MiB), c.js (0.0 MiB)."
    )


def nested(levels: int) -> object:
    value: object = []
    for level in range(1, levels):
        value = {"a": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"A": nested(MAX_VARIABLE_DEPTH + 1)}, "The variable A has lists and objects in one another,"),
        ({"A": nested(900)}, "The variable A has lists and objects in one another, more than 50 levels: "),
        ({"A": "x" * (MAX_VARIABLE_BYTES + 1)}, "The variable A has 5,121 bytes; Cloudflare takes 5,120."),
        ({"A": ["é" * 2_560]}, "The variable A has 5,124 bytes"),
        ({f"A{number}": "" for number in range(129)}, "The Worker has 129 variables; Cloudflare takes 128."),
    ],
)
def test_more_than_a_worker_s_variables_can_have_is_refused(variables: dict[str, object], words: str) -> None:
    with pytest.raises(PipelineError) as caught:
        Artifact("a.js", "2026-11-01", (), variables, {"a.js": b""}, {"a.js": "ESModule"})
    assert str(caught.value).startswith(words)


def test_variables_may_be_as_large_and_deep_as_the_limits_say() -> None:
    deepest, longest = nested(MAX_VARIABLE_DEPTH), "x" * MAX_VARIABLE_BYTES
    require_variables({f"A{number}": "" for number in range(126)} | {"B": deepest, "C": longest})
