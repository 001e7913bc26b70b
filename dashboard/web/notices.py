"""`/account/…`: how a user wants to be told of what becomes of their apps and sites, and the feed of it.

The feed is Atom (RFC 4287) under an address that only its reader knows: its key is in the query, which no log
of this system has, and only the key's hash is stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from model.money import cents
from model.notice import HookError
from model.top_up import AMOUNT, MOST_CENTS
from web.access import require_viewer
from web.account_page import account_page
from web.bodies import form_field, form_fields
from web.pages import page
from web.rates import spend
from web.services import services_of

KEY_BYTES = 32
KEY = re.compile(r"[A-Za-z0-9_-]{43}")
SHOWN_IN_FEED = 50
NUMBER = re.compile(r"[0-9]{1,9}")
NOT_AN_AMOUNT = f"Type an amount from $0 to {cents(MOST_CENTS)}, like 7.50, or nothing."
CHANGED = "Your webhook was changed meanwhile, perhaps on another page. Look what it is now."


async def feed(request: Request) -> Response:
    services, key = services_of(request), request.query_params.get("key", "")
    user_id = await services.notices.user_of_feed(hash_of(key)) if KEY.fullmatch(key) else None
    if user_id is None:
        raise HTTPException(404)
    notices = await services.notices.of_user(user_id, SHOWN_IN_FEED)
    url = services.settings.dashboard_url
    updated = notices[0].at if notices else 0
    response = page(request, "notices_feed.html", notices=notices, url=url, key=key, updated=updated)
    response.headers["content-type"] = "application/atom+xml; charset=utf-8"
    return response


async def make_feed(request: Request) -> Response:
    """Make a new address, which takes the place of the one before, and show it once."""
    services, viewer = services_of(request), require_viewer(request)
    await spend(request, "notices")
    key = secrets.token_urlsafe(KEY_BYTES)
    await services.notices.set_feed(viewer.id, hash_of(key))
    url = f"{services.settings.dashboard_url}/account/notices.atom?key={key}"
    return page(request, "notices_secret.html", feed=url)


async def set_webhook(request: Request) -> Response:
    """Set or remove it; a new secret is shown once, to who sends the form twice the same one."""
    services, viewer = services_of(request), require_viewer(request)
    await spend(request, "notices")
    typed = await form_fields(request, "url", "number")
    try:
        url = services.notifying.address(typed["url"])
    except HookError as error:
        return await account_page(request, 422, hook_typed=typed["url"], hook_error=str(error))
    if not url:
        await services.notices.drop_hook(viewer.id)
        return RedirectResponse("/account#notices", 303)
    number = int(typed["number"]) if NUMBER.fullmatch(typed["number"]) else 0
    host = urlsplit(url).hostname or ""
    if not await services.notices.set_hook(viewer.id, url, number, host, services.now()):
        found = await services.notices.settings(viewer.id)
        if (found.hook_url, found.hook_number) != (url, number + 1):
            return await account_page(request, 409, hook_typed=url, hook_error=CHANGED)
    secret = services.notifying.shown_secret(viewer.id, number + 1)
    return page(request, "notices_secret.html", hook=url, secret=secret)


async def set_threshold(request: Request) -> Response:
    services, viewer = services_of(request), require_viewer(request)
    typed = (await form_field(request, "below")).strip()
    found = AMOUNT.fullmatch(typed)
    if typed and found is None:
        return await account_page(request, 422, below_typed=typed, below_error=NOT_AN_AMOUNT)
    amount = int(found[1].replace(",", "")) * 100 + int(found[2] or 0) if found else None
    await services.notices.set_threshold(viewer.id, amount)
    return RedirectResponse("/account#notices", 303)


def hash_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
