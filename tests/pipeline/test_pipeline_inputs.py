from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.inputs import Source, Target

GOOD = {
    "APP_ID": "abcdefghijkl",
    "REPOSITORY": "alice/hello",
    "COMMIT": "0123456789abcdef" * 2 + "01234567",
    "REF": "feature/x",
    "DIRECTORY": "examples/hello/",
    "DISPATCH_NAMESPACE": "testing",
}


def test_good_inputs_are_read() -> None:
    source = Source.read(GOOD)
    assert source == Source(GOOD["APP_ID"], "alice/hello", GOOD["COMMIT"], "feature/x", "examples/hello")
    assert Target.read(GOOD) == Target(GOOD["APP_ID"], "testing", 50)
    assert Target.read(GOOD | {"APP_CPU_MS": "30000"}).cpu_ms == 30_000


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "30001", "050", "many"])
def test_a_limit_that_cloudflare_does_not_have_is_refused(value: str) -> None:
    with pytest.raises(PipelineError, match="APP_CPU_MS"):
        Target.read(GOOD | {"APP_CPU_MS": value})


def test_the_root_needs_no_directory_and_a_commit_no_ref() -> None:
    source = Source.read({name: value for name, value in GOOD.items() if name not in ("REF", "DIRECTORY")})
    assert (source.ref, source.directory) == ("", "")
    assert Source.read({**GOOD, "DIRECTORY": "."}).directory == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ID", ""),
        ("APP_ID", "Abc"),
        ("APP_ID", "1abc"),
        ("APP_ID", "abc-"),
        ("APP_ID", "a.b"),
        ("APP_ID", "a" * 64),
        ("APP_ID", "abc\n"),
        ("REPOSITORY", "alice"),
        ("REPOSITORY", "alice/hello/more"),
        ("REPOSITORY", "alice/.."),
        ("REPOSITORY", "-alice/hello"),
        ("REPOSITORY", "alice/hello world"),
        ("COMMIT", "main"),
        ("COMMIT", "abc123"),
        ("COMMIT", "G" * 40),
        ("COMMIT", "a" * 40 + "\n"),
        ("REF", "a\nb"),
        ("REF", "x" * 1001),
        ("DIRECTORY", "/etc"),
        ("DIRECTORY", "../other"),
        ("DIRECTORY", "a/../../b"),
        ("DIRECTORY", ".git/hooks"),
        ("DIRECTORY", "a\\b"),
        ("DIRECTORY", "a\x00b"),
    ],
)
def test_a_bad_input_is_named(name: str, value: str) -> None:
    with pytest.raises(PipelineError, match=f"^{name} is "):
        Source.read({**GOOD, name: value})


@pytest.mark.parametrize("value", ["", "Testing", "a b", "-x", "a" * 64])
def test_a_bad_namespace_is_named(value: str) -> None:
    with pytest.raises(PipelineError, match=r"^DISPATCH_NAMESPACE is "):
        Target.read({**GOOD, "DISPATCH_NAMESPACE": value})


@given(st.text(max_size=30))
def test_a_directory_that_is_accepted_stays_in_the_checkout(text: str) -> None:
    try:
        source = Source.read({**GOOD, "DIRECTORY": text})
    except PipelineError:
        return
    assert (Path("/checkout") / source.directory).is_relative_to("/checkout")
    assert ".." not in Path(source.directory).parts


def test_a_directory_may_not_be_a_link_to_another(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (tmp_path / "outside").mkdir()
    (checkout / "inside" / "deep").mkdir(parents=True)
    (checkout / "out").symlink_to(tmp_path / "outside")
    (checkout / "in").symlink_to("inside")
    for directory in ("out", "in", "in/deep"):
        with pytest.raises(PipelineError, match=f"^{directory} is a link, or in one: name the directory"):
            Source.read({**GOOD, "DIRECTORY": directory}).folder(checkout)
    assert Source.read({**GOOD, "DIRECTORY": "inside/deep"}).folder(checkout).is_dir()
    with pytest.raises(PipelineError, match="no directory absent in alice/hello"):
        Source.read({**GOOD, "DIRECTORY": "absent"}).folder(checkout)
