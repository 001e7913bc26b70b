"""The local Stripe, asked by Stripe's own SDK over a socket."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
import uvicorn

from local.stack import Server, free_port
from local.stripe.forms import ParameterError, decode
from local.stripe.server import Stripe, StripeSettings

KEY, SECRET = "sk_test_key", "whsec_secret"
PARAMETERS: Any = {
    "mode": "payment",
    "line_items": [
        {
            "price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Requests"}},
            "quantity": 1,
        }
    ],
    "metadata": {"app_id": "hello"},
    "success_url": "http://shop.example/{CHECKOUT_SESSION_ID}",
    "cancel_url": "http://shop.example/",
}


ITEM = "line_items[0]"


def priced(**changed: Any) -> dict[str, Any]:
    """An item whose price, or itself, is another."""
    price = PARAMETERS["line_items"][0]["price_data"]
    own = {name: changed.pop(name) for name in ("quantity", "colour") if name in changed}
    return {"line_items": [{"price_data": price | changed, **own}]}


class Endpoint:
    """What the operator's webhook is sent; `answers` are its next statuses, then 200."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        self.port = free_port()
        self._arrived = threading.Condition()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(endpoint.answers.pop(0) if endpoint.answers else 200)
                self.end_headers()
                with endpoint._arrived:
                    endpoint.received.append((body, self.headers["stripe-signature"]))
                    endpoint._arrived.notify_all()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, number: int) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.received) >= number, 20)

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for body, _ in self.received]


class Running:
    """The stand-in in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.endpoint = Endpoint()
        self.port = free_port()
        self._folder = folder
        self._thread: threading.Thread | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Running:
        settings = StripeSettings(
            self.origin, f"http://127.0.0.1:{self.endpoint.port}/", "shop.example", KEY, SECRET
        )
        stand_in = Stripe(settings, self._folder)
        config = uvicorn.Config(stand_in.application(), port=self.port, log_level="warning", lifespan="off")
        self._server = Server(config)

        async def serve() -> None:
            stand_in.start()
            await self._server.serve()
            await stand_in.stop()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()))
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join()

    def client(self, key: str = KEY, retries: int = 0) -> Any:
        return stripe.StripeClient(
            key, base_addresses={"api": self.origin}, max_network_retries=retries, http_client=None
        ).v1

    def control(self, do: str, **asked: Any) -> Any:
        return httpx.post(f"{self.origin}/local/stripe", json={"do": do, **asked}).json()

    def pay(self, session: Any, **form: str) -> httpx.Response:
        return httpx.post(session.url, data={"card": "good", **form})


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running.start()
    running.stop()
    running.endpoint.server.shutdown()
    running.endpoint.server.server_close()


def refusal(call: Callable[[], object]) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as refused:
        call()
    return refused.value


def test_a_session_is_paid_and_told_of(running: Running) -> None:
    session = running.client().checkout.sessions.create(PARAMETERS)
    assert (session.status, session.payment_status, session.currency) == ("open", "unpaid", "usd")
    assert "Pay $5.00" in httpx.get(session.url).text
    answer = running.pay(session)
    assert answer.headers["location"] == f"http://shop.example/{session.id}"
    paid = running.client().checkout.sessions.retrieve(session.id)
    assert (paid.status, paid.payment_status, paid.amount_total) == ("complete", "paid", 500)
    running.endpoint.wait_for(2)
    for body, header in running.endpoint.received:
        event = stripe.Webhook.construct_event(body, header, SECRET)
        assert event.data.object["metadata"]["app_id"] == "hello"
    assert set(running.endpoint.types()) == {"checkout.session.completed", "charge.succeeded"}
    (found,) = running.client().checkout.sessions.list({"payment_intent": paid.payment_intent}).data
    assert found.id == session.id


@pytest.mark.parametrize(
    ("changed", "parameter"),
    [
        ({"mode": "gift"}, "mode"),
        ({"line_items": []}, "line_items"),
        ({"line_items": [{"quantity": 1}]}, f"{ITEM}[price_data]"),
        (priced(), f"{ITEM}[quantity]"),
        (priced(quantity=2), f"{ITEM}[quantity]"),
        (priced(quantity=1, colour="red"), f"{ITEM}[colour]"),
        (priced(quantity=1, currency="eur"), f"{ITEM}[price_data][currency]"),
        (priced(quantity=1, unit_amount="5.00"), f"{ITEM}[price_data][unit_amount]"),
        (priced(quantity=1, unit_amount=100_000_000), f"{ITEM}[price_data][unit_amount]"),
        (priced(quantity=1, product_data={}), f"{ITEM}[price_data][product_data][name]"),
        (priced(quantity=1, product_data={"colour": "red"}), f"{ITEM}[price_data][product_data][colour]"),
        ({"submit_type": "give"}, "submit_type"),
        ({"adaptive_pricing": {"enabled": "maybe"}}, "adaptive_pricing[enabled]"),
        ({"custom_text": {"submit": {"message": "x" * 1_201}}}, "custom_text[submit][message]"),
        ({"metadata": {"key": "x" * 501}}, "metadata[key]"),
        ({"colour": "red"}, "colour"),
        ({"payment_intent_data": {"colour": "red"}}, "payment_intent_data[colour]"),
        ({"success_url": ""}, "success_url"),
    ],
    ids=str,
)
def test_wrong_parameters_are_named(running: Running, changed: dict[str, Any], parameter: str) -> None:
    error = refusal(lambda: running.client().checkout.sessions.create(PARAMETERS | changed))
    assert isinstance(error, stripe.InvalidRequestError)
    assert error.param == parameter


def test_a_wrong_key_is_refused_and_an_unknown_id_not_found(running: Running) -> None:
    sessions = running.client("sk_test_wrong").checkout.sessions
    assert isinstance(refusal(lambda: sessions.create(PARAMETERS)), stripe.AuthenticationError)
    error = refusal(lambda: running.client().checkout.sessions.retrieve("cs_test_unknown"))
    assert (error.http_status, error.code) == (404, "resource_missing")


def test_an_idempotency_key_gives_the_same_answer_to_the_same_question_only(running: Running) -> None:
    create, options = running.client().checkout.sessions.create, {"idempotency_key": "once"}
    first, second = create(PARAMETERS, options), create(PARAMETERS, options)
    assert first.id == second.id
    assert first.id != create(PARAMETERS).id
    other = PARAMETERS | {"client_reference_id": "other"}
    assert isinstance(refusal(lambda: create(other, options)), stripe.IdempotencyError)


def test_it_can_be_told_to_fail_and_the_sdk_tries_again(running: Running) -> None:
    running.control("trouble", times=1)
    assert isinstance(refusal(lambda: running.client().checkout.sessions.create(PARAMETERS)), stripe.APIError)
    running.control("trouble", times=1)
    assert running.client(retries=2).checkout.sessions.create(PARAMETERS).status == "open"


def test_less_than_stripe_takes_is_refused(running: Running) -> None:
    create = running.client().checkout.sessions.create
    assert create(PARAMETERS | priced(quantity=1, unit_amount=50)).amount_total == 50
    error = refusal(lambda: create(PARAMETERS | priced(quantity=1, unit_amount=49)))
    assert (error.http_status, error.code) == (400, "amount_too_small")


def test_a_receipt_tells_of_refunds(running: Running) -> None:
    session = paid(running)
    intent = running.client().payment_intents.retrieve(session.payment_intent)
    charge = running.client().charges.retrieve(intent.latest_charge)
    assert "Paid: $5.00" in httpx.get(charge.receipt_url).text
    running.control("refund", session=session.id, cents=200)
    assert "Refunded: $2.00" in httpx.get(charge.receipt_url).text
    assert httpx.get(f"{running.origin}/receipts/unknown").status_code == 404


def test_a_declined_card_leaves_the_session_open(running: Running) -> None:
    session = running.client().checkout.sessions.create(PARAMETERS)
    assert "declined" in running.pay(session, card="declined").text
    assert running.client().checkout.sessions.retrieve(session.id).status == "open"


def test_a_delivery_that_fails_is_sent_again_also_after_a_restart(running: Running) -> None:
    session = running.client().checkout.sessions.create(PARAMETERS)
    running.endpoint.answers = [500, 500, 500, 500]
    running.pay(session)
    running.endpoint.wait_for(2)
    running.stop()
    running.endpoint.answers = []
    running.start()
    running.endpoint.wait_for(4)
    assert set(running.endpoint.types()[2:]) == {"checkout.session.completed", "charge.succeeded"}


def test_refunds_and_disputes_are_told_of(running: Running) -> None:
    session = running.client().checkout.sessions.create(PARAMETERS)
    running.pay(session)
    refund = running.control("refund", session=session.id, cents=200)
    dispute = running.control("dispute", session=session.id)
    running.control("close_dispute", dispute=dispute["id"], won=False)
    running.endpoint.wait_for(6)
    assert {"charge.refunded", "charge.dispute.created", "charge.dispute.closed"} <= set(
        running.endpoint.types()
    )
    assert running.client().refunds.retrieve(refund["id"]).amount == 200
    assert running.client().disputes.retrieve(dispute["id"]).status == "lost"


def paid(running: Running) -> Any:
    """A session of which 500 cents were paid."""
    session = running.client().checkout.sessions.create(PARAMETERS)
    running.pay(session)
    return running.client().checkout.sessions.retrieve(session.id)


def test_no_more_is_refunded_than_was_paid(running: Running) -> None:
    session, refunds = paid(running), running.client().refunds
    asked = {"payment_intent": session.payment_intent}
    error = refusal(lambda: refunds.create(asked | {"amount": 501}))
    assert (error.http_status, error.code) == (400, None)
    assert "Refund amount ($5.01) is greater than unrefunded amount on charge ($5.00)" in str(error)
    first = refunds.create(asked | {"amount": 200})
    assert "($3.00)" in str(refusal(lambda: refunds.create(asked | {"amount": 301})))
    assert refunds.create(asked).amount == 300
    for amount in ({}, {"amount": 1}):
        error = refusal(lambda amount=amount: refunds.create(asked | amount))  # type: ignore[misc]
        assert error.code == "charge_already_refunded"
    # What failed can be refunded again.
    running.control("end_refund", refund=first.id, status="failed")
    assert refusal(lambda: refunds.create(asked | {"amount": 0})).code == "parameter_invalid_integer"
    assert refunds.create(asked).amount == 200
    assert running.control("refund", session=session.id)["error"]["code"] == "charge_already_refunded"


def test_what_was_charged_back_is_not_refunded_and_what_was_refunded_not_disputed(running: Running) -> None:
    session, refunds = paid(running), running.client().refunds
    asked = {"payment_intent": session.payment_intent}
    assert "error" in running.control("dispute", session=session.id, cents=501)
    inquiry = running.control("dispute", session=session.id, cents=300, is_inquiry=True)
    assert inquiry["balance_transactions"] == []
    refunds.create(asked | {"amount": 100})
    running.control("escalate_dispute", dispute=inquiry["id"])
    assert refusal(lambda: refunds.create(asked)).code == "charge_disputed"
    assert "error" in running.control("dispute", session=session.id, cents=201)
    running.control("change_dispute", dispute=inquiry["id"], cents=200)
    won = running.control("close_dispute", dispute=inquiry["id"], won=True)
    assert sum(moved["amount"] for moved in won["balance_transactions"]) == 0
    assert "error" in running.control("close_dispute", dispute=inquiry["id"], won=True)
    assert refunds.create(asked).amount == 400
    assert "error" in running.control("dispute", session=session.id, cents=1)
    (dispute,) = running.client().disputes.list(asked).data
    assert (dispute.id, dispute.status, dispute.amount) == (inquiry["id"], "won", 200)


def test_lists_are_given_page_by_page(running: Running) -> None:
    session, refunds = paid(running), running.client().refunds
    asked = {"payment_intent": session.payment_intent}
    made = [refunds.create(asked | {"amount": 1}).id for _ in range(12)]
    assert [refund.id for refund in refunds.list(asked).data] == made[:1:-1]
    page = refunds.list(asked | {"limit": 5})
    assert (len(page.data), page.has_more) == (5, True)
    assert [refund.id for refund in page.auto_paging_iter()] == made[::-1]
    assert refunds.list(asked | {"limit": 12}).has_more is False
    assert refusal(lambda: refunds.list({"starting_after": "re_unknown"})).code == "resource_missing"
    assert refusal(lambda: refunds.list({"limit": 101})).param == "limit"
    assert refusal(lambda: refunds.list({"colour": "red"})).param == "colour"


def test_an_operator_refunds_a_payment_on_its_page(running: Running) -> None:
    session = paid(running)
    address = f"{running.origin}/test/payments/{session.payment_intent}"
    page = httpx.get(address).text
    assert "Paid: $5.00. Refunded: $0.00." in page
    assert "<button>Refund All of It</button>" in page
    refunded = httpx.post(address).text
    assert "Refunded: $5.00." in refunded
    assert "<button>" not in refunded
    assert "already been refunded" in httpx.post(address).text
    assert httpx.get(f"{running.origin}/test/payments/pi_unknown").status_code == 404


def test_a_payment_that_settles_later_can_fail(running: Running) -> None:
    sessions = running.client().checkout.sessions
    session = sessions.create(PARAMETERS)
    running.pay(session, card="later")
    expand = {"expand": ["payment_intent"]}
    assert sessions.retrieve(session.id, expand).payment_intent.status == "processing"
    running.control("settle", session=session.id, succeeds=False)
    failed = sessions.retrieve(session.id, expand)
    assert (failed.status, failed.payment_status) == ("complete", "unpaid")
    assert failed.payment_intent.status == "requires_payment_method"
    assert failed.payment_intent.last_payment_error.message
    running.endpoint.wait_for(2)
    assert set(running.endpoint.types()) == {
        "checkout.session.completed",
        "checkout.session.async_payment_failed",
    }


def test_what_is_not_expanded_is_an_id(running: Running) -> None:
    sessions = running.client().checkout.sessions
    session = sessions.create(PARAMETERS | {"expand": ["payment_intent"]})
    assert session.payment_intent is None
    running.pay(session)
    intent = sessions.retrieve(session.id).payment_intent
    for expand in (["data.payment_intent"], ["data.payment_intent.latest_charge"]):
        (found,) = sessions.list({"payment_intent": intent, "expand": expand}).data
        assert found.payment_intent.id == intent
    assert found.payment_intent.latest_charge.amount == 500
    assert sessions.retrieve(session.id).payment_intent == intent
    for name in ("status", "nothing"):
        error = refusal(lambda name=name: sessions.retrieve(session.id, {"expand": [name]}))  # type: ignore[misc]
        assert (error.http_status, name in str(error)) == (400, True)


@pytest.mark.parametrize(
    ("body", "decoded"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a[b]=1&a[c]=2", {"a": {"b": "1", "c": "2"}}),
        ("a[0][b]=1&a[1][b]=2", {"a": [{"b": "1"}, {"b": "2"}]}),
        ("a[]=1", {"a": ["1"]}),
    ],
)
def test_brackets_are_dictionaries_and_lists(body: str, decoded: dict[str, Any]) -> None:
    assert decode(body) == decoded


def test_a_parameter_error_names_the_parameter() -> None:
    assert ParameterError("code", "a[b]", "message").parameter == "a[b]"
