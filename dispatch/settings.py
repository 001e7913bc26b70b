"""Dispatch's settings: variables in wrangler.toml, read once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MAIL = re.compile(r"[^@\s:/]+@[^@\s:/]+")


class SettingError(Exception):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`apps_domain`: apps are at `<id>.<apps_domain>`. `dashboard_url`: without a slash at its end.

    Of each call of an app: `cpu_ms` of processor time, `sub_requests` requests of its own. Billing has
    `billing_timeout_ms` to answer. `contact` is where people write to the operator; it may be empty.
    """

    apps_domain: str
    dashboard_url: str
    cpu_ms: int
    sub_requests: int
    billing_timeout_ms: int
    contact: str = ""

    @classmethod
    def read(cls, env: Any) -> Settings:
        return cls(
            apps_domain=text(env, "APPS_DOMAIN", strip=".").lower(),
            dashboard_url=text(env, "DASHBOARD_URL", strip="/"),
            cpu_ms=positive(env, "APP_CPU_MS"),
            sub_requests=positive(env, "APP_SUB_REQUESTS"),
            billing_timeout_ms=positive(env, "BILLING_TIMEOUT_MS"),
            contact=address(env, "CONTACT"),
        )


def text(env: Any, name: str, strip: str) -> str:
    value = getattr(env, name, None)
    if not isinstance(value, str) or not value.strip(strip):
        raise SettingError(f"the setting {name} is missing")
    return value.strip(strip)


def address(env: Any, name: str) -> str:
    """An address that a page can link to, or nothing."""
    value = getattr(env, name, None)
    value = value.strip() if isinstance(value, str) else ""
    if not value or value.startswith(("mailto:", "https://", "http://")):
        return value
    if MAIL.fullmatch(value):
        return f"mailto:{value}"
    raise SettingError(f"the setting {name} must be a mail address, or begin with https:// or mailto:")


def positive(env: Any, name: str) -> int:
    value = getattr(env, name, None)
    if type(value) is not int or value <= 0:
        raise SettingError(f"the setting {name} must be a positive integer")
    return value
