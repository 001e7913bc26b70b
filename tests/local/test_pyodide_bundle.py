import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import capnp
import pytest

from local import pyodide_bundle, staging
from local.pyodide_bundle import (
    ADAPTATIONS,
    BUNDLE,
    PYODIDE,
    ROOT,
    BundleError,
    adapt_loader,
    packaged_version,
)

TITLES = [title for title, *_ in ADAPTATIONS]


@pytest.fixture(scope="module")
def loader() -> str:
    return (PYODIDE / "pyodide.asm.mjs").read_text()


# Adapting the loader.


def test_the_installed_loader_can_be_adapted(loader: str) -> None:
    adapted = adapt_loader(loader)
    assert adapted.startswith("import { ")
    for title, pattern, replacement, expected in ADAPTATIONS:
        assert adapted.count(replacement) >= expected, title
        if not re.search(pattern, replacement):
            assert not re.search(pattern, adapted), title


def test_longer_names_are_left_alone(loader: str) -> None:
    others = (
        "\nnew WebAssembly.ModuleX();myWebAssembly.instantiate(a);WebAssembly.instantiateStreaming(a);"
        "myDate.now();Date.nowhere;mycrypto.getRandomValues(a);module.eval(a);medieval(a);$eval(a);"
        "wasm.getMemory(metadata.x);getMemory(a);xgetMemory(metadata.x);"
    )
    assert adapt_loader(loader + others).endswith(others)


@pytest.mark.parametrize(("title", "pattern", "_", "expected"), ADAPTATIONS, ids=TITLES)
def test_a_place_too_many_is_refused(loader: str, title: str, pattern: str, _: str, expected: int) -> None:
    place = re.search(pattern, loader)
    assert place is not None
    again = loader[place.start() : place.end() + len("metadata.")]
    message = f"^{title}: expected {expected} places .* found {expected + 1}$"
    with pytest.raises(BundleError, match=message):
        adapt_loader(f"{loader}\n{again}")


@pytest.mark.parametrize(("title", "pattern", "_", "expected"), ADAPTATIONS, ids=TITLES)
def test_a_place_that_is_gone_is_refused(
    loader: str, title: str, pattern: str, _: str, expected: int
) -> None:
    with pytest.raises(BundleError, match=f"^{title}: expected {expected} places .* found 0$"):
        adapt_loader(re.sub(pattern, "gone", loader))


def test_packing_what_cannot_be_adapted_leaves_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "pyodide.asm.mjs").write_text("export default _createPyodideModule;")
    with pytest.raises(BundleError):
        pyodide_bundle.pack(tmp_path, tmp_path / "out" / "bundle.bin")
    assert not (tmp_path / "out").exists()


# The bundle that set-up packed.


def test_the_packed_bundle_holds_what_workerd_looks_for(loader: str) -> None:
    schema: Any = capnp.load(str(ROOT / "local" / "pyodide_bundle.capnp"))
    with schema.Bundle.from_bytes(BUNDLE.read_bytes()) as bundle:
        modules = {module.name: (module.which(), module.type) for module in bundle.modules}
        contents = {module.name: bytes(getattr(module, module.which())) for module in bundle.modules}
    prefix = "pyodideRuntime-internal:"
    assert modules == {
        f"{prefix}pyodide.asm": ("src", "internal"),
        f"{prefix}pyodide.asm.wasm": ("wasm", "internal"),
        f"{prefix}python_stdlib.zip": ("data", "internal"),
    }
    assert contents[f"{prefix}pyodide.asm"].decode() == adapt_loader(loader)
    for name in ("pyodide.asm.wasm", "python_stdlib.zip"):
        assert contents[prefix + name] == (PYODIDE / name).read_bytes()


# The version: what the pinned workerd itself would download for the Workers' compatibility dates.
#
# Its binary holds a Cap'n Proto list of releases (src/pyodide/generated/pyodide_extra.capnp), oldest first,
# each with the compatibility flag that selects it; and of most flags the date from which `python_workers`
# implies them (src/workerd/io/compatibility-date.capnp). The last release whose flag is on is taken.

RELEASES_START = b"pyodide_extra.capnp:releases\0"
RELEASES_BYTES = 8192
RELEASE = re.compile(
    rb"\0(?P<name>[\w.]+)\0+(?:dev|[\d-]{10})\0+(?:[\w.]+\0+)?[0-9a-f]{64}\0+"
    rb"(?P<flag>pythonWorkers\w*)\0+(?P<pyodide>[\w.]+)\0+(?P<integrity>sha256-[\w+/=]{44})\0"
)
IMPLIED = rb"\0%b\0.{0,400}?\0no_python_workers_\w+\0.{0,80}?\0pythonWorkers\0+([\d-]{10})\0"


class Release(NamedTuple):
    name: str
    flag: str
    pyodide: str
    integrity: str
    implied_from: str | None


@pytest.fixture(scope="module")
def releases() -> dict[str, Release]:
    """The installed workerd's releases, by their flags."""
    (binary,) = (ROOT / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd")
    content = binary.read_bytes()
    start = content.index(RELEASES_START)
    found = {}
    for match in RELEASE.finditer(content, start, start + RELEASES_BYTES):
        name, flag, pyodide, integrity = (group.decode() for group in match.groups())
        implied = re.search(IMPLIED % match["flag"], content, re.DOTALL)
        found[flag] = Release(name, flag, pyodide, integrity, implied[1].decode() if implied else None)
    return found


def release_for(releases: dict[str, Release], date: str) -> Release:
    """What a Worker with the flag `python_workers` gets."""
    implied = [release for release in releases.values() if date >= (release.implied_from or "never")]
    return implied[-1] if implied else releases["pythonWorkers"]


def pinned_version() -> str:
    version: str = json.loads((ROOT / "package.json").read_text())["devDependencies"]["pyodide"]
    return version


def test_the_installed_pyodide_is_the_pinned_one() -> None:
    assert packaged_version() == pinned_version()


@pytest.mark.parametrize("worker", staging.WORKERS, ids=lambda worker: worker.name)
def test_the_pinned_pyodide_is_the_one_that_workerd_would_download(
    releases: dict[str, Release], worker: staging.Worker
) -> None:
    config = staging.read_config(worker)
    assert [flag for flag in config["compatibility_flags"] if "python_workers" in flag] == ["python_workers"]
    assert release_for(releases, config["compatibility_date"]).pyodide == pinned_version()


def test_the_development_release_is_the_same_pyodide(releases: dict[str, Release]) -> None:
    development = releases["pythonWorkersDevPyodide"]
    date = staging.read_config(staging.DISPATCH)["compatibility_date"]
    assert (development.name, development.pyodide) == ("dev", pinned_version())
    assert development.integrity == release_for(releases, date).integrity


def test_an_older_compatibility_date_has_an_older_pyodide(releases: dict[str, Release]) -> None:
    assert release_for(releases, "2024-06-01") == releases["pythonWorkers"]
    assert release_for(releases, "2025-09-28") == releases["pythonWorkers"]
    assert release_for(releases, "2025-09-29") == releases["pythonWorkers20250116"]
