"""Telling deployers: balances are looked at now and then, and what is to be told goes to their webhooks.

Messages are sent after "Standard Webhooks": signed, again and again with growing pauses until a receiver
answers with 2xx, each with the id of its notice, so that a receiver knows one that comes twice. A webhook
that fails for days, or says that it is gone (410), is switched off. It is somebody's address: no redirect is
followed, nothing of the answer is read, and what is known of a failure is for its owner's page, not the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from clients.billing import Billing, BillingAccount
from clients.http import TIMEOUT_SECONDS, USER_AGENT, Fetch, UnreachableError
from model.batch import OnFailure, attempt, each
from model.limits import DAY_MS, HOUR_MS
from model.money import NANO_USD_PER_CENT, cents, dollars, rounded_down
from model.notice import Notice, hook_address, message_of, secret_of, shown_secret, signed_headers
from store.notices import Notices, NoticeSettings, Watched

MINUTE_MS = 60_000
# How often a balance is looked at, at most, and how many in a run of the upkeep.
LOOK_MS, LOOKS_AT_ONCE = 10 * MINUTE_MS, 50
# How many webhooks a run sends to, and how many messages to each. Five at a time: Cloudflare lets a sixth and
# seventh wait ("Simultaneous open connections" in "Limits" of Workers), also for other parts of the upkeep.
HOOKS_AT_ONCE, SENDERS, MESSAGES_AT_ONCE = 25, 5, 5
# A run that died leaves its webhooks alone for so long: longer than one takes, if every receiver is slow.
CLAIM_MS = 5 * MINUTE_MS
# From one attempt to the next; the last one from then on.
PAUSES_MS = (MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS)
OFF_MS = 3 * DAY_MS
GONE = 410
LOW, USED_UP = 1, 2


@dataclass(frozen=True, slots=True)
class Notifying:
    """`key` is a secret of the operator's, which those of webhooks follow from; `clock` is the time now.

    Times are milliseconds since 1970.
    """

    notices: Notices
    billing: Billing
    fetch: Fetch
    key: str = field(repr=False)
    dashboard_url: str
    apps_domain: str
    clock: Callable[[], int]

    def shown_secret(self, user_id: int, number: int) -> str:
        return shown_secret(secret_of(self.key, user_id, number))

    def address(self, text: str) -> str:
        """An address that a webhook can have, '' for none. Raises HookError."""
        own = urlsplit(self.dashboard_url).hostname or ""
        return hook_address(text, (own, self.apps_domain.partition(":")[0]))

    # Balances.

    async def look_at_balances(self, now: int, on_failure: OnFailure) -> None:
        """Those that were not looked at for long; who can't be asked now is asked the next time."""
        watched = await self.notices.watched(now - LOOK_MS, LOOKS_AT_ONCE)
        if watched:
            await self.notices.mark_looked([one.account for one in watched], now)
            looks = (attempt(one.account, self._look(one, now), on_failure) for one in watched)
            await asyncio.gather(*looks)

    async def _look(self, watched: Watched, now: int) -> None:
        account = await self.billing.known_account(watched.account)
        if account is None or account.closed_at is not None:
            return
        level, detail = standing_of(account, watched.low_cents)
        if level != watched.level:
            await self.notices.set_level(watched, level, detail, now)

    # Webhooks.

    async def send(self, on_failure: OnFailure) -> None:
        """Send what is to be sent, to some webhooks at a time: a slow one holds up no more than its turn."""
        now = self.clock()
        due = iter(await self.notices.claim_hooks(now, now + CLAIM_MS, HOOKS_AT_ONCE))
        await asyncio.gather(*(each(due, owner_of, self._send_to, on_failure) for _ in range(SENDERS)))

    async def _send_to(self, hook: NoticeSettings) -> None:
        for notice in await self.notices.to_be_sent(hook.user_id, hook.hook_since, MESSAGES_AT_ONCE):
            status = await self._post(notice, hook)
            now = self.clock()
            if status is not None and 200 <= status < 300:
                await self.notices.mark_sent(notice, hook, now)
                hook = replace(hook, hook_failures=0, hook_failing_since=None)
                continue
            pause = PAUSES_MS[min(hook.hook_failures, len(PAUSES_MS) - 1)]
            since = now if hook.hook_failing_since is None else hook.hook_failing_since
            is_over = status == GONE or now - since >= OFF_MS
            await self.notices.mark_failed(notice, hook, failure_of(status), now, now + pause, is_over)
            return
        await self.notices.release(hook, self.clock())

    async def _post(self, notice: Notice, hook: NoticeSettings) -> int | None:
        """The answer's status, None without an answer."""
        assert hook.hook_url is not None
        body = message_of(notice, self.dashboard_url)
        secret = secret_of(self.key, hook.user_id, hook.hook_number)
        headers = {"content-type": "application/json", "user-agent": USER_AGENT}
        headers |= signed_headers(secret, notice.id, body, self.clock())
        try:
            answer = await self.fetch("POST", hook.hook_url, headers, body, only_status=True)
        except UnreachableError:
            return None
        return answer.status


def owner_of(hook: NoticeSettings) -> str:
    return f"webhook of the user {hook.user_id}"


def standing_of(account: BillingAccount, low_cents: int) -> tuple[int, str]:
    """How low a balance is, and that in words. One that nothing was ever paid into can only be used up."""
    if account.unused_requests == 0:
        return USED_UP, "nothing is served until somebody tops it up"
    balance = account.balance_nano_usd
    if account.funding_cents > 0 and balance < low_cents * NANO_USD_PER_CENT:
        return LOW, f"{dollars(rounded_down(balance))} is left, which is less than {cents(low_cents)}"
    return 0, ""


def failure_of(status: int | None) -> str:
    if status is None:
        return f"no answer came within {TIMEOUT_SECONDS} seconds"
    if 300 <= status < 400:
        return f"it redirected ({status}), which isn't followed"
    return f"the answer was {status}"
