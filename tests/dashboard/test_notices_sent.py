"""How deployers are told: by a feed, and by a webhook that they set."""

from __future__ import annotations

import asyncio
import html
import re
from datetime import datetime
from xml.etree import ElementTree

import pytest
from starlette.types import Receive, Scope, Send

from clients.http import TIMEOUT_SECONDS
from hosting.notices import CLAIM_MS, OFF_MS, PAUSES_MS, SENDERS
from model.app import User
from model.notice import secret_of, shown_secret, signed_headers
from model.suspension import Target
from store.notices import MOST_ATTEMPTS
from tests.dashboard.dashboard_site import ALICE, DASHBOARD, SECRETS, Site
from tests.dashboard.noticing import (
    APP,
    BY,
    HOOK,
    Receiver,
    act,
    feed_address,
    ignored,
    run,
    set_hook,
    told,
    upkeep,
    with_receiver,
)
from tests.dashboard.turns import Actor, steps_of, take_turns

ATOM = "{http://www.w3.org/2005/Atom}"


# The feed.


def test_the_feed_is_atom_and_has_the_latest_notices_whatever_is_in_them() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        path = await feed_address(site)
        empty = await site.visitor().get(path)
        assert empty.headers["content-type"] == "application/atom+xml; charset=utf-8"
        await site.services.suspending.suspend(Target("app", APP), "<b>&\x1b[31m\u2028]]>", BY, site.now)
        for response, entries in ((empty, 0), (await site.visitor().get(path), 1)):
            feed = ElementTree.fromstring(response.content)  # noqa: S314 (our own)
            for name in ("id", "title", "updated"):
                assert feed.findtext(f"{ATOM}{name}")
            datetime.fromisoformat(str(feed.findtext(f"{ATOM}updated")))
            assert feed.find(f"{ATOM}link[@rel='self']") is not None
            found = feed.findall(f"{ATOM}entry")
            assert len(found) == entries
            for entry in found:
                assert all(entry.findtext(f"{ATOM}{name}") for name in ("id", "title", "updated"))
                assert "suspended by the operator: <b>&" in str(entry.findtext(f"{ATOM}title"))
                link = entry.find(f"{ATOM}link")
                assert link is not None
                assert link.get("href") == f"{DASHBOARD}/apps/{APP}"

    run(work)


def test_nobody_else_has_the_feeds_address_and_a_new_one_ends_it() -> None:
    async def work(site: Site) -> None:
        path = await feed_address(site)
        key = path.rpartition("=")[2]
        assert key not in "".join(site.database.dump())
        assert key not in (await site.visitor(ALICE).get("/account")).text
        for other in (
            "/account/notices.atom",
            f"{path}x",
            path[:-1],
            "/account/notices.atom?key=" + "A" * 43,
        ):
            assert (await site.visitor(ALICE).get(other)).status_code == 404
        new = await feed_address(site)
        assert (await site.visitor().get(path)).status_code == 404
        assert (await site.visitor().get(new)).status_code == 200

    run(work)


# Webhooks.


def test_what_is_told_is_sent_once_and_signed_with_the_secret_that_was_shown() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await act(site, "suspend", Target("app", APP))  # before there is a webhook: for the feed alone
        receiver = Receiver()
        site.servers[HOOK] = receiver
        site.now += 1
        secret = await set_hook(site)
        await act(site, "restore", Target("app", APP))
        for _ in range(3):
            await upkeep(site)
        assert [re.findall('"type": "([^"]+)"', body) for _, body in receiver.came] == [
            ["user.webhook"],
            ["app.restored"],
        ]
        assert await site.services.notices.claim_hooks(site.now, site.now, 9) == []
        assert receiver.ids == [notice.id for notice in (await told(site))[1:]]
        assert secret == shown_secret(secret_of(SECRETS["GITHUB_WEBHOOK_SECRET"], ALICE.id, 1))
        for headers, body in receiver.came:
            sent_at = int(headers["webhook-timestamp"]) * 1000
            key = secret_of(SECRETS["GITHUB_WEBHOOK_SECRET"], ALICE.id, 1)
            assert signed_headers(key, headers["webhook-id"], body, sent_at).items() <= headers.items()
            assert all(value not in body + str(headers) for value in (*SECRETS.values(), secret))
        assert secret not in "".join(site.database.dump())
        assert secret not in (await site.visitor(ALICE).get("/account")).text

    run(work)


@pytest.mark.parametrize("status", [301, 307, 400, 500, None])
def test_a_receiver_that_fails_or_redirects_is_tried_again_later_and_its_owner_sees_why(
    status: int | None,
) -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        receiver = await with_receiver(site, status or 204)
        elsewhere = Receiver()
        site.servers["https://elsewhere.example"] = elsewhere
        if status is None:  # it can't be reached
            del site.servers[HOOK]
        await act(site, "suspend", Target("app", APP))
        asked = len(site.asked)
        for _ in range(5):
            await upkeep(site, 1)
        assert len([line for line in site.asked[asked:] if HOOK in line]) == 1
        assert elsewhere.came == []
        assert site.patience[-1] == TIMEOUT_SECONDS
        words = (
            "no answer came within 10 seconds"
            if status is None
            else f"({status})"
            if status < 400
            else str(status)
        )
        assert words in (await site.visitor(ALICE).get("/account")).text
        receiver.status, site.servers[HOOK] = 200, receiver
        await upkeep(site, PAUSES_MS[0])
        await upkeep(site)
        assert len(set(receiver.ids)) == 2
        assert "Failing since" not in (await site.visitor(ALICE).get("/account")).text

    run(work)


def test_a_notice_that_a_receiver_refuses_keeps_no_other_waiting_and_is_given_up() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        receiver = await with_receiver(site, 500)
        await act(site, "suspend", Target("app", APP))
        await upkeep(site)
        refused = receiver.ids[-1]
        others = 0
        for number in range(40):
            receiver.status = 204
            await act(site, "restore" if number % 2 == 0 else "suspend", Target("app", APP))
            if (await site.services.notices.to_be_sent(ALICE.id, 0, 9))[-1].id != refused:
                break
            site.now += OFF_MS

            async def answer(scope: Scope, receive: Receive, send: Send) -> None:
                receiver.status = 500 if dict(scope["headers"])[b"webhook-id"].decode() == refused else 204
                await receiver(scope, receive, send)

            site.servers[HOOK] = answer
            await upkeep(site)
            others += 1
        assert receiver.ids.count(refused) == MOST_ATTEMPTS
        assert others >= MOST_ATTEMPTS - 1
        assert (await site.services.notices.settings(ALICE.id)).hook_off_at is None

    run(work)


@pytest.mark.parametrize("status", [410, 503])
def test_a_receiver_that_is_gone_or_fails_for_days_is_asked_no_more_until_it_is_set(
    status: int,
) -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        receiver = await with_receiver(site, status)
        await act(site, "suspend", Target("app", APP))
        for _ in range(200):
            await upkeep(site, OFF_MS // 100)
        tried = len(receiver.came) - 1
        assert tried == 1 if status == 410 else 5 < tried <= MOST_ATTEMPTS
        await act(site, "restore", Target("app", APP))
        for _ in range(3):
            await upkeep(site, OFF_MS)
        settings = await site.services.notices.settings(ALICE.id)
        assert settings.hook_off_at is not None
        assert "Switched off on" in (await site.visitor(ALICE).get("/account")).text
        came = len(receiver.came)
        receiver.status = 204
        await set_hook(site)
        await upkeep(site)
        assert [body.partition('", ')[0] for _, body in receiver.came[came:]] == ['{"type": "user.webhook']

    run(work)


def test_slow_receivers_hold_up_no_others_and_nothing_is_sent_twice_meanwhile() -> None:
    async def work(site: Site) -> None:
        quick, slow = Receiver(), [Receiver() for _ in range(SENDERS - 1)]
        for number, receiver in enumerate((*slow, quick), 11):
            user = User(number, f"user-{number}", None)
            site.servers[f"https://r{number}.example"] = receiver
            await set_hook(site, f"https://r{number}.example", user)
            receiver.may_answer.clear()
        sending = asyncio.ensure_future(site.services.notifying.send(ignored))
        while not quick.came:
            await asyncio.sleep(0)
        quick.may_answer.set()
        await site.services.notifying.send(ignored)  # the next run, while the first is at work
        for receiver in slow:
            receiver.may_answer.set()
        await sending
        await upkeep(site, CLAIM_MS)
        assert [len(receiver.came) for receiver in (*slow, quick)] == [1] * SENDERS

    run(work)


def test_whoever_dies_while_sending_what_is_to_be_sent_comes() -> None:
    async def work() -> None:
        async def begun() -> tuple[Site, Receiver]:
            site, receiver = Site(), Receiver()
            site.servers[HOOK] = receiver
            await set_hook(site)
            take_turns(site)
            return site, receiver

        first, _ = await begun()
        steps = await steps_of(first.services.notifying.send(ignored))
        for lived in range(steps):
            site, receiver = await begun()
            sending = Actor(site.services.notifying.send(ignored))
            for _ in range(lived):
                await sending.step()
            await sending.die()
            await upkeep(site, CLAIM_MS)
            await upkeep(site)
            # Twice only where it died before it could note that it had come; then it has the same id.
            assert len(set(receiver.ids)) == 1
            assert len(receiver.ids) <= 2

    asyncio.run(work())


def test_a_form_sent_twice_shows_the_secret_that_counts_and_another_one_meanwhile_is_told() -> None:
    async def work(site: Site) -> None:
        early = {"url": HOOK, "number": "7"}  # which there never was
        assert (await site.visitor(ALICE).post("/account/webhook", early)).status_code == 409
        form = {"url": HOOK, "number": "0"}
        pages = [(await site.visitor(ALICE).post("/account/webhook", form)).text for _ in range(2)]
        assert pages[0] == pages[1]
        other = {"url": "https://other.example", "number": "0"}
        response = await site.visitor(ALICE).post("/account/webhook", other)
        assert response.status_code == 409
        assert (await site.services.notices.settings(ALICE.id)).hook_url == HOOK
        assert await set_hook(site) != await set_hook(site)
        assert (await site.visitor(ALICE).post("/account/webhook", {"url": ""})).status_code == 303
        assert (await site.services.notices.settings(ALICE.id)).hook_url is None

    run(work)


def test_what_can_not_be_set_is_said_beside_what_was_typed() -> None:
    async def work(site: Site) -> None:
        alice = site.visitor(ALICE)
        for path, form, words in (
            ("/account/webhook", {"url": "http://127.0.0.1/"}, "Type a public address"),
            ("/account/webhook", {"url": f"{DASHBOARD}/webhooks/github"}, "is of this site"),
            ("/account/threshold", {"below": "much"}, "Type an amount"),
        ):
            response = await alice.post(path, form)
            assert response.status_code == 422
            assert words in response.text
            assert next(iter(form.values())) in html.unescape(response.text)
        for path in ("/account/webhook", "/account/feed", "/account/threshold"):
            response = await site.visitor().post(path)
            assert response.headers["location"] == "/login/github?next=/account"
        assert site.asked == []

    run(work)
