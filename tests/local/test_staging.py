import json
import os
from pathlib import Path
from typing import Any

import pytest

from local import staging
from local.staging import BILLING, DASHBOARD, DISPATCH, WORKERS, Addresses, Worker

ADDRESSES = Addresses(port=8787, stand_in_port=9999, control_token="token")
LOCAL_ONLY = [
    *("python_workers_development", "experimental", "disable_python_dedicated_snapshot"),
    "local-namespace",
]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    folder = tmp_path_factory.mktemp("staged")
    return folder, staging.stage(folder, ADDRESSES)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    """A Worker with two modules, a dependency and a stylesheet."""
    modules = tmp_path / "worker"
    for name in ("entry.py", "pages/home.py", "python_modules/jinja2.py", "static/style.css"):
        path = modules / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}")
    return Worker("worker", modules / "wrangler.toml", modules)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def configs_of(staged: tuple[Path, list[Path]]) -> dict[str, Any]:
    return {path.parent.name: json.loads(path.read_text()) for path in staged[1]}


# The configs.


@pytest.mark.parametrize("worker", WORKERS, ids=lambda worker: worker.name)
@pytest.mark.parametrize("word", LOCAL_ONLY)
def test_a_committed_config_says_nothing_of_a_local_run(worker: Worker, word: str) -> None:
    assert word not in worker.config.read_text()


@pytest.mark.parametrize("worker", WORKERS, ids=lambda worker: worker.name)
def test_a_staged_config_is_the_committed_one_with_the_development_pyodide(
    staged: tuple[Path, list[Path]], worker: Worker
) -> None:
    committed, config = staging.read_config(worker), configs_of(staged)[worker.name]
    added = ["python_workers_development", "experimental", "disable_python_dedicated_snapshot"]
    assert config["compatibility_flags"] == committed["compatibility_flags"] + added
    for key in ("name", "compatibility_date", "durable_objects"):
        assert config[key] == committed[key]


def test_staged_dispatch_has_the_local_namespace_and_addresses(staged: tuple[Path, list[Path]]) -> None:
    committed, config = staging.read_config(DISPATCH), configs_of(staged)["dispatch"]
    assert "dispatch_namespaces" in committed
    assert "dispatch_namespaces" not in config
    assert [service["service"] for service in config["services"]] == ["codius-dashboard", "local-namespace"]
    assert config["main"] == "src/local_dispatch.py"
    assert config["ratelimits"] == committed["ratelimits"]
    local = {"APPS_DOMAIN": "localhost", "DASHBOARD_URL": "http://localhost:8787"}
    assert config["vars"] == committed["vars"] | local


def test_the_front_and_the_namespace_know_where_the_stand_ins_are(staged: tuple[Path, list[Path]]) -> None:
    configs = configs_of(staged)
    assert configs["front"]["vars"]["OTHERS_ORIGIN"] == "http://127.0.0.1:9999"
    assert configs["front"]["vars"]["CONTROL_TOKEN"] == "token"
    assert configs["namespace"]["vars"]["SCRIPTS_ORIGIN"] == "http://127.0.0.1:9999/local/scripts"


def test_every_service_that_is_bound_is_staged(staged: tuple[Path, list[Path]]) -> None:
    configs = configs_of(staged)
    bound = {service["service"] for config in configs.values() for service in config.get("services", [])}
    assert len(bound) == 5
    assert bound <= {config["name"] for config in configs.values()}


# The folders.


def test_the_front_comes_first_and_every_entry_module_is_there(staged: tuple[Path, list[Path]]) -> None:
    folder, paths = staged
    assert [path.parent.name for path in paths] == ["front", "namespace", "dispatch", "billing", "dashboard"]
    for path in paths:
        assert path.parent.parent == folder
        assert (path.parent / json.loads(path.read_text())["main"]).is_file()


def test_staged_workers_have_their_modules_and_dependencies(staged: tuple[Path, list[Path]]) -> None:
    folder, _ = staged
    assert {"entry.py", "hosts.py", "leases.py"} <= files_in(folder / "dispatch" / "src")
    assert {"entry.py", "ledger.py"} <= files_in(folder / "billing" / "src")
    assert "entry.py" in files_in(folder / "dashboard" / "src")
    for worker in WORKERS:
        assert files_in(worker.dependencies) <= files_in(folder / worker.name / "python_modules")


def test_only_dispatch_gets_the_local_entry_module(staged: tuple[Path, list[Path]]) -> None:
    folder, _ = staged
    local_entry = staging.WORKERD_FOLDER / "local_dispatch.py"
    assert (folder / "dispatch" / "src" / "local_dispatch.py").read_bytes() == local_entry.read_bytes()
    assert (folder / "dispatch" / "python_modules" / "workers" / "local_namespace.js").is_file()
    for worker in (BILLING, DASHBOARD):
        assert not list((folder / worker.name).rglob("local_*"))


@pytest.mark.parametrize("worker", WORKERS, ids=lambda worker: worker.name)
def test_dependencies_and_static_files_are_no_modules(
    staged: tuple[Path, list[Path]], worker: Worker
) -> None:
    parts = {part for path in files_in(staged[0] / worker.name / "src") for part in Path(path).parts}
    assert not parts & {"python_modules", "static", "__pycache__", ".wrangler"}


def test_staging_leaves_the_vendored_dependencies_alone(staged: tuple[Path, list[Path]]) -> None:
    assert not (DISPATCH.dependencies / "workers" / "local_namespace.js").exists()


def test_staging_again_starts_afresh(tmp_path: Path) -> None:
    staging.stage(tmp_path, ADDRESSES)
    leftover = tmp_path / "billing" / "src" / "leftover.py"
    leftover.write_text("")
    staging.stage(tmp_path, ADDRESSES)
    assert not leftover.exists()


# Following changes.


def test_copying_takes_modules_alone(worker: Worker, tmp_path: Path) -> None:
    staging.copy_modules(worker, tmp_path / "staged")
    assert files_in(tmp_path / "staged") == {"worker/src/entry.py", "worker/src/pages/home.py"}


def test_copying_follows_what_was_changed_added_and_removed(worker: Worker, tmp_path: Path) -> None:
    target = tmp_path / "staged" / "worker" / "src"
    staging.copy_modules(worker, tmp_path / "staged")
    (worker.modules / "entry.py").write_text("changed")
    (worker.modules / "pages" / "home.py").unlink()
    (worker.modules / "new.py").write_text("new")
    staging.copy_modules(worker, tmp_path / "staged")
    assert files_in(target) == {"entry.py", "new.py"}
    assert (target / "entry.py").read_text() == "changed"


def test_an_unchanged_module_is_not_written_again(worker: Worker, tmp_path: Path) -> None:
    entry = tmp_path / "staged" / "worker" / "src" / "entry.py"
    staging.copy_modules(worker, tmp_path / "staged")
    os.utime(entry, (1, 1))
    staging.copy_modules(worker, tmp_path / "staged")
    assert entry.stat().st_mtime == 1


def test_copying_again_keeps_the_local_entry_module(tmp_path: Path) -> None:
    for _ in range(2):
        staging.copy_modules(DISPATCH, tmp_path)
        assert (tmp_path / "dispatch" / "src" / "local_dispatch.py").is_file()


def test_the_staged_dashboard_asks_the_stand_ins_and_has_the_runs_secrets(tmp_path: Path) -> None:
    addresses = Addresses(
        port=8787, stand_in_port=9999, control_token="token", secrets={"GITHUB_TOKEN": "one"}
    )
    staging.stage(tmp_path, addresses)
    config = json.loads((tmp_path / "dashboard" / "wrangler.json").read_text())
    variables = config["vars"]
    assert variables["GITHUB_TOKEN"] == "one"
    assert variables["DASHBOARD_URL"] == "http://localhost:8787"
    others = {name: value for name, value in variables.items() if str(value).startswith("http://127.0.0.1")}
    assert set(others) == {
        "GITHUB_URL",
        "GITHUB_API_URL",
        "CLOUDFLARE_API_URL",
        "STRIPE_API_URL",
        "STRIPE_CHECKOUT_URL",
        "STRIPE_DASHBOARD_URL",
    }
    assert Path(config["d1_databases"][0]["migrations_dir"]).is_dir()
