"""What a Python Worker's packages are: wheels of the Python index and of Pyodide's, never compiled."""

import base64
import hashlib
import http.server
import io
import re
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.errors import PipelineError
from pipeline.python_packages import python_of, uv_lock_of, vendor

Project = Callable[[dict[str, str | bytes]], Path]
DATES = {"0.28.3": "2025-11-01", "314.0.7": "2026-11-01"}
TAGS = {"0.28.3": "cp313-cp313-pyodide_2025_0_wasm32", "314.0.7": "cp314-cp314-pyemscripten_2026_0_wasm32"}


def wheel(name: str, tag: str) -> bytes:
    """A wheel with one file, `<name>.so`."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.so": tag,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        lines.append(f"{path},sha256={digest},{len(text)}\n")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": "".join(lines) + f"{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return content.getvalue()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Pyodide's index, with compiled wheels of `codius_native` alone."""
    root = tmp_path_factory.mktemp("index")
    for release, tag in TAGS.items():
        folder = root / release / "codius-native"
        folder.mkdir(parents=True)
        (folder / f"codius_native-1.0-{tag}.whl").write_bytes(wheel("codius_native", tag))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=root)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PYODIDE_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def pyproject(*packages: str, name: str = "app", more: str = "") -> str:
    head = f'[project]\nname = "{name}"\nversion = "1"\nrequires-python = ">=3.11"\n'
    return f"{head}dependencies = {list(packages)}\n{more}"


def python_worker(folder: Path, date: str = "2026-11-01") -> Config:
    content = {"compatibility_date": date, "compatibility_flags": ["python_workers"]}
    return Config(folder / "wrangler.toml", content, "entry.py")


@pytest.mark.parametrize("release", TAGS)
def test_packages_that_are_compiled_come_from_pyodides_index(
    project: Project, env: dict[str, str], index: str, release: str
) -> None:
    folder = project({"pyproject.toml": pyproject("codius-native", "idna==3.4")})
    vendor(python_worker(folder, DATES[release]), folder, env)
    assert (folder / "python_modules" / "codius_native.so").read_text() == TAGS[release]
    assert (folder / "python_modules" / "idna").is_dir()
    assert (folder / "python_modules" / "workers" / "__init__.py").is_file()


def test_a_package_without_a_wheel_is_named_and_not_compiled(
    project: Project, env: dict[str, str], index: str
) -> None:
    folder = project({"pyproject.toml": pyproject("codius-native", "uwsgi")})
    with pytest.raises(PipelineError, match=r"could not be installed for Python 3\.14 in Workers: .*uwsgi"):
        vendor(python_worker(folder), folder, env)


def test_without_pyodides_index_only_what_it_could_not_have_otherwise_is_installed(
    project: Project, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYODIDE_INDEX_URL", "http://127.0.0.1:9")
    env = {**env, "UV_HTTP_RETRIES": "0"}
    folder = project({"a/pyproject.toml": pyproject("idna"), "b/pyproject.toml": pyproject("pydantic")})
    vendor(python_worker(folder / "a"), folder, env)
    assert (folder / "a" / "python_modules" / "idna").is_dir()
    # There is an old one without anything compiled, which nobody asked for.
    with pytest.raises(PipelineError, match=r"could not be installed .*127\.0\.0\.1:9/0\.28\.3/pydantic"):
        vendor(python_worker(folder / "b", DATES["0.28.3"]), folder, env)


def test_a_pyproject_that_has_the_settings_of_tools_alone_names_no_packages(
    project: Project, env: dict[str, str]
) -> None:
    checkout = project({"pyproject.toml": "[tool.ruff]\nline-length = 100\n", "worker/entry.py": ""})
    vendor(python_worker(checkout / "worker"), checkout, env)
    assert (checkout / "worker" / "python_modules" / "workers" / "__init__.py").is_file()


@pytest.mark.parametrize("name", ["requirements.txt", "cf-requirements.txt"])
def test_requirements_txt_is_refused_with_the_way_out(
    project: Project, env: dict[str, str], name: str
) -> None:
    folder = project({name: "idna"})
    with pytest.raises(PipelineError, match=f"^{re.escape(name)} is not read: name the packages"):
        vendor(python_worker(folder), folder, env)


def test_a_workspaces_lock_counts_for_its_members(project: Project, env: dict[str, str], index: str) -> None:
    local = "[tool.uv.sources]\nshared = { workspace = true }\n"
    checkout = project(
        {
            "pyproject.toml": pyproject(more='[tool.uv.workspace]\nmembers = ["worker", "shared"]\n'),
            "worker/pyproject.toml": pyproject("idna>=3.4", "shared", more=local).replace(
                '"app"', '"worker"'
            ),
            "shared/pyproject.toml": pyproject(name="shared"),
            "shared/shared.py": "",
            "other/pyproject.toml": pyproject(),
        }
    )
    lock = ["uv", "lock", "--quiet", "--resolution", "lowest-direct"]
    subprocess.run(lock, cwd=checkout, env=env, check=True, timeout=60)
    assert uv_lock_of(checkout / "other", checkout) is None
    vendor(python_worker(checkout / "worker"), checkout, env)
    modules = checkout / "worker" / "python_modules"
    assert "'3.4'" in (modules / "idna" / "package_data.py").read_text()
    assert (modules / "shared.py").is_file()


@pytest.mark.parametrize(
    ("date", "flags", "version"),
    [
        ("2026-11-01", [], "3.14"),
        ("2026-09-08", [], "3.14"),
        ("2026-09-07", [], "3.13"),
        ("2025-09-28", [], "3.12"),
        ("2025-01-01", ["python_workers_314"], "3.14"),
        ("2025-01-01", ["python_workers_20250116"], "3.13"),
    ],
)
def test_the_python_of_a_worker_follows_its_date_and_flags(date: str, flags: list[str], version: str) -> None:
    content = {"compatibility_date": date, "compatibility_flags": ["python_workers", *flags]}
    assert python_of(Config(Path("wrangler.toml"), content, "a.py")).version == version


def test_a_python_worker_needs_its_flag() -> None:
    with pytest.raises(PipelineError, match="python_workers"):
        python_of(Config(Path("wrangler.toml"), {"compatibility_date": "2026-11-01"}, "a.py"))
