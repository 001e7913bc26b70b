"""What one instance keeps is bounded, in number and in bytes."""

from hypothesis import given
from hypothesis import strategies as st

from memory import Memory


def test_a_value_is_kept_for_its_time() -> None:
    memory: Memory[str] = Memory(2)
    assert memory.get("key", 0) is None
    memory.put("key", "value", until=10)
    assert memory.get("key", 9) == "value"
    assert memory.get("key", 10) is None
    memory.put("key", "next", until=20)
    assert memory.get("key", 10) == "next"


def test_the_oldest_make_way_for_what_is_new() -> None:
    memory: Memory[int] = Memory(3, most_bytes=10)
    for number, size in enumerate([1, 1, 1, 1]):
        memory.put(str(number), number, 100, size)
    assert [memory.get(key, 0) for key in "0123"] == [None, 1, 2, 3]
    memory.put("large", 4, 100, 9)
    assert [memory.get(key, 0) for key in ("1", "2", "3", "large")] == [None, None, 3, 4]
    memory.put("too large", 5, 100, 11)
    assert memory.get("too large", 0) is None
    assert memory.get("large", 0) == 4


KEYS = st.sampled_from("abcdefgh")


@given(st.lists(st.tuples(KEYS, st.integers(0, 12))), st.integers(1, 4), st.integers(0, 20))
def test_it_never_holds_more_than_it_may(puts: list[tuple[str, int]], most: int, most_bytes: int) -> None:
    memory: Memory[int] = Memory(most, most_bytes)
    for key, size in puts:
        memory.put(key, size, 1, size)
        kept = [value for key in "abcdefgh" if (value := memory.get(key, 0)) is not None]
        assert len(kept) <= len(memory) <= most
        assert sum(kept) <= most_bytes
        if size <= most_bytes:
            assert memory.get(key, 0) == size
