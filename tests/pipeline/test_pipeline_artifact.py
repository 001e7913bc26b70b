import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.artifact import Artifact
from pipeline.errors import PipelineError
from pipeline.upload_form import Part, UploadForm

ESM = "application/javascript+module"
SETTINGS = {"main_module": "index.js", "compatibility_date": "2026-11-01", "compatibility_flags": []}
INDEX = Part("index.js", ESM, b"export default {}")


def form_of(*parts: Part, **settings: Any) -> UploadForm:
    return UploadForm({**SETTINGS, **settings}, parts or (INDEX,))


def encoded(parts: list[Part], boundary: str = "----formdata-undici-0123") -> bytes:
    """The form as undici writes it."""
    escaped = [part.name.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22") for part in parts]
    sections = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: {part.content_type}\r\n\r\n".encode()
        + part.content
        + b"\r\n"
        for name, part in zip(escaped, parts, strict=True)
    ]
    return b"".join(sections) + f"--{boundary}--\r\n".encode()


# The form.


@given(st.lists(st.tuples(st.sampled_from(["a.js", 'ü"b', "c/d.bin", "e f"]), st.binary()), max_size=4))
def test_a_form_is_read_as_it_was_written(modules: list[tuple[str, bytes]]) -> None:
    parts = [Part(name, ESM, content) for name, content in modules]
    metadata = Part("metadata", "application/json", json.dumps(SETTINGS).encode())
    form = UploadForm.parse(encoded([metadata, *parts]))
    assert form.metadata == SETTINGS
    assert form.modules == tuple(parts)


def test_source_maps_are_left_out_and_collected_modules_lose_their_dot() -> None:
    parts = [
        Part("metadata", "application/json", json.dumps(SETTINGS).encode()),
        INDEX,
        Part("index.js.map", "application/source-map", b"{}"),
        Part("./abc-page.html", "text/plain", b"<p>"),
    ]
    assert [part.name for part in UploadForm.parse(encoded(parts)).modules] == ["index.js", "abc-page.html"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "not a multipart form"),
        (b"export default {}", "not a multipart form"),
        (encoded([INDEX])[:-10], "cut off"),
        (encoded([INDEX]), "without metadata"),
        (encoded([Part("metadata", "application/json", b"{")]), "without metadata"),
        (encoded([Part("metadata", "application/json", b'{"body_part": "x"}')]), "service worker format"),
        (b"--x\r\nA: b\r\n\r\nc\r\n--x--\r\n", "without a name"),
    ],
)
def test_what_is_not_an_upload_is_refused(content: bytes, named: str) -> None:
    with pytest.raises(PipelineError, match=named):
        UploadForm.parse(content)


# The artifact.


def test_only_plain_variables_are_kept_of_all_bindings() -> None:
    bindings = [
        {"name": "A", "type": "plain_text", "text": "x"},
        {"name": "B", "type": "json", "json": {"n": [1, None]}},
        {"name": "KV", "type": "kv_namespace", "namespace_id": "x"},
        {"name": "S", "type": "secret_text", "text": "hush"},
    ]
    assert Artifact.of_form(form_of(bindings=bindings)).variables == {"A": "x", "B": {"n": [1, None]}}


def test_the_config_has_nothing_but_what_runs_the_worker() -> None:
    artifact = Artifact.of_form(
        form_of(INDEX, Part("a.txt", "text/plain", b""), placement={"mode": "smart"}, observability={})
    )
    config = artifact.config()
    assert set(config) == {"main", "compatibility_date", "compatibility_flags", "vars", "rules"}
    assert config["main"] == "modules/index.js"
    assert {rule["type"]: rule["globs"] for rule in config["rules"]} == {
        "ESModule": ["index.js"],
        "Text": ["a.txt"],
        "CommonJS": [],
        "CompiledWasm": [],
        "Data": [],
    }


def test_a_python_workers_own_types_have_no_rules() -> None:
    parts = (
        Part("entry.py", "text/x-python", b""),
        Part("python_modules/workers/__init__.py", "application/octet-stream", b""),
        Part("python_modules/workers/a.js", ESM, b""),
        Part("a.txt", "text/plain", b""),
    )
    assert Artifact.of_form(form_of(*parts, main_module="entry.py")).types == {"a.txt": "Text"}


@pytest.mark.parametrize(
    ("parts", "settings", "named"),
    [
        ((INDEX,), {"main_module": "other.js"}, "other.js"),
        ((INDEX,), {"compatibility_date": "soon"}, "soon"),
        ((INDEX, INDEX), {}, "same name"),
        ((INDEX, Part("a.php", "text/x-php", b"")), {}, "a.php"),
        ((INDEX, Part("a.py", "text/x-python", b"")), {}, "a.py"),
        *(
            ((INDEX, Part(name, ESM, b"")), {}, "can't be the name")
            for name in ("../a.js", "/a.js", "a//b.js", "a/./b.js", "*.js", "a\nb.js", "a:b.js", "", 'a"b.js')
        ),
        # It would take the place of the upload's settings.
        ((INDEX, Part("Metadata", "text/plain", b"")), {}, "'Metadata' can't be the name"),
        ((INDEX, Part("x/" * 256 + "y", ESM, b"")), {}, "can't be the name"),
        ((INDEX, Part("x" * 256, ESM, b"")), {}, "in at most 255 bytes"),
        ((INDEX,), {"bindings": [{"name": "a b", "type": "plain_text", "text": ""}]}, "'a b'"),
    ],
)
def test_a_form_that_can_not_be_deployed_is_refused(
    parts: tuple[Part, ...], settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(PipelineError) as caught:
        Artifact.of_form(form_of(*parts, **settings))
    assert named in str(caught.value)


SEGMENT = st.text("abcé []{}.$^+-", min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))
CONTENTS = st.dictionaries(SEGMENT.map(lambda name: f"{name}.x"), st.binary(max_size=20), max_size=4)


@given(CONTENTS, st.dictionaries(st.from_regex(r"\A[A-Z_]{1,5}\Z"), st.text() | st.lists(st.integers())))
def test_an_artifact_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes], variables: dict[str, Any]
) -> None:
    modules = {"deep/index.js": b"\0\r\n", **contents}
    types = dict.fromkeys(contents, "Data") | {"deep/index.js": "ESModule"}
    written = Artifact("deep/index.js", "2026-11-01", ("a", "b"), variables, modules, types)
    folder = tmp_path_factory.mktemp("artifacts") / "artifact"
    written.write(folder)
    assert Artifact.read(folder) == written


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "artifact"
    Artifact.of_form(form_of(INDEX, Part("deep/a.txt", "text/plain", b""))).write(folder)
    return folder


def with_config(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        path = folder / "wrangler.json"
        config = json.loads(path.read_text())
        change(config)
        path.write_text(json.dumps(config))

    return tamper


def with_file(name: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")

    return tamper


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (with_config(lambda config: config.update(build={"command": "env"})), "alone"),
        (with_config(lambda config: config.update(routes=["example.com"])), "alone"),
        (with_config(lambda config: config.pop("vars")), "alone"),
        (with_config(lambda config: config.update(compatibility_flags=[1])), "alone"),
        (with_config(lambda config: config.update(main="../../index.js")), "not among the modules"),
        (with_config(lambda config: config["rules"].append({"type": "Text"})), "unknown rule"),
        (with_config(lambda config: config["rules"][0].update(fallthrough=True)), "unknown rule"),
        (with_config(lambda config: config["rules"][0].update(type="Wasm")), "unknown rule"),
        (with_config(lambda config: config["rules"][0]["globs"].append("**/*")), "isn't there"),
        (with_config(lambda config: config["vars"].update({"a-b": "x"})), "'a-b'"),
        (with_file("modules/more.js"), "more.js has no type"),
        (with_file(".env"), ".env"),
        (with_file("package.json"), "package.json"),
        (with_file("modules/a*.js"), "'a*.js'"),
        (lambda folder: (folder / "wrangler.json").unlink(), "can't be read"),
        (lambda folder: (folder / "wrangler.json").write_text("{"), "can't be read"),
        (lambda folder: (folder / "modules" / "index.js").unlink(), "not among the modules"),
        (lambda folder: (folder / "modules" / "deep" / "a.txt").unlink(), "isn't there"),
        (lambda folder: (folder / "modules" / "link").symlink_to("/etc/passwd"), "not a plain file"),
        (lambda folder: (folder / "modules" / "link").symlink_to("/etc"), "not a plain file"),
        (lambda folder: os.mkfifo(folder / "modules" / "pipe"), "not a plain file"),
    ],
)
def test_a_tampered_artifact_is_refused(artifact: Path, tamper: Callable[[Path], object], named: str) -> None:
    tamper(artifact)
    with pytest.raises(PipelineError) as caught:
        Artifact.read(artifact)
    assert named in str(caught.value)
