"""The dashboard's settings: variables in wrangler.toml, and secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from model.app import User
from model.limits import Limits
from model.top_up import LEAST_AT_STRIPE, MOST_CENTS

# The settings that are limits.
LIMITS = {
    "deploys_at_once": "DEPLOYS_AT_ONCE",
    "deploys_per_hour": "DEPLOYS_PER_HOUR",
    "deploys_per_day": "DEPLOYS_PER_DAY",
    "apps": "APPS_PER_USER",
    "all_deploys_per_day": "ALL_DEPLOYS_PER_DAY",
    "lookups_per_hour": "LOOKUPS_PER_HOUR",
    "sites": "SITES_PER_USER",
}

MAIL = re.compile(r"[^\s@:/]+@[^\s@:/]+")
ACCOUNT_ID = re.compile(r"[0-9]{1,18}")


class SettingError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses have no slash at their end. Apps are at `<id>.<apps_domain>`.

    `github_url` is GitHub's web address and `github_api_url` its API's, which differ for Enterprise Server.
    `github_repository` (owner/name) holds the deploy workflow, which runs from its branch `github_branch`.
    `cloudflare_read_token` can only read scripts, and is published, if the operator has one.
    `sigstore_trusted_root` is a file, as visitors have it, with the keys of a Sigstore other than the public.
    `top_up_least_cents` is the least that can be paid, `stripe_checkout_url` where Stripe's payment pages
    are: without the amount and Stripe's secrets nothing can be paid. `stripe_dashboard_url` is where an
    operator sees a payment, and refunds it. `operators` are the GitHub ids of those who see the
    operator's page: a login can change hands. `source_url`, `contact` and `terms_url` are at the foot of each
    page where they are set, `security_contact` in security.txt.
    """

    dashboard_url: str
    apps_domain: str
    github_url: str
    github_api_url: str
    github_repository: str
    github_branch: str
    github_client_id: str
    cloudflare_api_url: str
    cloudflare_account_id: str
    cloudflare_read_token: str | None
    dispatch_namespace: str
    stripe_api_url: str
    stripe_checkout_url: str
    stripe_dashboard_url: str
    top_up_least_cents: int
    sigstore_trusted_root: str | None
    limits: Limits
    operators: frozenset[int]
    source_url: str | None
    contact: str | None
    terms_url: str | None
    security_contact: str | None
    secrets: Secrets

    @classmethod
    def read(cls, env: Any) -> Settings:
        return cls(
            dashboard_url=address(env, "DASHBOARD_URL"),
            apps_domain=text(env, "APPS_DOMAIN"),
            github_url=address(env, "GITHUB_URL"),
            github_api_url=address(env, "GITHUB_API_URL"),
            github_repository=text(env, "GITHUB_REPOSITORY"),
            github_branch=text(env, "GITHUB_BRANCH"),
            github_client_id=text(env, "GITHUB_CLIENT_ID"),
            cloudflare_api_url=address(env, "CLOUDFLARE_API_URL"),
            cloudflare_account_id=text(env, "CLOUDFLARE_ACCOUNT_ID"),
            cloudflare_read_token=optional(env, "CLOUDFLARE_READ_TOKEN"),
            dispatch_namespace=text(env, "DISPATCH_NAMESPACE"),
            stripe_api_url=address(env, "STRIPE_API_URL"),
            stripe_checkout_url=address(env, "STRIPE_CHECKOUT_URL"),
            stripe_dashboard_url=address(env, "STRIPE_DASHBOARD_URL"),
            top_up_least_cents=least_cents(env, "TOP_UP_LEAST_CENTS"),
            sigstore_trusted_root=optional(env, "SIGSTORE_TRUSTED_ROOT"),
            limits=Limits(**{name: limit(env, setting) for name, setting in LIMITS.items()}),
            operators=account_ids(env, "OPERATORS"),
            source_url=link(env, "SOURCE_URL"),
            contact=link(env, "CONTACT"),
            terms_url=link(env, "TERMS_URL"),
            security_contact=link(env, "SECURITY_CONTACT"),
            secrets=Secrets.read(env),
        )

    @property
    def cloudflare_access(self) -> dict[str, str] | None:
        """What a visitor asks Cloudflare with."""
        if self.cloudflare_read_token is None:
            return None
        return {
            "api": self.cloudflare_api_url,
            "account": self.cloudflare_account_id,
            "namespace": self.dispatch_namespace,
            "token": self.cloudflare_read_token,
        }

    @property
    def has_payments(self) -> bool:
        """Whether apps can be topped up: the least amount and both of Stripe's secrets are set."""
        return bool(self.top_up_least_cents and self.secrets.stripe_key and self.secrets.stripe_webhooks)

    def is_operator(self, viewer: User | None) -> bool:
        return viewer is not None and viewer.id in self.operators

    def app_url(self, app_id: str) -> str:
        scheme = urlsplit(self.dashboard_url).scheme
        return f"{scheme}://{app_id}.{self.apps_domain}/"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The operator's secrets, set by `wrangler secret put`; printing this shows none."""

    github_client: str
    github_token: str
    github_webhook: str
    cloudflare_token: str
    stripe_key: str | None
    stripe_webhooks: tuple[str, ...]
    metrics_token: str | None

    @classmethod
    def read(cls, env: Any) -> Secrets:
        return cls(
            text(env, "GITHUB_CLIENT_SECRET"),
            text(env, "GITHUB_TOKEN"),
            text(env, "GITHUB_WEBHOOK_SECRET"),
            text(env, "CLOUDFLARE_API_TOKEN"),
            optional(env, "STRIPE_SECRET_KEY"),
            tuple((optional(env, "STRIPE_WEBHOOK_SECRET") or "").split()),
            optional(env, "METRICS_TOKEN"),
        )


def text(env: Any, name: str) -> str:
    value = optional(env, name)
    if value is None:
        raise SettingError(f"the setting {name} is missing")
    return value


def optional(env: Any, name: str) -> str | None:
    value = getattr(env, name, None)
    return value.strip() or None if isinstance(value, str) else None


def limit(env: Any, name: str) -> int:
    """A whole number, 0 or more."""
    value = getattr(env, name, None)
    if value is None:
        raise SettingError(f"the setting {name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        raise SettingError(f"the setting {name} must be a whole number, without quotes")
    return int(value)


def least_cents(env: Any, name: str) -> int:
    """0 where nothing can be paid."""
    value = limit(env, name)
    if value and not LEAST_AT_STRIPE <= value <= MOST_CENTS:
        raise SettingError(f"the setting {name} must be 0, or from {LEAST_AT_STRIPE} to {MOST_CENTS}")
    return value


def account_ids(env: Any, name: str) -> frozenset[int]:
    """Ids of GitHub accounts, separated by spaces or commas; a single one may be a number."""
    words = str(getattr(env, name, None) or "").replace(",", " ").split()
    for word in words:
        if not ACCOUNT_ID.fullmatch(word):
            raise SettingError(f"the setting {name} must have numeric ids of GitHub accounts, not {word!r}")
    return frozenset(map(int, words))


def link(env: Any, name: str) -> str | None:
    """Where a link of the operator's leads, if one is set: a page, or an address to write to."""
    value = optional(env, name)
    if value is None or value.startswith(("https://", "http://", "mailto:")):
        return value
    if MAIL.fullmatch(value):
        return f"mailto:{value}"
    raise SettingError(f"the setting {name} must be a mail address, or begin with https:// or mailto:")


def address(env: Any, name: str) -> str:
    value = text(env, name).rstrip("/")
    if not value.startswith(("https://", "http://")):
        raise SettingError(f"the setting {name} must be an address that begins with https://")
    return value
