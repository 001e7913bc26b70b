"""Topping up: credited once, however often, in whatever order and by whomever it is reported."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from clients.billing import BillingUnavailableError
from local.stripe.objects import Json
from local.stripe.webhooks import signature
from model.checkout import PaymentsUnavailableError
from tests.dashboard.dashboard_site import ALICE, BOB, DASHBOARD, OPERATOR
from tests.dashboard.shop import APP, NEXT_SECRET, STRIPE, WEBHOOK_SECRET, Shop, in_shop
from tests.dashboard.turns import Actor, steps_of, take_turns
from upkeep import EXPIRED_PAYMENT_MS


def test_a_session_carries_whose_top_up_it_is(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.site.log_in(BOB)
        session = await shop.begin(BOB)
        assert session["metadata"] == {"app_id": APP, "user_id": str(BOB.id)}
        assert session["success_url"] == f"{DASHBOARD}/checkout-sessions/{{CHECKOUT_SESSION_ID}}/success"
        assert session["cancel_url"] == f"{DASHBOARD}/apps/{APP}"
        assert (await shop.begin())["metadata"] == {"app_id": APP}

    in_shop(tmp_path, work)


def test_the_success_page_credits_and_says_so(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        page = await shop.success(session)
        assert f"Added $5.00 to {APP}" in page.text
        assert await shop.funding() == 500

    in_shop(tmp_path, work)


def test_fifty_reports_at_once_credit_once(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        (event,) = shop.events("checkout.session.completed")
        reports = [shop.success(session) for _ in range(25)] + [shop.deliver(event) for _ in range(25)]
        await asyncio.gather(*reports)  # type: ignore[arg-type]
        assert await shop.funding() == 500
        payment = await shop.services.payments.get(session["id"])
        assert payment is not None
        assert payment.status == "credited"

    in_shop(tmp_path, work)


@pytest.mark.parametrize("step", ["noted", "booked", "marked"])
def test_whatever_step_dies_the_next_report_ends_right(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death before `record_paid`, before the object has booked, and before that is noted."""
    method = {"noted": "record_paid", "booked": "add_funds", "marked": "mark_credited"}[step]
    owner = "clients.billing.Billing" if step == "booked" else "store.payments.Payments"

    async def die(*_: object) -> None:
        raise PowerCutError

    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        with monkeypatch.context() as patched:
            patched.setattr(f"{owner}.{method}", die)
            with pytest.raises(PowerCutError):
                await shop.services.fulfilment.fulfil(session["id"], shop.site.now)
        assert await shop.upkeep() == []
        assert await shop.funding() == 500
        await shop.success(session)
        assert await shop.funding() == 500

    in_shop(tmp_path, work)


class PowerCutError(Exception):
    pass


def test_billing_or_stripe_that_is_down_loses_nothing(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        (event,) = shop.events("checkout.session.completed")
        shop.site.billing.is_down = True
        assert (await shop.success(session)).status_code == 503
        assert await shop.deliver(event) == 503
        shop.site.billing.is_down = False
        shop.stripe.api.trouble.times, shop.stripe.api.trouble.status = 3, 500
        assert (await shop.success(session)).status_code == 503
        assert await shop.upkeep() == []
        assert await shop.funding() == 500

    in_shop(tmp_path, work)


def test_a_payment_that_nobody_reports_is_found_by_the_upkeep(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.paid(700)
        await shop.begin()
        assert await shop.upkeep() == []
        assert await shop.funding() == 700

    in_shop(tmp_path, work)


def test_a_session_that_was_never_noted_is_credited_all_the_same(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500, BOB)
        await shop.site.database.execute("DELETE FROM payments")
        assert await shop.services.fulfilment.fulfil(session["id"], shop.site.now) is not None
        payment = await shop.services.payments.get(session["id"])
        assert payment is not None
        assert (payment.login, payment.amount_cents) == ("bob", 500)

    in_shop(tmp_path, work)


def test_a_payment_that_settles_later_is_credited_then(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        shop.stripe.pay(session, settles_later=True)
        assert "being processed" in (await shop.success(session)).text
        assert await shop.deliver(shop.events("checkout.session.completed")[0]) == 204
        assert await shop.funding() == 0
        shop.stripe.do_settle(session["id"])
        assert await shop.deliver(shop.events("checkout.session.async_payment_succeeded")[0]) == 204
        # The older event comes again, and last.
        assert await shop.deliver(shop.events("checkout.session.completed")[0]) == 204
        assert await shop.funding() == 500

    in_shop(tmp_path, work)


def test_a_payment_that_fails_later_says_so_and_can_be_paid_again(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.site.log_in(BOB)
        session = await shop.fails_later(BOB)
        (event,) = shop.events("checkout.session.async_payment_failed")
        # Reported again, and the older event last.
        for report in (event, event, shop.events("checkout.session.completed")[0]):
            assert await shop.deliver(report) == 204
            assert await shop.status(session) == "failed"
        assert ">failed</td>" in (await shop.site.visitor(BOB).get("/payments")).text
        page = (await shop.success(session)).text
        assert "Your payment failed" in page
        assert "nothing was charged" in page
        assert f'href="/apps/{APP}/top-up">Pay Again</a>' in page
        again = await shop.paid(700, BOB)
        assert "Added $7.00" in (await shop.success(again)).text
        assert await shop.funding() == 700
        assert (await shop.status(session), await shop.status(again)) == ("failed", "credited")

    in_shop(tmp_path, work)


@pytest.mark.parametrize("intent_status", ["requires_payment_method", "canceled"])
def test_the_upkeep_finds_a_payment_that_failed_and_asks_no_more(tmp_path: Path, intent_status: str) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.fails_later()
        shop.stripe.objects.all[session["payment_intent"]]["status"] = intent_status
        assert await shop.upkeep() == []
        assert await shop.status(session) == "failed"
        asked = len(shop.site.asked)
        assert await shop.upkeep() == []
        assert len(shop.site.asked) == asked

    in_shop(tmp_path, work)


@pytest.mark.parametrize("intent_status", ["processing", "requires_action"])
def test_a_payment_that_may_still_succeed_has_not_failed(tmp_path: Path, intent_status: str) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        shop.stripe.pay(session, settles_later=True)
        shop.stripe.objects.all[session["payment_intent"]]["status"] = intent_status
        for _ in range(2):
            asked = len(shop.site.asked)
            assert await shop.upkeep() == []
            assert len(shop.site.asked) > asked
            assert await shop.status(session) == "processing"

    in_shop(tmp_path, work)


def test_money_that_comes_after_a_failure_is_credited_and_stays(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.fails_later()
        (failed,) = shop.events("checkout.session.async_payment_failed")
        await shop.deliver(failed)
        shop.stripe.do_settle(session["id"])
        (succeeded,) = shop.events("checkout.session.async_payment_succeeded")
        for event in (succeeded, failed, succeeded):
            assert await shop.deliver(event) == 204
            assert await shop.funding() == 500
        # By somebody who asked Stripe before, and comes to note it now.
        await shop.services.payments.mark(session["id"], "failed")
        assert await shop.status(session) == "credited"

    in_shop(tmp_path, work)


def test_who_failed_to_pay_for_a_deleted_app_is_not_offered_to_pay_again(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.fails_later()
        await shop.services.apps.mark_deleted(APP, shop.site.now)
        page = (await shop.success(session)).text
        assert "Your payment failed" in page
        assert "Pay Again" not in page

    in_shop(tmp_path, work)


FOREIGN: dict[str, Json] = {
    "a subscription": {"mode": "subscription"},
    "an unknown app": {"metadata": {"app_id": "unknown"}},
    "no app": {"metadata": {}},
}


@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_paid_top_up_is_refused(tmp_path: Path, fields: Json) -> None:
    async def work(shop: Shop) -> None:
        paid = {"status": "complete", "payment_status": "paid", "amount_total": 500}
        session = shop.stripe.do_session(
            {"mode": "payment", "metadata": {"app_id": APP}}, **{**paid, **fields}
        )
        assert (await shop.success(session)).status_code == 404
        assert await shop.deliver(shop.events("checkout.session.completed")[0]) == 204
        assert await shop.funding() == 0
        assert await shop.services.payments.get(session["id"]) is None

    in_shop(tmp_path, work)


def ended(shop: Shop, **fields: object) -> Json:
    """A session of ours that somebody has gone through, and a payment that Stripe has the money of."""
    paid = {"status": "complete", "payment_status": "paid", "amount_total": 500}
    session = shop.stripe.do_session({"mode": "payment", "metadata": {"app_id": APP}}, **paid | fields)
    if session["payment_status"] == "paid" and session["amount_total"]:
        shop.stripe.objects.pay(session, settles_later=False)
    return session


@pytest.mark.parametrize(
    ("currency", "amount"), [("eur", "EUR 5.00"), ("jpy", "JPY 500"), ("kwd", "KWD 0.500")]
)
def test_what_is_paid_in_another_currency_is_told_and_refunded(
    tmp_path: Path, currency: str, amount: str
) -> None:
    async def work(shop: Shop) -> None:
        session = ended(shop, currency=currency)
        (event,) = shop.events("checkout.session.completed")
        # Whoever read it before it was paid comes to note that now.
        for _ in range(2):
            assert await shop.deliver(event) == 204
            page = await shop.success(session)
            assert f"{amount} will be refunded" in page.text
            assert "in another currency" in page.text
            await shop.services.payments.mark(session["id"], "processing")
        assert await shop.funding() == 0
        operator = shop.site.visitor(OPERATOR)
        listed = (await operator.get("/operator")).text
        assert f"/test/payments/{session['payment_intent']}" in listed
        assert amount in listed
        # Nobody asks for it again.
        asked = len(shop.site.asked)
        assert await shop.upkeep() == []
        assert len(shop.site.asked) == asked
        shop.stripe.do_refund(session["id"], 200)
        await shop.deliver(shop.events("charge.refunded")[0])
        assert amount in (await operator.get("/operator")).text
        shop.stripe.do_refund(session["id"])
        await shop.deliver(shop.events("charge.refunded")[0])
        assert amount not in (await operator.get("/operator")).text
        assert f"{amount} was refunded" in (await shop.success(session)).text
        assert await shop.upkeep() == []
        assert await shop.funding() == 0
        assert (await shop.services.sums.totals()).paid_cents == 0

    in_shop(tmp_path, work)


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_total": 0},
        {"amount_total": None},
        {"payment_status": "no_payment_required", "amount_total": 0},
    ],
    ids=str,
)
def test_where_there_was_nothing_to_pay_payer_and_operator_are_told(tmp_path: Path, fields: Json) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        session |= {"status": "complete", "payment_status": "paid", **fields}
        page = await shop.success(session)
        assert page.status_code == 200
        assert "nothing to pay" in page.text
        operator = shop.site.visitor(OPERATOR)
        assert session["id"] in (await operator.get("/operator")).text
        asked = len(shop.site.asked)
        assert await shop.upkeep() == []
        assert len(shop.site.asked) == asked
        assert await shop.funding() == 0
        shop.site.now += 31 * 24 * 3_600_000
        assert session["id"] not in (await shop.site.visitor(OPERATOR).get("/operator")).text

    in_shop(tmp_path, work)


def test_what_is_paid_for_an_app_whose_worker_is_missing_is_booked_and_listed(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        await shop.site.database.execute("UPDATE apps SET missing_since = 1")
        assert "$5.00 will be refunded" in (await shop.success(session)).text
        assert await shop.funding() == 500
        listed = (await shop.site.visitor(OPERATOR).get("/operator")).text
        assert session["payment_intent"] in listed
        assert "Worker is missing" in listed

    in_shop(tmp_path, work)


def test_what_is_booked_in_an_account_that_closes_meanwhile_is_listed_at_any_step(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        take_turns(shop.site)
        fulfil = shop.services.fulfilment.fulfil
        steps = await steps_of(fulfil((await shop.paid(50))["id"], shop.site.now))
        sessions = [await shop.paid(500) for _ in range(steps)]
        reports = [Actor(fulfil(session["id"], shop.site.now)) for session in sessions]
        for number, report in enumerate(reports):
            for _ in range(number):
                await report.step()
        await shop.services.apps.mark_deleted(APP, shop.site.now)
        await shop.services.billing.close_account(APP)
        for report in reports:
            await report.finish()
        assert await shop.funding() == 500 * steps + 50
        listed = (await shop.site.visitor(OPERATOR).get("/operator")).text
        # The last was credited, and noted so, before the deletion.
        shown = [session["payment_intent"] in listed for session in sessions]
        assert shown == [True] * (steps - 1) + [False]

    in_shop(tmp_path, work)


def test_a_session_that_stripe_has_forgotten_is_given_up_after_a_month(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        shop.stripe.objects.all.pop(session["id"])
        assert await shop.upkeep() == []
        assert await shop.status(session) == "open"
        shop.site.now += 31 * 24 * 3_600_000
        assert await shop.upkeep() == []
        assert await shop.status(session) == "expired"

    in_shop(tmp_path, work)


@pytest.mark.parametrize("status", ["open", "expired"])
def test_an_unpaid_session_credits_nothing(tmp_path: Path, status: str) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        session["status"] = status
        page = await shop.success(session)
        assert "Nothing was paid" in page.text
        assert await shop.funding() == 0
        assert await shop.upkeep() == []
        assert await shop.funding() == 0

    in_shop(tmp_path, work)


def test_sessions_in_which_nobody_paid_are_forgotten_and_no_others(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        sessions = [await shop.begin() for _ in range(3)]
        await shop.success(await shop.paid(500))
        for session in sessions:
            session["status"] = "expired"
        await shop.upkeep()
        assert [await shop.status(session) for session in sessions] == ["expired"] * 3
        begun = await shop.begin()
        shop.site.now += EXPIRED_PAYMENT_MS
        await shop.upkeep()
        rows = await shop.site.database.execute("SELECT status FROM payments ORDER BY status")
        assert [row["status"] for row in rows] == ["credited", "open"]
        assert await shop.status(begun) == "open"

    in_shop(tmp_path, work)


@pytest.mark.parametrize("id_", ["cs_test_unknown", "nonsense", "cs_test_" + "a" * 300, "../../secrets"])
def test_a_session_that_stripe_does_not_know_is_not_found(tmp_path: Path, id_: str) -> None:
    async def work(shop: Shop) -> None:
        assert (await shop.site.visitor().get(f"/checkout-sessions/{id_}/success")).status_code == 404

    in_shop(tmp_path, work)


def test_however_many_pages_were_left_open_a_paid_one_has_its_turn(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        for number in range(100):
            await shop.services.payments.add_open(f"cs_test_left{number}", APP, shop.site.now)
        session = await shop.paid(500)
        shop.site.billing.is_down = True
        await shop.success(session)
        shop.site.billing.is_down = False
        await shop.upkeep()
        assert await shop.funding() == 500

    in_shop(tmp_path, work)


# Webhooks.


def test_a_webhook_must_be_signed_by_a_secret_that_is_valid_and_lately(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.paid(500)
        (event,) = shop.events("checkout.session.completed")
        assert await shop.deliver(event, "whsec_wrong") == 400
        assert await shop.deliver(event, age=600) == 400
        assert await shop.funding() == 0
        for header in ("", "t=1", "v1=abc", "t=x,v1=y", "t=1,v1=ü"):
            answer = await shop.site.visitor().ask(
                "POST", "/webhooks/stripe", {"stripe-signature": header}, json.dumps(event)
            )
            assert answer.status_code == 400
        # While the secret is rotated both are valid.
        assert await shop.deliver(event, NEXT_SECRET) == 204
        assert await shop.deliver(event, WEBHOOK_SECRET) == 204
        assert await shop.funding() == 500

    in_shop(tmp_path, work)


def test_one_of_several_signatures_is_enough(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.paid(500)
        body = json.dumps(shop.events("checkout.session.completed")[0])
        good = signature(body, WEBHOOK_SECRET, int(time.time()))
        header = good.replace(",v1=", f",v1={'0' * 64},v1=")
        answer = await shop.site.visitor().ask("POST", "/webhooks/stripe", {"stripe-signature": header}, body)
        assert answer.status_code == 204
        assert await shop.funding() == 500

    in_shop(tmp_path, work)


def test_events_that_are_about_something_else_are_accepted_without_a_question(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.paid(500)
        asked = len(shop.site.asked)
        assert await shop.deliver(shop.events("charge.succeeded")[0]) == 204
        assert await shop.deliver({"type": "customer.created", "data": {"object": {"id": "cus_1"}}}) == 204
        assert await shop.deliver({"type": "balance.available", "data": {"object": {}}}) == 204
        assert len(shop.site.asked) == asked

    in_shop(tmp_path, work)


def test_what_a_webhook_claims_is_not_believed_but_asked_for(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        claim = {**session, "status": "complete", "payment_status": "paid", "amount_total": 10**9}
        event = {"type": "checkout.session.completed", "data": {"object": claim}}
        assert await shop.deliver(event) == 204
        assert await shop.funding() == 0

    in_shop(tmp_path, work)


# Pages.


def test_only_a_live_app_can_be_topped_up(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.site.database.execute("UPDATE apps SET directory = 'other'")
        await shop.site.add_app("pendingapp")
        assert (await shop.site.visitor().post("/apps/unknown/top-up")).status_code == 404
        assert (await shop.site.visitor().post("/apps/pendingapp/top-up")).status_code == 404
        assert (await shop.site.visitor(ALICE).post("/apps/pendingapp/top-up")).status_code == 409
        await shop.services.apps.mark_deleted(APP, shop.site.now)
        assert (await shop.site.visitor().post(f"/apps/{APP}/top-up")).status_code == 409
        assert "Top Up Balance" not in (await shop.site.visitor().get(f"/apps/{APP}")).text
        assert shop.stripe.objects.of("checkout.session") == []

    in_shop(tmp_path, work)


def test_a_payment_for_an_app_that_was_deleted_meanwhile_is_the_operators_to_refund(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        await shop.services.apps.mark_deleted(APP, shop.site.now)
        shop.site.now += 1
        await shop.success(session)
        operator = shop.site.visitor(OPERATOR)
        page = await operator.get("/operator")
        assert "To be refunded" in page.text
        link = f"https://stripe-dashboard.example/test/payments/{session['payment_intent']}"
        assert f'<a href="{link}">' in page.text
        assert "The app was deleted" in page.text
        assert "$5.00 will be refunded" in (await shop.success(session)).text
        assert await shop.funding() == 500
        shop.stripe.do_refund(session["id"], 500)
        await shop.deliver(shop.events("charge.refunded")[0])
        assert session["payment_intent"] not in (await operator.get("/operator")).text
        assert "$5.00 was refunded" in (await shop.success(session)).text
        assert await shop.funding() == 0

    in_shop(tmp_path, work)


def test_stripe_that_can_not_be_reached_says_so(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        del shop.site.servers[STRIPE]
        page = await shop.site.visitor().post(f"/apps/{APP}/top-up", {"amount": "500"})
        assert page.status_code == 503
        assert "Stripe can" in page.text
        assert "Try again in a moment" in page.text

    in_shop(tmp_path, work)


@pytest.mark.parametrize(
    "missing", [{"TOP_UP_LEAST_CENTS": 0}, {"STRIPE_SECRET_KEY": ""}, {"STRIPE_WEBHOOK_SECRET": ""}]
)
def test_where_payments_are_not_set_up_none_are_offered(
    tmp_path: Path, missing: dict[str, str | int], capfd: pytest.CaptureFixture[str]
) -> None:
    not_set_up = "The operator of this site has not set up payments."

    async def work(shop: Shop) -> None:
        shop.site.billing.getByName(APP).use(100)
        page = await shop.site.visitor().get(f"/apps/{APP}")
        assert "Total funding" in page.text
        assert "top-up" not in page.text
        page = await shop.site.visitor().get(f"/apps/{APP}/402")
        assert "Insufficient balance" in page.text
        assert not_set_up in page.text
        assert "top-up" not in page.text
        assert "topped up" not in page.text
        assert "topped up" not in (await shop.site.visitor(BOB).get("/payments")).text
        page = await shop.site.visitor().post(f"/apps/{APP}/top-up")
        assert page.status_code == 503
        assert not_set_up in page.text
        assert "again" not in page.text
        assert shop.site.asked == []

    in_shop(tmp_path, work, **missing)
    assert capfd.readouterr().err == ""


def test_where_payments_are_set_up_they_are_offered(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        shop.site.billing.getByName(APP).use(100)
        for path in (f"/apps/{APP}", f"/apps/{APP}/402"):
            page = await shop.site.visitor().get(path)
            assert f'"/apps/{APP}/top-up"' in page.text
            assert "has not set up" not in page.text

    in_shop(tmp_path, work)


def test_payments_are_on_the_apps_page_and_on_the_payers_own(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.site.log_in(BOB)
        await shop.success(await shop.paid(1_234_567, BOB))
        await shop.success(await shop.paid(100))
        page = (await shop.site.visitor().get(f"/apps/{APP}")).text
        assert "$12,345.67" in page
        assert "$12,346.67" in page  # both, as the object tells
        own = (await shop.site.visitor(BOB).get("/payments")).text
        assert "$12,345.67" in own
        assert "$1.00" not in own
        assert "any payments yet" in (await shop.site.visitor(ALICE).get("/payments")).text
        assert (await shop.site.visitor().get("/payments")).status_code == 303

    in_shop(tmp_path, work)


def test_amounts_stay_exact_to_ten_billion_dollars(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = shop.stripe.do_session(
            {"mode": "payment", "metadata": {"app_id": APP}},
            status="complete",
            payment_status="paid",
            amount_total=10**12 - 1,
        )
        await shop.services.payments.add_open(session["id"], APP, shop.site.now)
        page = await shop.success(session)
        assert "$9,999,999,999.99" in page.text
        assert await shop.funding() == 10**12 - 1

    in_shop(tmp_path, work)


def test_errors_are_told_as_such(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        shop.stripe.api.trouble.times, shop.stripe.api.trouble.status = 5, 429
        with pytest.raises(PaymentsUnavailableError):
            await shop.services.fulfilment.fulfil(session["id"], shop.site.now)
        shop.stripe.api.trouble.times = 0
        shop.site.billing.is_down = True
        with pytest.raises(BillingUnavailableError):
            await shop.services.fulfilment.fulfil(session["id"], shop.site.now)

    in_shop(tmp_path, work)
