"""What a deployer is told: in words, as a message to a webhook, and where such a message may go.

A message is signed after "Standard Webhooks" 1.0: HMAC-SHA256 of its id, the attempt's time and the body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from model.suspension import Kind as TargetKind
from model.text import seen

NoticeKind = Literal["deployed", "failed", "suspended", "restored", "low", "used_up", "differs", "webhook"]
TITLES: dict[NoticeKind, str] = {
    "deployed": "{} is deployed",
    "failed": "{} was not deployed",
    "suspended": "{} was suspended by the operator",
    "restored": "{} was restored by the operator",
    "low": "The balance of {} is low",
    "used_up": "The balance of {} is used up",
    "differs": "{} is not what was signed",
    "webhook": "{} has a new webhook",
}
LABELS: dict[TargetKind, str] = {
    "app": "the app {}",
    "site": "the site {}",
    "user": "your account",
    "repository": "the repository {}",
    "owner": "what is deployed of {}",
}
MAX_DETAIL = 500
LONGEST_ADDRESS = 500
SECRET_PREFIX = "whsec_"  # noqa: S105 (of every such secret)
# A name: no number in any of the spellings that browsers take for an address of IPv4, whose last part begins
# with a digit. Nothing in it is read by one program in another way than by the next.
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
ADDRESS = re.compile(
    rf"https://((?:{LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?)(?::443)?(?:[/?][!-\"$-\[\]-~]*)?",
    re.ASCII | re.IGNORECASE,
)
# What never is a public name: RFC 6761, 6762, 7686, 8375, 9476, ICANN's "internal", and what routers use.
PRIVATE_WORDS = "alt arpa corp home internal intranet invalid lan local localhost onion private test"
PRIVATE = frozenset(PRIVATE_WORDS.split())


class HookError(Exception):
    """An address that no webhook can have; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Notice:
    """`name` is an app's id, a site's name, a user's id, a repository or its owner, as `about` says.

    `cause` is one for each user; `at` is in milliseconds since 1970.
    """

    user_id: int
    cause: str
    kind: NoticeKind
    about: TargetKind
    name: str
    detail: str
    at: int

    @property
    def title(self) -> str:
        title = TITLES[self.kind].format(LABELS[self.about].format(self.name))
        return title[0].upper() + title[1:]

    @property
    def words(self) -> str:
        """On one line, of characters that are to be seen: a detail may be of a stranger's."""
        shown = seen(self.detail)
        return f"{self.title}: {shown[:MAX_DETAIL]}" if shown.strip() else f"{self.title}."

    @property
    def path(self) -> str:
        """The page that says more."""
        return {"app": f"/apps/{self.name}", "site": f"/sites/{self.name}"}.get(self.about, "/account")

    @property
    def id(self) -> str:
        """The same whenever it is told."""
        return "msg_" + hashlib.sha256(f"{self.user_id} {self.cause}".encode()).hexdigest()[:32]


def message_of(notice: Notice, dashboard_url: str) -> str:
    """The body of a webhook, in JSON."""
    moment = datetime.fromtimestamp(notice.at // 1000, UTC).isoformat().replace("+00:00", "Z")
    data = {"name": notice.name, "message": notice.words, "url": dashboard_url + notice.path}
    return json.dumps({"type": f"{notice.about}.{notice.kind}", "timestamp": moment, "data": data})


def secret_of(key: str, user_id: int, number: int) -> bytes:
    """A webhook's: it is nowhere stored, as it follows from the operator's own, which no user knows."""
    return hmac.new(key.encode(), f"notices {user_id} {number}".encode(), hashlib.sha256).digest()


def shown_secret(secret: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signed_headers(secret: bytes, notice_id: str, body: str, now: int) -> dict[str, str]:
    seconds = str(now // 1000)
    digest = hmac.new(secret, f"{notice_id}.{seconds}.{body}".encode(), hashlib.sha256).digest()
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def hook_address(text: str, own_hosts: Sequence[str]) -> str:
    """An address that messages can be sent to, '' for none. Raises HookError.

    `own_hosts` are the operator's, with all below them: a Worker reaches those by other ways than the public.
    """
    address = text.strip()
    if not address:
        return ""
    found = ADDRESS.fullmatch(address)
    if found is None or len(address) > LONGEST_ADDRESS:
        raise HookError(
            "Type a public address like https://hooks.example.com/codius: https, a host's name (in ASCII, no "
            f"number), no other port, no login, no “#”, at most {LONGEST_ADDRESS} characters."
        )
    host = found[1].lower()
    if host.rpartition(".")[2] in PRIVATE:
        raise HookError(f"{host} is no public name.")
    if any(f".{host}".endswith(f".{own}") for own in own_hosts):
        raise HookError(f"{host} is of this site: choose an address elsewhere.")
    return address
