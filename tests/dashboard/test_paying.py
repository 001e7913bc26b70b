"""Paying explains itself: what for, what it buys, how its payer is shown, what came of it; pages and CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.lasting import DAY_MS, lasts
from model.top_up import MOST_CENTS, Offer, TopUpError, chosen_cents, many, offers, way_back
from tests.dashboard.dashboard_site import ALICE, BOB, DASHBOARD, STRIPE
from tests.dashboard.shop import APP, Shop, in_shop
from tests.dashboard.test_sites import HERE, NAME, add_version, make_site
from web.settings import SettingError

OWN = f"/apps/{APP}"
NOON = 20_000 * DAY_MS + DAY_MS // 2


# What is paid.


def test_amounts_are_offered_with_what_they_buy() -> None:
    words = [offer.words for offer in offers(50, 300_000_000, 1_000_000)]
    assert words == [
        "≈ 16.7 million requests",
        "≈ 33.3 million requests",
        "≈ 83.3 million requests",
        "≈ 333 million requests",
    ]
    assert offers(50, 500_000_000, 1_000_000)[0].words == "10 million requests"
    assert offers(20_000, 300_000_000, 1) == [Offer(20_000, 666)]


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0"),
        (666_666, "666,666"),
        (1_000_000, "1 million"),
        (12_300_000, "12.3 million"),
        (999_999_999, "≈ 1,000 million"),
        (33_333_333_333, "≈ 33.3 billion"),
        (10**14, "100 trillion"),
    ],
)
def test_large_counts_are_readable(count: int, words: str) -> None:
    assert many(count) == words


CHOICES = (Offer(500, 1), Offer(1_000, 2))


@pytest.mark.parametrize(
    ("offered", "typed", "cents"),
    [
        ("500", "", 500),
        ("other", "7.50", 750),
        ("other", " $7 ", 700),
        ("", "0.50", 50),
        ("other", "12,345.67", 1_234_567),
        ("500", "5.00", 500),
        ("other", "999999.99", MOST_CENTS),
    ],
)
def test_an_amount_is_chosen_or_typed(offered: str, typed: str, cents: int) -> None:
    assert chosen_cents(offered, typed, 50, CHOICES) == cents


@pytest.mark.parametrize(
    ("offered", "typed"),
    [
        *[("", ""), ("other", ""), ("700", ""), ("500", "7"), ("other", "0.49"), ("other", "-5")],
        *[("other", "5.5"), ("other", "1e3"), ("other", "1000000"), ("other", "٥"), ("other", "five")],
    ],
)
def test_what_is_no_amount_or_two_is_refused_with_what_to_do(offered: str, typed: str) -> None:
    with pytest.raises(TopUpError, match=r"amount|Choose"):
        chosen_cents(offered, typed, 50, CHOICES)


@given(st.text(), st.text())
def test_whatever_is_typed_is_an_amount_in_bounds_or_refused(offered: str, typed: str) -> None:
    with contextlib.suppress(TopUpError):
        assert 50 <= chosen_cents(offered, typed, 50, CHOICES) <= MOST_CENTS


@given(st.integers(50, MOST_CENTS))
def test_an_amount_is_what_it_reads_as(cents: int) -> None:
    typed = f"{cents // 100:,}.{cents % 100:02}"
    assert chosen_cents("other", typed, 50, CHOICES) == chosen_cents("", f"${typed}", 50, CHOICES) == cents


def test_before_paying_one_reads_for_what_and_how_one_is_shown(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        shop.site.billing.getByName(APP).use(100)
        for path in (f"{OWN}/top-up", f"{OWN}/402"):
            page = (await shop.site.visitor().get(path)).text
            assert 'href="https://github.example/alice/hello">alice/hello</a>' in page
            assert 'deployed by <a href="https://github.example/alice">' in page
            assert f'href="https://{APP}.apps.example/"' in page
            assert "≈ 16.7 million requests" in page
            assert "$0.30 per 1,000,000 requests" in page
            assert "The least is $0.50" in page
            assert "No account is needed" in page
            own = (await shop.site.visitor(BOB).get(path)).text
            assert "Your login, bob" in own
            assert "No account is needed" not in own
        assert shop.stripe.objects.of("checkout.session") == []

    in_shop(tmp_path, work)


def test_a_mistake_is_shown_with_what_was_typed_and_stripe_is_not_asked(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        form = {"amount": "other", "other": "<none>", "payer": "anonymous", "next": "/a?b"}
        page = await shop.site.visitor(BOB).post(f"{OWN}/top-up", form)
        assert page.status_code == 422
        assert 'role="alert">Type an amount from $0.50 to $999,999.99, like 7.50.' in page.text
        assert 'value="&lt;none&gt;"' in page.text
        assert 'value="anonymous" checked' in page.text
        assert '<input type="hidden" name="next" value="/a?b">' in page.text
        assert [asked for asked in shop.site.asked if STRIPE in asked] == []

    in_shop(tmp_path, work)


def test_who_chose_their_login_and_has_lost_the_session_is_not_made_anonymous(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        form = {"amount": "2500", "payer": "login", "next": "/a?b"}
        lost = await shop.site.visitor().post(f"{OWN}/top-up", form)
        back = f"{OWN}/top-up?amount=2500&payer=login&next=%2Fa%3Fb"
        assert (lost.status_code, lost.headers["location"]) == (303, f"/login/github?next={quote(back)}")
        page = (await shop.site.visitor(BOB).get(back)).text
        assert re.findall(r'value="(\w+)" checked', page) == ["2500", "login"]
        assert '<input type="hidden" name="next" value="/a?b">' in page
        assert shop.stripe.objects.of("checkout.session") == []

    in_shop(tmp_path, work)


def test_stripe_is_told_the_repository_the_amount_and_to_take_dollars(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(750)
        item = shop.stripe.objects.item_of(session)
        assert (item["description"], item["product_description"], item["amount_total"]) == (
            "Requests for alice/hello",
            f"https://{APP}.apps.example/",
            750,
        )
        assert session["submit_type"] == "pay"
        assert "$7.50" in session["custom_text"]["submit"]["message"]
        (charge,) = shop.stripe.objects.of("charge")
        assert charge["description"] == f"Top-up of alice/hello ({APP})"

    in_shop(tmp_path, work)


def test_a_directory_of_any_length_can_be_paid_for(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.site.database.execute("UPDATE apps SET directory = ?", "d" * 2_000)
        name = shop.stripe.objects.item_of(await shop.paid())["description"]
        assert name.startswith("Requests for alice/hello/ddd")
        assert name.endswith("d…")

    in_shop(tmp_path, work)


def test_a_login_comes_back_to_where_it_began(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        page = (await shop.site.visitor().get(f"{OWN}/402?next=%2Fdeep%3Fa")).text
        back = quote(f"{OWN}/402?next=%2Fdeep%3Fa")
        assert f'<a href="/login/github?next={back}">Log in with GitHub</a>' in page
        assert f'next={quote(f"{OWN}/top-up?next=/deep%3Fa")}">Log in</a>' in page

    in_shop(tmp_path, work)


def test_the_least_amount_is_a_setting(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        assert "The least is $20.00" in (await shop.site.visitor().get(f"{OWN}/top-up")).text
        for form in ({"amount": "1000"}, {"other": "19.99"}):
            assert (await shop.site.visitor().post(f"{OWN}/top-up", form)).status_code == 422
        assert (await shop.begin(cents=2_000))["amount_total"] == 2_000

    in_shop(tmp_path, work, TOP_UP_LEAST_CENTS=2_000)
    with pytest.raises(SettingError, match="TOP_UP_LEAST_CENTS must be 0, or from 50"):
        Shop(tmp_path, TOP_UP_LEAST_CENTS=49)


# By whom.


def test_who_pays_is_shown_as_they_chose_and_finds_it_in_their_list(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.site.log_in(BOB)
        for cents, form in ((100, {"payer": "anonymous"}), (200, {"payer": "login"}), (300, {})):
            session = await shop.begin(BOB, cents=cents, **form)
            shop.stripe.pay(session, settles_later=False)
            shown = "anonymous" if cents == 100 else "bob"
            assert f"Shown to others as</th><td>{shown}</td>" in (await shop.success(session)).text
        await shop.success(await shop.paid(400))
        page = (await shop.site.visitor(ALICE).get(OWN)).text
        assert page.count('data-label="By">anonymous</td>') == 2
        assert page.count('data-label="By"><a href="https://github.example/bob">bob</a>') == 2
        own = (await shop.site.visitor(BOB).get("/payments")).text
        assert [f"${number}.00" in own for number in (1, 2, 3, 4)] == [True, True, True, False]

    in_shop(tmp_path, work)


def test_who_chose_not_to_be_shown_is_not_where_stripe_is_the_first_to_tell(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.site.log_in(BOB)
        session = await shop.begin(BOB, payer="anonymous")
        shop.stripe.pay(session, settles_later=False)
        await shop.site.database.execute("DELETE FROM payments")
        assert await shop.services.fulfilment.fulfil(session["id"], shop.site.now) is not None
        page = (await shop.site.visitor(ALICE).get(OWN)).text
        assert 'data-label="By">anonymous</td>' in page
        assert "bob" not in page
        assert "$5.00" in (await shop.site.visitor(BOB).get("/payments")).text

    in_shop(tmp_path, work)


# After it.


def test_the_page_after_it_says_what_was_paid_and_leads_to_stripes_receipt(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        shop.site.billing.getByName(APP).use(100)
        session = await shop.paid(750)
        page = (await shop.success(session)).text
        for part in ("Added $7.50", "alice/hello", session["id"], "15 Jan 2027, 08:00 UTC"):
            assert part in page
        assert 'Balance now</th><td class="number">$7.50</td>' in page
        receipt = await shop.site.visitor().get(f"/checkout-sessions/{session['id']}/receipt")
        (charge,) = shop.stripe.objects.of("charge")
        assert (receipt.status_code, receipt.headers["location"]) == (303, charge["receipt_url"])
        # It is true without Stripe, and without the object, too.
        del shop.site.servers[STRIPE]
        shop.site.billing.is_down = True
        assert "Added $7.50" in (await shop.success(session)).text

    in_shop(tmp_path, work)


def test_no_two_things_on_a_page_have_the_same_name(tmp_path: Path) -> None:
    """Or what asks in the background would put one in place of the other."""

    async def work(shop: Shop) -> None:
        await shop.site.log_in(BOB)
        later = await shop.begin(BOB)
        shop.stripe.pay(later, settles_later=True)
        await shop.success(later)
        await shop.success(await shop.paid(500, BOB))
        own = f"/checkout-sessions/{later['id']}/success"
        for path in (own, OWN, f"{OWN}/402", f"{OWN}/top-up", "/payments"):
            names = re.findall(r' id="([^"]+)"', (await shop.site.visitor(BOB).get(path)).text)
            assert sorted(names) == sorted(set(names)), path

    in_shop(tmp_path, work)


def test_there_is_no_receipt_before_there_is_money(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        shop.stripe.pay(session, settles_later=True)
        assert "Receipt" not in (await shop.success(session)).text
        for id_ in (session["id"], "cs_test_unknown", "x"):
            path = f"/checkout-sessions/{id_}/receipt"
            assert (await shop.site.visitor().get(path)).status_code == 404

    in_shop(tmp_path, work)


@pytest.mark.parametrize("cents", [200, 500])
@pytest.mark.parametrize("kind", ["refund", "dispute"])
def test_it_stays_true_after_a_refund_or_a_dispute(tmp_path: Path, kind: str, cents: int) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.paid(500)
        await shop.success(session)
        (shop.stripe.do_refund if kind == "refund" else shop.stripe.do_dispute)(session["id"], cents)
        await shop.services.taking_back.follow(session["payment_intent"], shop.site.now)
        page = (await shop.success(session)).text
        took = "refunded" if kind == "refund" else "taken back by"
        assert took in page
        assert ("Added $5.00" in page) is (cents < 500)
        assert f'<td class="number">-${cents // 100}.00</td>' in page
        word = {"refund": "refunded", "dispute": "disputed"}[kind]
        listed = (await shop.site.visitor().get(OWN)).text
        assert f">{word if cents == 500 else f'partly {word}'}</td>" in listed
        assert f'data-label="What">{kind.capitalize()}</td>' in listed
        assert f"-${cents // 100}.00" in listed

    in_shop(tmp_path, work)


def test_a_payment_on_its_way_is_asked_for_again_without_asking_stripe(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        session = await shop.begin()
        shop.stripe.pay(session, settles_later=True)
        own = f"/checkout-sessions/{session['id']}/success"
        page = (await shop.success(session)).text
        assert f'hx-get="{own}"' in page
        assert '<td class="number">$5.00</td>' in page
        asked = len(shop.site.asked)
        for _ in range(3):
            assert "being processed" in (await shop.site.visitor().get(own, {"hx-request": "true"})).text
        assert len(shop.site.asked) == asked
        shop.stripe.do_settle(session["id"])
        await shop.deliver(shop.events("checkout.session.async_payment_succeeded")[0])
        page = (await shop.site.visitor().get(own, {"hx-request": "true"})).text
        assert "Added $5.00" in page
        assert "hx-get" not in page

    in_shop(tmp_path, work)


# And back.


def test_the_way_back_survives_the_402_page_and_the_payment(tmp_path: Path) -> None:
    wanted = "/deep/link?a=b&c=%22d"

    async def work(shop: Shop) -> None:
        shop.site.billing.getByName(APP).use(100)
        page = (await shop.site.visitor().get(f"{OWN}/402?next={quote(wanted, safe='')}")).text
        assert '<input type="hidden" name="next" value="/deep/link?a=b&amp;c=%22d">' in page
        session = await shop.begin(next=wanted)
        assert wanted not in str(session), "what visitors ask an app for is not for Stripe"
        shop.stripe.pay(session, settles_later=False)
        page = (await shop.success(session)).text
        assert f'href="https://{APP}.apps.example/deep/link?a=b&amp;c=%22d"' in page
        # After a week it is forgotten.
        shop.site.now += 8 * DAY_MS
        assert await shop.upkeep() == []
        assert f'href="https://{APP}.apps.example/">' in (await shop.success(session)).text

    in_shop(tmp_path, work)


@pytest.mark.parametrize("path", ["", "/", "x", "https://evil.example/", "/\n", "/é", "/" + "a" * 1_000])
def test_what_is_no_path_of_an_app_leads_to_its_first_page(path: str) -> None:
    assert way_back(path) is None


# As CSV.


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_payments_can_be_had_as_csv(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.site.log_in(BOB)
        first = await shop.paid(1_234_567, BOB)
        await shop.success(first)
        shop.stripe.do_refund(first["id"], 234)
        shop.site.now += 1_000
        await shop.services.taking_back.follow(first["payment_intent"], shop.site.now)
        shop.site.now += 1_000
        await shop.success(await shop.paid(50))
        public = await shop.site.visitor().get(f"{OWN}/payments.csv")
        assert public.headers["content-type"] == "text/csv; charset=utf-8"
        assert public.headers["content-disposition"] == f'attachment; filename="{APP}-payments.csv"'
        assert rows_of(public.text) == [
            ["time", "what", "status", "amount_usd", "by"],
            ["2027-01-15T08:00:02.000Z", "payment", "credited", "0.50", "anonymous"],
            ["2027-01-15T08:00:01.000Z", "refund", "refunded", "-2.34", "bob"],
            ["2027-01-15T08:00:00.000Z", "payment", "partly refunded", "12345.67", "bob"],
        ]
        assert first["id"] not in public.text, "who knows it sees the receipt"
        own = rows_of((await shop.site.visitor(BOB).get("/payments.csv")).text)
        assert own[0] == ["time", "what", "status", "amount_usd", "for", "payment"]
        assert [row[3:] for row in own[1:]] == [["-2.34", APP, first["id"]], ["12345.67", APP, first["id"]]]
        assert (await shop.site.visitor().get("/payments.csv")).status_code == 303

    in_shop(tmp_path, work)


def test_usage_can_be_had_as_csv(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        shop.site.billing.getByName(APP).use(3)
        shop.site.now += 2 * DAY_MS
        shop.site.billing.getByName(APP).use(4)
        days = rows_of((await shop.site.visitor().get(f"{OWN}/usage.csv")).text)
        assert days == [["day", "requests"], ["2027-01-15", "3"], ["2027-01-16", "0"], ["2027-01-17", "4"]]
        hours = rows_of((await shop.site.visitor().get(f"{OWN}/usage.csv?per=hour")).text)
        assert (hours[0], len(hours)) == (["hour", "requests"], 1 + 49)
        assert (hours[1], hours[-1]) == (["2027-01-15T08:00Z", "3"], ["2027-01-17T08:00Z", "4"])
        assert (await shop.site.visitor().get("/apps/unknown/usage.csv")).status_code == 404

    in_shop(tmp_path, work)


def test_a_sites_payments_and_usage_can_be_had_too(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        site = shop.site
        await make_site(site)
        await add_version(site, 1)
        page = (await site.visitor().get(f"{HERE}/top-up")).text
        assert "a site of" in page
        session = await shop.begin(page=HERE, cents=600, next="/deep")
        shop.stripe.pay(session, settles_later=False)
        assert f"https://{NAME}.apps.example/deep" in (await shop.success(session)).text
        assert rows_of((await site.visitor().get(f"{HERE}/payments.csv")).text)[1][3] == "6.00"
        assert rows_of((await site.visitor().get(f"{HERE}/usage.csv")).text)[1] == ["2027-01-15", "0"]

    in_shop(tmp_path, work)


# How long it lasts.


@pytest.mark.parametrize(
    ("requests", "days", "words"),
    [
        (0, [7] * 30, None),
        (100, [9] * 20 + [0] * 7, None),
        (6_500, [1_000] * 30, "about 6 days"),
        (500, [0, 0, 0, 100], "about 5 days"),
        (100, [100], "about 24 hours"),
        (10, [100], "about 2 hours"),
        (5, [100], "about an hour"),
        (1, [1_000_000], "less than an hour"),
        (10**6, [1_500] * 30, "about 20 months"),
        (10**7, [1] * 30, "more than ten years"),
    ],
)
def test_how_long_the_rest_lasts_is_said_in_units_that_people_use(
    requests: int, days: list[int], words: str | None
) -> None:
    assert lasts(requests, days, NOON) == words


def test_the_page_says_how_long_it_lasts_where_there_is_a_rate(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        assert "At this week" not in (await shop.site.visitor().get(OWN)).text
        shop.site.billing.getByName(APP).use(20)
        assert "At this week's rate the rest lasts about 4 days." in (await shop.site.visitor().get(OWN)).text

    in_shop(tmp_path, work)


def test_a_worker_that_was_uploaded_by_hand_leads_somewhere(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        await shop.services.billing.open_account("by-hand")
        shop.site.billing.getByName("by-hand").use(100)
        page = (await shop.site.visitor().get("/apps/by-hand/402")).text
        assert "uploaded by the operator, who alone can top it up" in page
        assert "serves again when" not in page
        assert '<a href="/">What Codius Workers is</a>' in page

    in_shop(tmp_path, work)


def test_stripes_page_leads_back_to_the_account(tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        assert (await shop.begin())["cancel_url"] == f"{DASHBOARD}{OWN}"

    in_shop(tmp_path, work)
