"""The dashboard on CPython: its real application over a real SQLite and the real ledger.

Other people's servers are ASGI applications that are asked without a socket. `Visitor` is a browser, as far
as cookies, redirects and the headers that tell where a request comes from go.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.types import ASGIApp

from clients.http import TIMEOUT_SECONDS, Answer, Receive, UnreachableError
from clients.redirects import Hop, final
from ledger import LEASE_MS, Lease, Ledger, Suspended
from model.app import App, Source, User
from model.limits import Limits
from model.rates import Rates
from model.refusals import Tally
from pricing import Price
from store.sums import APP_OPENED, APPS, summed
from telling import Telling
from tests.billing.sqlite_database import SqliteDatabase
from tests.dashboard.sqlite_d1 import MOST_EXACT, SqliteD1, nothing
from web import sessions
from web.application import application
from web.services import Services
from web.settings import Settings

DASHBOARD = "https://dashboard.example"
GITHUB = "https://github.example"
CLOUDFLARE = "https://cloudflare.example"
STRIPE = "https://stripe.example"
NOW = 1_800_000_000_000
PIECE = 7  # bytes of a streamed body at a time
PRICE = Price(included_requests=100, unit_price_nano_usd=300_000_000, requests_per_unit=1_000_000)
VARIABLES: dict[str, Any] = {
    "DASHBOARD_URL": DASHBOARD,
    "APPS_DOMAIN": "apps.example",
    "OPERATORS": "3, 1003",
    "GITHUB_URL": GITHUB,
    "GITHUB_API_URL": f"{GITHUB}/api/v3",
    "GITHUB_REPOSITORY": "codius/codius-workers",
    "GITHUB_BRANCH": "main",
    "GITHUB_CLIENT_ID": "the-client",
    "CLOUDFLARE_API_URL": f"{CLOUDFLARE}/client/v4",
    "CLOUDFLARE_ACCOUNT_ID": "account",
    "DISPATCH_NAMESPACE": "testing",
    "STRIPE_API_URL": STRIPE,
    "STRIPE_CHECKOUT_URL": "https://checkout.example",
    "STRIPE_DASHBOARD_URL": "https://stripe-dashboard.example",
    "TOP_UP_LEAST_CENTS": 50,
    "DEPLOYS_AT_ONCE": 5,
    "DEPLOYS_PER_HOUR": 20,
    "DEPLOYS_PER_DAY": 50,
    "APPS_PER_USER": 100,
    "ALL_DEPLOYS_PER_DAY": 1_000,
    "LOOKUPS_PER_HOUR": 60,
    "SITES_PER_USER": 20,
}
SECRETS = {
    "GITHUB_CLIENT_SECRET": "the-client-secret",
    "GITHUB_TOKEN": "the-github-token",
    "GITHUB_WEBHOOK_SECRET": "the-webhook-secret",
    "CLOUDFLARE_API_TOKEN": "the-cloudflare-token",
    "STRIPE_SECRET_KEY": "sk_test_the-stripe-key",
    "STRIPE_WEBHOOK_SECRET": "whsec_the-stripe-secret whsec_the-next-secret",
}
UNLIMITED = Limits(*[MOST_EXACT] * len(Limits.__slots__))
ALICE, BOB, OPERATOR = User(1, "alice", "Alice"), User(2, "bob", None), User(3, "operator", None)
SOURCE = Source("alice/hello", "main", "a" * 40, "")


class Counting:
    """A rate limiting binding, in one endless period."""

    def __init__(self, limit: int = 1_000_000) -> None:
        self._limit, self._counts = limit, Counter[str]()

    async def has_room(self, key: str) -> bool:
        self._counts[key] += 1
        return self._counts[key] <= self._limit


class Site:
    """One dashboard; `servers` are the applications behind others' addresses, `env` changes settings."""

    def __init__(
        self,
        servers: Mapping[str, ASGIApp] | None = None,
        limits: Limits | None = None,
        database: SqliteD1 | None = None,
        rates: Rates | None = None,
        **env: str | int,
    ) -> None:
        self.database = database or SqliteD1()
        self.pause = nothing
        self.billing = BillingObjects(self)
        self.servers = dict(servers or {})
        self.now = NOW
        self.asked: list[str] = []
        self.rates = rates or Rates(Counting(), Counting())
        self.patience: list[float] = []  # the seconds that each of them had at most
        settings = Settings.read(SimpleNamespace(**VARIABLES | SECRETS | env))
        settings = replace(settings, limits=limits or settings.limits)
        self.services = Services.make(
            settings,
            self.database,
            self.billing,
            self.billing,
            self.fetch,
            self.rates,
            Tally(),
            lambda: self.now,
        )
        self.application = application(lambda _: self.services)

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: str | None = None,
        receive: Receive | None = None,
        seconds: float = TIMEOUT_SECONDS,
        only_status: bool = False,
    ) -> Answer:
        await self.pause()
        self.asked.append(f"{method} {url}")
        self.patience.append(seconds)
        hop = Hop(method, url, headers, body)
        if only_status:
            return (await self.ask(hop))[0]
        answer, response = await final(hop, self.ask, leave)
        if receive is None:
            return replace(answer, body=response.content)
        take = receive(answer)
        for start in range(0, len(response.content), PIECE):
            take(response.content[start : start + PIECE])
        return answer

    async def ask(self, hop: Hop) -> tuple[Answer, httpx.Response]:
        origin = "/".join(hop.url.split("/")[:3])
        if origin not in self.servers:
            raise UnreachableError(f"{hop.method} {hop.url}")
        transport = httpx.ASGITransport(self.servers[origin])
        async with httpx.AsyncClient(transport=transport) as client:
            del client.headers["user-agent"]  # the runtime's `fetch` has none of its own
            response = await client.request(hop.method, hop.url, headers=dict(hop.headers), content=hop.body)
        return Answer(response.status_code, dict(response.headers), b""), response

    def visitor(self, user: User | None = None) -> Visitor:
        return Visitor(self, user)

    async def add_app(self, app_id: str, user: User = ALICE, source: Source = SOURCE) -> App:
        """A pending app, as it is before its workflow is started."""
        await self.log_in(user)
        assert await self.services.deploys.begin(app_id, user, source, self.now, UNLIMITED)
        return await self.app(app_id)

    async def deployed_app(self, app_id: str, user: User = ALICE, source: Source = SOURCE) -> App:
        app = await self.add_app(app_id, user, source)
        await self.services.billing.open_account(app_id)
        deployed = (
            "UPDATE apps SET status = 'deployed', run_id = ?, run_ended = 1, deployed_at = ? WHERE id = ?",
            (zlib.crc32(app_id.encode()), self.now, app.id),
        )
        opened = (APP_OPENED, (app.id, self.now))
        await self.database.batch(*summed(APPS, "id = ?1", (app.id,), deployed), opened)
        return await self.app(app_id)

    async def app(self, app_id: str) -> App:
        app = await self.services.apps.get(app_id)
        assert app is not None
        return app

    async def log_in(self, user: User) -> str:
        """A session's token."""
        token = f"token of {user.login}".replace(" ", "-")
        await self.services.users.log_out(sessions.hash_of(token))
        await self.services.users.log_in(
            user, sessions.hash_of(token), self.now, self.now + sessions.SESSION_MS
        )
        return token


class BillingObjects:
    """The binding to the billing objects: a real ledger for each app, behind the object's RPC methods."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ledgers: dict[str, Ledger] = {}
        self.is_down = False
        self.pause = nothing

    async def ready(self) -> None:
        await self.pause()
        if self.is_down:
            raise RuntimeError("the object is down")

    async def tell_suspensions(self) -> int:
        """What the billing Worker does after an act, and each minute."""

        async def set_suspension(account: str, version: int, reasons: list[list[str]]) -> object:
            return await self.getByName(account).set_suspension(version, reasons)

        return await Telling(self._site.database, set_suspension).run(self._site.now, lambda *failure: None)

    def getByName(self, name: str) -> BillingObject:  # noqa: N802 (the runtime's name)
        ledger = self._ledgers.setdefault(name, Ledger(SqliteDatabase(), PRICE))
        return BillingObject(self, ledger, self._site.now)


class BillingObject:
    """As `BillingDurableObject` answers; the same over RPC is tested in the running system."""

    def __init__(self, objects: BillingObjects, ledger: Ledger, now: int) -> None:
        self._objects, self._ledger, self._now = objects, ledger, now

    async def open_account(self) -> str:
        await self._objects.ready()
        return self._ledger.open(self._now)

    async def close_account(self) -> str:
        await self._objects.ready()
        return self._ledger.close(self._now)

    async def set_schedule(self, version: int, schedule: list[list[Any]]) -> dict[str, int] | str:
        await self._objects.ready()
        planned = [(since, worker) for since, worker in schedule]
        result = self._ledger.set_schedule(self._now, version, planned)
        return {"milliseconds": LEASE_MS} if result == "set" else result

    async def set_suspension(self, version: int, reasons: list[list[str]]) -> dict[str, int]:
        await self._objects.ready()
        self._ledger.set_suspension(version, dict(reasons))
        return {"milliseconds": LEASE_MS}

    async def get_worker_billing(self) -> dict[str, str | None] | None:
        await self._objects.ready()
        billing = self._ledger.billing(self._now)
        if billing is None:
            return None
        values = {name: getattr(billing, name) for name in billing.__slots__}
        values |= {name: getattr(PRICE, name) for name in PRICE.__slots__}
        return {name: None if value is None else str(value) for name, value in values.items()}

    async def add_worker_funds(self, payment: str, amount_cents: int) -> str:
        await self._objects.ready()
        return self._ledger.add_funds(self._now, payment, amount_cents)

    async def set_reversal(self, reversal: str, cents: int, version: int) -> str:
        await self._objects.ready()
        return self._ledger.set_reversal(self._now, reversal, cents, version)

    async def list_payments(self) -> list[dict[str, Any]]:
        await self._objects.ready()
        payments = self._ledger.payments()
        return [{name: getattr(payment, name) for name in payment.__slots__} for payment in payments]

    async def get_usage(self, hours: int, days: int) -> dict[str, list[int]]:
        await self._objects.ready()
        return {
            "hours": self._ledger.usage_per_hour(self._now, hours),
            "days": self._ledger.usage_per_day(self._now, days),
        }

    def use(self, requests: int) -> None:
        for _ in range(requests):
            self._ledger.increment_requests(self._now)

    def take(self, wanted: int = 1) -> Lease | Suspended | str:
        return self._ledger.take_lease(self._now, wanted)

    def lease(self, wanted: int) -> Lease:
        lease = self.take(wanted)
        assert isinstance(lease, Lease)
        return lease

    def settle(self, lease: Lease, used: int) -> None:
        assert lease.id is not None
        self._ledger.settle_lease(self._now, lease.id, used)

    def pay(self, payment: str, cents: int) -> None:
        self._ledger.add_funds(self._now, payment, cents)


async def leave(response: httpx.Response) -> None:
    """It is read already."""


class Visitor:
    """Asks the site as a browser does; `cookies` are kept, redirects are not followed."""

    def __init__(self, site: Site, user: User | None) -> None:
        self._site = site
        self._user = user
        self.cookies: dict[str, str] = {}

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return await self.ask("GET", path, headers or {}, "")

    async def post(
        self, path: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send a form from a page of the site, unless `headers` say otherwise."""
        origin = {"origin": DASHBOARD, "sec-fetch-site": "same-origin"}
        kind = {"content-type": "application/x-www-form-urlencoded"}
        body = str(httpx.QueryParams(dict(form or {})))
        return await self.ask("POST", path, kind | (origin if headers is None else dict(headers)), body)

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: str) -> httpx.Response:
        if self._user is not None:
            self.cookies[sessions.COOKIE] = await self._site.log_in(self._user)
            self._user = None
        if self.cookies:
            headers = {**headers, "cookie": "; ".join("=".join(item) for item in self.cookies.items())}
        transport = httpx.ASGITransport(self._site.application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=DASHBOARD) as client:
            encoded = {name: value.encode() for name, value in headers.items()}
            response = await client.request(method, path, headers=encoded, content=body)
        for header in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return response


def signed(payload: Any, secret: str = SECRETS["GITHUB_WEBHOOK_SECRET"]) -> tuple[str, dict[str, str]]:
    """A webhook's body and its signature."""
    body = payload if isinstance(payload, str) else json.dumps(payload)
    digest = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    return body, {"content-type": "application/json", "x-hub-signature-256": f"sha256={digest}"}
