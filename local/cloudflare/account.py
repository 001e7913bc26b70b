"""A stand-in for Cloudflare's API (v4) as the real wrangler sees it when it deploys a whole installation.

It keeps what was deployed in memory, so that an installation can be tried without an account.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount

from local.cloudflare.answers import EXCEPTION_HANDLERS, MIDDLEWARE
from local.cloudflare.changes import Changes
from local.cloudflare.d1 import Databases
from local.cloudflare.domains import Domains
from local.cloudflare.pages import Pages
from local.cloudflare.permissions import ACCOUNT_MIDDLEWARE
from local.cloudflare.workers import Workers


class CloudflareAccount:
    """The account `account_id`. A test reads its parts, and may have the next changes of a kind fail."""

    def __init__(self, account_id: str) -> None:
        self.changes = Changes(account_id)
        self.databases = Databases(self.changes)
        self.workers = Workers(self.changes, has_database=self.databases.by_id.__contains__)
        self.domains = Domains(self.changes)
        self.pages = Pages(self.changes)

    def application(self) -> Starlette:
        parts = (self.workers, self.domains, self.databases, self.pages)
        account = [route for part in parts for route in part.routes()]
        others = [*self.workers.zone_routes(), *self.pages.asset_routes()]
        return Starlette(
            routes=[
                Mount("/client/v4/accounts/{account}", routes=account, middleware=ACCOUNT_MIDDLEWARE),
                Mount("/client/v4", routes=others, middleware=MIDDLEWARE),
            ],
            exception_handlers=EXCEPTION_HANDLERS,
        )
