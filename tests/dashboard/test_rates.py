"""How often one visitor may ask, by address and by user; and what is refused before anybody is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from model.rates import Rates, UncountedError, network_of
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import ALICE, GITHUB, STRIPE, Counting, Site, Visitor, signed

LIMIT = 3
SESSION = {"id": "cs_test_1", "object": "checkout.session", "url": "https://checkout.example/1"}
SAME_ORIGIN = {"origin": "https://dashboard.example", "sec-fetch-site": "same-origin"}


Ask = Callable[[Visitor, dict[str, str]], Awaitable[int]]


class World:
    """A site that counts up to LIMIT, with a Stripe and a GitHub that answer."""

    def __init__(self, requests: int = 1_000, costly: int = LIMIT) -> None:
        self.stripe, self.github = CannedServer(), CannedServer()
        rates = Rates(Counting(requests), Counting(costly))
        self.site = Site({STRIPE: self.stripe, GITHUB: self.github}, rates=rates)
        self.stripe.on("POST", "/v1/checkout/sessions", 200, SESSION)
        self.github.on("POST", "/login/oauth/access_token", 200, {"error": "bad_verification_code"})

    async def statuses(
        self, ask: Callable[[Visitor, dict[str, str]], Awaitable[int]], address: str
    ) -> list[int]:
        visitor = self.site.visitor()
        return [await ask(visitor, {"cf-connecting-ip": address}) for _ in range(LIMIT + 2)]


def in_world(work: Callable[[World], Awaitable[None]], **limits: int) -> None:
    async def run() -> None:
        await work(World(**limits))

    asyncio.run(run())


async def top_up(visitor: Visitor, address: dict[str, str]) -> int:
    return (await visitor.post("/apps/app/top-up", {"amount": "500"}, SAME_ORIGIN | address)).status_code


async def unknown_402(visitor: Visitor, address: dict[str, str]) -> int:
    return (await visitor.get("/apps/nothing/402", address)).status_code


async def come_back_from_github(visitor: Visitor, address: dict[str, str]) -> int:
    visitor.cookies["__Host-login"] = "state.verifier.%2Fapps"
    return (await visitor.get("/login/github/callback?state=state&code=x", address)).status_code


@pytest.mark.parametrize(("ask", "answer"), [(top_up, 303), (unknown_402, 404), (come_back_from_github, 400)])
def test_what_costs_something_is_counted_for_each_address(
    ask: Callable[[Visitor, dict[str, str]], Awaitable[int]], answer: int
) -> None:
    async def work(world: World) -> None:
        await world.site.deployed_app("app")
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
            assert await world.statuses(ask, address) == [answer] * LIMIT + [429] * 2
        assert len(world.stripe.asked) + len(world.github.asked) <= 3 * LIMIT
        # The same network of IPv6.
        assert await world.statuses(ask, "2001:db8:0:0:ffff::2") == [429] * (LIMIT + 2)

    in_world(work)


def test_a_user_is_counted_wherever_they_ask_from() -> None:
    async def work(world: World) -> None:
        await world.site.deployed_app("app")
        alice = world.site.visitor(ALICE)
        statuses = [await top_up(alice, {"cf-connecting-ip": f"192.0.2.{n}"}) for n in range(LIMIT + 2)]
        assert statuses == [303] * LIMIT + [429] * 2

    in_world(work)


def test_the_answer_says_when_to_try_again_in_words_too() -> None:
    async def work(world: World) -> None:
        address = {"cf-connecting-ip": "192.0.2.1"}
        assert [(await world.site.visitor().get("/", address)).status_code for _ in range(LIMIT)] == [
            200
        ] * LIMIT
        response = await world.site.visitor().get("/", address)
        assert response.status_code == 429
        assert response.headers["retry-after"] == "60"
        assert "Too many requests came from your network. Try again in a minute." in response.text
        # Other networks, webhooks, and what dispatch asks are not kept out.
        assert (await world.site.visitor().get("/", {"cf-connecting-ip": "192.0.2.2"})).status_code == 200
        body, headers = signed({})
        for _ in range(2 * LIMIT):
            hook = await world.site.visitor().ask("POST", "/webhooks/github", headers | address, body)
            assert hook.status_code == 204
            assert (await world.site.visitor().get("/")).status_code == 200

    in_world(work, requests=LIMIT)


def test_only_a_webhook_itself_is_not_counted_and_asks_for_no_session() -> None:
    async def work(world: World) -> None:
        address = {"cf-connecting-ip": "192.0.2.1"}
        others = [("GET", "/webhooks/github"), ("GET", "/webhooks/x"), ("POST", "/webhooks/x")]
        for method, path in others * LIMIT:
            last = await world.site.visitor().ask(method, path, address, "")
        assert last.status_code == 429
        world.site.database.connection.close()
        unsigned = address | {"cookie": "__Host-session=made-up"}
        for path, status in (("/webhooks/github", 401), ("/webhooks/stripe", 400)):
            assert (await world.site.visitor().ask("POST", path, unsigned, "{}")).status_code == status

    in_world(work, requests=LIMIT)


def test_where_nothing_can_be_counted_nobody_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        async def has_room(self, key: str) -> bool:
            raise UncountedError("the counters are away")

    async def work() -> None:
        site = Site(rates=Rates(Broken(), Broken()))
        address = {"cf-connecting-ip": "192.0.2.1"}
        assert (await site.visitor().get("/", address)).status_code == 200
        assert await unknown_402(site.visitor(ALICE), address) == 404

    asyncio.run(work())
    assert "the counters are away" in capsys.readouterr().err


def test_a_payment_that_was_never_begun_here_asks_nobody() -> None:
    async def work(world: World) -> None:
        for number in range(20):
            page = await world.site.visitor().get(f"/checkout-sessions/cs_made_up_{number}/success")
            assert page.status_code == 404
        assert world.stripe.asked == []

    in_world(work)


def test_an_app_that_can_not_be_or_is_not_shown_asks_no_object() -> None:
    async def work(world: World) -> None:
        await world.site.add_app("pending")
        world.site.billing.is_down = True
        for app_id in ("UPPER", "-x", "a" * 64, "%2e%2e", "pending"):
            assert (await world.site.visitor().get(f"/apps/{app_id}/402")).status_code == 404

    in_world(work)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "20010db800000000/64"),
        ("2001:db8:0:0:1:2:3:4", "20010db800000000/64"),
        ("2001:db8:0:1::1", "20010db800000001/64"),
        ("", None),
        ("unknown", None),
        ("192.0.2.1, 192.0.2.2", None),
        ("1" * 100_000, None),
    ],
)
def test_a_network_is_an_address_or_what_a_provider_gives_one_customer(
    address: str, network: str | None
) -> None:
    assert network_of({"cf-connecting-ip": address}) == network
    assert network_of({"cf-connecting-ip": address, "cf-worker": "made-up.example"}) == network


def test_workers_of_one_zone_do_not_use_up_what_those_of_another_may_ask() -> None:
    shared = {"cf-connecting-ip": "2a06:98c0:3600::103"}
    zones = [{"cf-worker": "one.example"}, {"cf-worker": "two.example"}, {}, {"cf-worker": "x" * 10_000}]
    networks = {network_of(shared | zone) for zone in zones}
    assert len(networks) == len(zones)
    assert all(network is not None and len(network) < 100 for network in networks)
