"""Who asks in vain too often waits; whoever else asks, and for what there is, never does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from visitors import (
    MAX_WAITING,
    STALE_MS,
    WAIT_MS,
    WORKERS,
    TooManyInVainError,
    Visitors,
    network_of,
    workers_of,
)

LIMIT = 5


class Door:
    """Visitors, their limit counted as Cloudflare does, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0
        self.counted: Counter[str] = Counter()
        self.asked = 0
        self.visitors = Visitors(self.count, lambda: self.now)

    async def count(self, network: str) -> bool:
        self.counted[network] += 1
        return self.counted[network] > LIMIT

    async def ask(self, network: str, answer: str = "nothing", after: asyncio.Event | None = None) -> str:
        async def question() -> str:
            self.asked += 1
            if after is not None:
                await after.wait()
            return answer

        return await self.visitors.ask(network, question, lambda found: found == "nothing")


def at_the_door(work: Callable[[Door], Awaitable[None]]) -> None:
    asyncio.run(work(Door()))  # type: ignore[arg-type]


def test_an_address_over_its_limit_waits_and_others_do_not() -> None:
    async def work(door: Door) -> None:
        for _ in range(LIMIT + 1):
            assert await door.ask("one") == "nothing"
        for _ in range(3):
            with pytest.raises(TooManyInVainError):
                await door.ask("one", "something")
        assert door.asked == LIMIT + 1
        assert await door.ask("two") == "nothing"
        door.now = WAIT_MS
        assert await door.ask("one", "something") == "something"

    at_the_door(work)


def test_without_an_address_nobody_keeps_others_waiting() -> None:
    async def work(door: Door) -> None:
        for _ in range(10 * LIMIT):
            assert await door.ask(network_of(None)) == "nothing"
        assert await door.ask(network_of(None), "something") == "something"
        assert not door.counted

    at_the_door(work)


def test_questions_that_are_answered_are_not_counted() -> None:
    async def work(door: Door) -> None:
        for _ in range(10 * LIMIT):
            assert await door.ask("one", "something") == "something"
        assert not door.counted

    at_the_door(work)


def test_questions_at_once_are_limited_before_any_is_answered() -> None:
    async def work(door: Door) -> None:
        answered = asyncio.Event()
        questions = [asyncio.create_task(door.ask("one", after=answered)) for _ in range(500)]
        await asyncio.sleep(0)
        assert await door.ask("two", "something") == "something"
        answered.set()
        outcomes = await asyncio.gather(*questions, return_exceptions=True)
        assert sum(outcome == "nothing" for outcome in outcomes) == MAX_WAITING
        door.now = WAIT_MS
        assert await door.ask("one", "something") == "something"

    at_the_door(work)


def test_a_question_whose_request_has_gone_does_not_count_for_ever() -> None:
    async def work(door: Door) -> None:
        for _ in range(MAX_WAITING):
            door.visitors.begin("one")
        with pytest.raises(TooManyInVainError):
            await door.ask("one")
        door.now = STALE_MS
        assert await door.ask("one") == "nothing"

    at_the_door(work)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("2001:db8:1:2::9", "2001:0db8:0001:0002"),
        ("2001:db8::", "2001:0db8:0000:0000"),
        (None, ""),
        ("", ""),
        ("x" * 100_000, "x" * 64),
    ],
)
def test_a_visitor_has_the_last_half_of_an_ipv6_address(address: str | None, network: str) -> None:
    assert network_of(address) == network
    assert network != WORKERS


def test_workers_of_one_zone_do_not_keep_those_of_another_waiting() -> None:
    assert network_of("2a06:98c0:3600::103") == WORKERS
    assert len({workers_of(zone) for zone in ("one.example", "two.example", None)}) == 3
    assert len(workers_of("x" * 100_000)) < 100
