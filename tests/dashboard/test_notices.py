"""What deployers are told: each cause once, whatever dies; by a feed, and by a webhook that they set."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from xml.etree import ElementTree

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from attestation.checks import BUDGET
from clients.http import TIMEOUT_SECONDS
from hosting.notices import CLAIM_MS, LOOK_MS, OFF_MS, PAUSES_MS, SENDERS
from local.staging import ROOT
from model.app import Source, User
from model.notice import Notice, secret_of, shown_secret, signed_headers
from model.progress import RunReport
from model.suspension import Operator, Target
from store.notices import KEPT_MS, MOST_ATTEMPTS, MOST_OF_USER
from tests.dashboard.dashboard_site import ALICE, BOB, DASHBOARD, NOW, SECRETS, Site
from tests.dashboard.turns import Actor, steps_of, take_turns

APP, OTHER = "bcdfghjkmnpq", "bcdfghjkmnpr"
HOOK = "https://receiver.example"
BY = Operator("operator", 3)
ATOM = "{http://www.w3.org/2005/Atom}"
QUEUED, DEPLOYED, FAILED = (
    RunReport(7, 1, "queued", app_id=APP),
    RunReport(7, 1, "deployed", "success", APP),
    RunReport(7, 1, "failed", "failure", APP),
)


class Receiver:
    """A server that a deployer has set; it answers with what it is told to, and keeps what came."""

    def __init__(self, status: int = 204) -> None:
        self.status = status
        self.came: list[tuple[dict[str, str], str]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.came.append((dict(request.headers), (await request.body()).decode()))
        await self.may_answer.wait()
        location = {"location": "https://elsewhere.example/"} if 300 <= self.status < 400 else {}
        await Response(b"x" * 1_000, self.status, location)(scope, receive, send)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.came]


def run(work: Callable[[Site], Awaitable[None]]) -> None:
    async def begin() -> None:
        await work(Site())

    asyncio.run(begin())


async def upkeep(site: Site, milliseconds: int = 120_000) -> None:
    """What the cron trigger does, so much later."""
    failures: list[str] = []
    site.now += milliseconds
    await site.services.upkeep.run(site.now, lambda subject, error: failures.append(f"{subject}: {error!r}"))
    assert failures == []


async def told(site: Site, user: User = ALICE) -> list[Notice]:
    """The earliest first."""
    return (await site.services.notices.of_user(user.id, 1_000))[::-1]


async def kinds(site: Site, user: User = ALICE) -> list[str]:
    return [notice.kind for notice in await told(site, user)]


async def set_hook(site: Site, url: str = HOOK, user: User = ALICE) -> str:
    """The secret."""
    number = (await site.services.notices.settings(user.id)).hook_number
    response = await site.visitor(user).post("/account/webhook", {"url": url, "number": str(number)})
    assert response.status_code == 200, response.text
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", html.unescape(response.text))
    assert found is not None
    return found[0]


async def with_receiver(site: Site, status: int = 204) -> Receiver:
    """A webhook of alice's, whose first notice has come."""
    receiver = Receiver()
    site.servers[HOOK] = receiver
    await set_hook(site)
    await upkeep(site)
    assert len(receiver.came) == 1
    receiver.status = status
    return receiver


async def act(site: Site, do: str, target: Target) -> None:
    site.now += 1
    await getattr(site.services.suspending, do)(target, "It imitates a bank.", BY, site.now)


def differing(site: Site, app_id: str = APP, *, agrees: bool) -> Awaitable[None]:
    document = {"agrees": agrees, "differences": [] if agrees else ["index.js is another one."]}
    return site.services.checks.store.finish_check(app_id, 200, document, agrees, site.now)


# Causes.


def test_a_deploy_and_each_failed_run_are_told_once_however_often_they_are_reported() -> None:
    async def work(site: Site) -> None:
        deployments = site.services.deployments
        await site.add_app(APP)
        for report in (QUEUED, FAILED, FAILED, QUEUED):
            await deployments.report(APP, report, site.now)
        again = RunReport(7, 2, "failed", "failure", APP)
        for report in (again, again):
            await deployments.report(APP, report, site.now)
        last = RunReport(7, 3, "deployed", "success", APP)
        site.now += 1
        for report in (last, last, QUEUED):
            await deployments.report(APP, report, site.now)
        assert await kinds(site) == ["failed", "failed", "deployed"]
        assert [notice.words for notice in await told(site)][1:] == [
            f"The app {APP} was not deployed: The workflow failed.",
            f"The app {APP} is deployed: alice/hello, commit {'a' * 40}",
        ]
        assert await kinds(site, BOB) == []

    run(work)


def test_a_death_between_any_two_steps_of_a_report_loses_no_notice() -> None:
    async def work() -> None:
        async def begun() -> Site:
            site = Site()
            await site.add_app(APP)
            await site.services.deployments.report(APP, QUEUED, site.now)
            take_turns(site)
            return site

        first = await begun()
        steps = await steps_of(first.services.deployments.report(APP, DEPLOYED, first.now))
        for lived in range(steps):
            site = await begun()
            reporting = Actor(site.services.deployments.report(APP, DEPLOYED, site.now))
            for _ in range(lived):
                await reporting.step()
            await reporting.die()
            is_deployed = (await site.app(APP)).status == "deployed"
            assert await kinds(site) == ["deployed"] * is_deployed
            await site.services.deployments.report(APP, DEPLOYED, site.now)
            assert await kinds(site) == ["deployed"]

    asyncio.run(work())


@pytest.mark.parametrize(
    "target",
    [Target("app", APP), Target("user", "1"), Target("repository", "alice/hello"), Target("owner", "alice")],
    ids=lambda target: target.kind,
)
def test_an_act_of_the_operator_is_told_once_to_each_whom_it_concerns(target: Target) -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await site.deployed_app(OTHER, ALICE, Source("alice/hello", "main", "b" * 40, ""))
        await site.deployed_app("bcdfghjkmnps", BOB, Source("bob/hello", "main", "b" * 40, ""))
        await act(site, "suspend", target)
        for _ in range(2):  # a second click
            with pytest.raises(Exception, match="suspended already"):
                await act(site, "suspend", target)
        await act(site, "restore", target)
        with pytest.raises(Exception, match="isn't suspended"):
            await act(site, "restore", target)
        assert await kinds(site) == ["suspended", "restored"]
        assert await kinds(site, BOB) == []
        await act(site, "suspend", target)
        assert await kinds(site) == ["suspended", "restored", "suspended"]
        assert (await told(site))[0].words.endswith("was suspended by the operator: It imitates a bank.")

    run(work)


def test_a_difference_is_told_when_it_is_found_and_again_after_it_was_gone() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await site.services.checks.store.want_check(APP, site.now, BUDGET)
        for agrees in (False, False, True, True, False):
            site.now += 1
            await differing(site, agrees=agrees)
        assert await kinds(site) == ["differs", "differs"]
        assert (await told(site))[
            0
        ].words == f"The app {APP} is not what was signed: index.js is another one."

    run(work)


async def watch(site: Site, below: str) -> None:
    response = await site.visitor(ALICE).post("/account/threshold", {"below": below})
    assert response.status_code == 303, response.text


def test_a_balance_is_told_each_time_it_falls_below_what_was_set_and_when_it_is_used_up() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        account = site.billing.getByName(APP)
        account.pay("first", 50)
        await upkeep(site, LOOK_MS)
        assert await kinds(site) == []  # nobody asked to be told
        await watch(site, "0.49")
        for _ in range(3):
            await upkeep(site, LOOK_MS)
        assert await kinds(site) == []
        await watch(site, "$0.50")
        await upkeep(site, LOOK_MS)
        assert await kinds(site) == []  # it isn't below
        account.use(101)
        for _ in range(3):
            await upkeep(site, LOOK_MS)
        assert await kinds(site) == ["low"]
        words = f"The balance of the app {APP} is low: $0.49 is left, which is less than $0.50"
        assert (await told(site))[0].words == words
        account.pay("second", 100)
        await upkeep(site, LOOK_MS)
        await watch(site, "2")
        await upkeep(site, LOOK_MS)
        assert await kinds(site) == ["low", "low"]

    run(work)


def test_what_is_used_up_is_told_though_nothing_was_ever_paid() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await watch(site, "0")
        await upkeep(site, LOOK_MS)
        site.billing.getByName(APP).use(100)
        for _ in range(3):
            await upkeep(site, LOOK_MS)
        assert await kinds(site) == ["used_up"]
        await watch(site, "")  # and no more
        await upkeep(site, LOOK_MS)
        assert await site.services.notices.watched(site.now, 10) == []

    run(work)


def test_balances_are_looked_at_now_and_then_those_first_that_waited_longest() -> None:
    async def work(site: Site) -> None:
        for number in range(3):
            source = Source("alice/hello", "main", str(number) * 40, "")
            await site.deployed_app(f"bcdfghjkmnp{'qrs'[number]}", ALICE, source)
        await watch(site, "1")
        notices, now = site.services.notices, site.now
        first = await notices.watched(now, 2)
        assert [one.account for one in first] == ["bcdfghjkmnpq", "bcdfghjkmnpr"]
        await notices.mark_looked([one.account for one in first], now)
        assert [one.account for one in await notices.watched(now, 1)] == ["bcdfghjkmnps"]
        await notices.mark_looked(["bcdfghjkmnps"], now + 1)
        assert await notices.watched(now - 1, 9) == []

    run(work)


def test_a_death_while_balances_are_looked_at_loses_no_notice_and_two_runs_tell_it_once() -> None:
    async def work() -> None:
        async def begun() -> Site:
            site = Site()
            await site.deployed_app(APP)
            await watch(site, "0")
            site.billing.getByName(APP).use(100)
            take_turns(site)
            return site

        first = await begun()
        steps = await steps_of(first.services.notifying.look_at_balances(first.now))
        assert await kinds(first) == ["used_up"]
        for lived in range(steps):
            site = await begun()
            looks = [Actor(site.services.notifying.look_at_balances(site.now + at)) for at in (0, 1)]
            for _ in range(lived):
                await looks[0].step()
            await looks[0].die()
            await looks[1].finish()
            await site.services.notifying.look_at_balances(site.now + LOOK_MS + 1)
            assert await kinds(site) == ["used_up"]

    asyncio.run(work())


# The feed.


async def feed_address(site: Site) -> str:
    response = await site.visitor(ALICE).post("/account/feed")
    found = re.search(r"<code>(https://[^<]+)</code>", response.text)
    assert found is not None
    return html.unescape(found[1]).removeprefix(DASHBOARD)


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
            "no answer within 10 seconds"
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
            site.now += PAUSES_MS[-1]

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
        sending = asyncio.ensure_future(site.services.notifying.send())
        while not quick.came:
            await asyncio.sleep(0)
        quick.may_answer.set()
        await site.services.notifying.send()  # the next run, while the first is at work
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
        steps = await steps_of(first.services.notifying.send())
        for lived in range(steps):
            site, receiver = await begun()
            sending = Actor(site.services.notifying.send())
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


# How much there is, and for how long.


def test_of_each_user_the_latest_are_kept_for_some_months() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        await site.log_in(BOB)
        for number in range(MOST_OF_USER + 5):
            await site.database.execute(
                "INSERT INTO notices (user_id, cause, kind, about, name, detail, at) "
                "VALUES (?, ?, 'deployed', 'app', 'x', '', ?)",
                *(1 if number else 2, f"cause {number}", NOW + number),
            )
        await upkeep(site)
        found = await told(site)
        assert len(found) == MOST_OF_USER
        assert found[-1].cause == f"cause {MOST_OF_USER + 4}"
        assert len(await told(site, BOB)) == 1
        await upkeep(site, KEPT_MS)
        assert await kinds(site) == []

    run(work)


def test_nothing_of_it_outlives_the_account_also_what_is_set_while_it_is_deleted() -> None:
    async def work(site: Site) -> None:
        await site.deployed_app(APP)
        receiver = await with_receiver(site)
        await feed_address(site)
        await watch(site, "5")
        await upkeep(site, LOOK_MS)
        await site.services.leaving.delete(ALICE, site.now)
        notices = site.services.notices
        await notices.set_hook(ALICE.id, HOOK, 0, "receiver.example", site.now)
        await notices.set_feed(ALICE.id, "a" * 64)
        await notices.set_threshold(ALICE.id, 5)
        await site.services.suspending.suspend(Target("user", "1"), "Spam.", BY, site.now)
        for table in ("notices", "notice_settings", "balances"):
            assert await site.database.execute(f"SELECT * FROM {table}") == []
        assert len(receiver.came) == 1

    run(work)


def test_the_dashboards_worker_reaches_what_users_name_only_as_the_public_does() -> None:
    """Cloudflare's "Compatibility flags", `global_fetch_strictly_public`."""
    assert "global_fetch_strictly_public" in (ROOT / "dashboard" / "wrangler.toml").read_text()
