from pathlib import Path

import pytest

from local.cloudflare.namespace_store import NamespaceStore


@pytest.fixture
def store(tmp_path: Path) -> NamespaceStore:
    return NamespaceStore(tmp_path / "namespaces")


def test_nothing_is_there_at_first(store: NamespaceStore) -> None:
    assert store.get("testing", "hello") is None
    assert store.list("testing") == []


def test_a_script_comes_back_as_it_was_put(store: NamespaceStore) -> None:
    script = {"etag": "1", "modules": [{"name": "é.js", "content": "x\r\n"}], "tags": []}
    store.put("testing", "hello", script)
    assert store.get("testing", "hello") == script


def test_a_script_outlives_the_store(tmp_path: Path) -> None:
    NamespaceStore(tmp_path).put("testing", "hello", {"etag": "1"})
    assert NamespaceStore(tmp_path).get("testing", "hello") == {"etag": "1"}


def test_a_script_replaces_the_one_before(store: NamespaceStore) -> None:
    store.put("testing", "hello", {"etag": "1", "tags": ["a long first version"] * 100})
    store.put("testing", "hello", {"etag": "2"})
    assert store.get("testing", "hello") == {"etag": "2"}
    assert store.list("testing") == ["hello"]


def test_scripts_are_listed_by_name_in_their_namespace(store: NamespaceStore) -> None:
    for name in ("b", "a-1", "_c"):
        store.put("testing", name, {})
    store.put("other", "d", {})
    assert store.list("testing") == sorted(["b", "a-1", "_c"])
    assert store.get("other", "b") is None


def test_a_deleted_script_is_gone_and_others_stay(store: NamespaceStore) -> None:
    store.put("testing", "hello", {})
    store.put("testing", "other", {})
    store.delete("testing", "hello")
    store.delete("testing", "hello")
    assert store.get("testing", "hello") is None
    assert store.list("testing") == ["other"]


def test_a_half_written_script_is_neither_listed_nor_served(tmp_path: Path) -> None:
    store = NamespaceStore(tmp_path)
    store.put("testing", "whole", {"etag": "1"})
    for name in ("torn", "whole"):
        (tmp_path / "testing" / f"{name}.partial").write_text('{"etag": "2"')
    assert store.list("testing") == ["whole"]
    assert store.get("testing", "torn") is None
    assert store.get("testing", "whole") == {"etag": "1"}


def test_a_script_that_cannot_be_written_leaves_the_one_before(store: NamespaceStore) -> None:
    store.put("testing", "hello", {"etag": "1"})
    with pytest.raises(TypeError):
        store.put("testing", "hello", {"etag": "2", "modules": [b"not JSON"]})
    assert store.get("testing", "hello") == {"etag": "1"}
    assert store.list("testing") == ["hello"]
