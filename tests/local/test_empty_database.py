"""The empty database that new states are copied from."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import empty_database


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a migration, a lock and nothing else."""
    monkeypatch.setattr(empty_database, "ROOT", tmp_path)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_first.sql").write_text("CREATE TABLE a (b);")
    (tmp_path / "package-lock.json").write_text("{}")
    return tmp_path


def test_it_is_kept_whole_and_once(root: Path) -> None:
    storage = root / "storage"
    (storage / "v3").mkdir(parents=True)
    (storage / "v3" / "database").write_text("first")
    empty_database.keep(storage)
    (storage / "v3" / "database").write_text("of a run that was slower")
    empty_database.keep(storage)
    kept = empty_database.kept_storage()
    assert (kept / "v3" / "database").read_text() == "first"
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_another_is_made_when_a_migration_or_a_tool_has_changed(root: Path) -> None:
    found = {empty_database.kept_storage()}
    (root / "migrations" / "0001_first.sql").write_text("CREATE TABLE a (c);")
    found.add(empty_database.kept_storage())
    (root / "migrations" / "0002_second.sql").write_text("")
    found.add(empty_database.kept_storage())
    (root / "package-lock.json").write_text('{"wrangler": "newer"}')
    found.add(empty_database.kept_storage())
    assert len(found) == 4
