"""What the settings must be, said before anything is done: without wrangler."""

from __future__ import annotations

import pytest

from deploy.configs import Installation
from local.staging import ROOT
from tests.deploy.support import ACCOUNT, DOMAIN, Operator


def problems(operator: Operator) -> list[str]:
    return list(Installation(operator.root, "production").problems())


def test_settings_that_are_filled_in_have_no_problem(operator: Operator) -> None:
    assert problems(operator) == []


def test_the_committed_settings_must_all_be_filled_in() -> None:
    for environment in ("production", "staging"):
        found = " ".join(Installation(ROOT, environment).problems())
        for setting in ("APPS_DOMAIN", "GITHUB_REPOSITORY", "GITHUB_CLIENT_ID", "CLOUDFLARE_ACCOUNT_ID"):
            assert setting in found


@pytest.mark.parametrize(
    ("path", "old", "new", "words"),
    [
        ("dashboard/wrangler.toml", "Iv1.client", "", "dashboard/wrangler.toml: GITHUB_CLIENT_ID is ''"),
        ("dashboard/wrangler.toml", ACCOUNT, "0" * 32, "CLOUDFLARE_ACCOUNT_ID is '000"),
        ("dashboard/wrangler.toml", DOMAIN, "other.test", "APPS_DOMAIN is not the same in"),
        ("wrangler.toml", 'namespace = "testing"', 'namespace = "other"', "DISPATCH_NAMESPACE is not"),
        ("wrangler.toml", f"*.{DOMAIN}/*", "*.other.test/*", f"routes must have the pattern *.{DOMAIN}/*"),
        ("wrangler.toml", f'zone_name = "{DOMAIN}"', 'zone_name = "other.test"', "the zone_name of *."),
        ("wrangler.toml", f'APPS_DOMAIN = "{DOMAIN}"', 'APPS_DOMAIN = "https://x"', "a domain's name"),
    ],
)
def test_a_wrong_setting_has_its_own_message(
    operator: Operator, path: str, old: str, new: str, words: str
) -> None:
    operator.change(path, old, new)
    if "routes" in words or "zone_name" in words or "domain" in words:
        for file in ("wrangler.toml", "dashboard/wrangler.toml"):
            operator.change(file, operator.address, "https://codius.example")
    assert any(words in problem for problem in problems(operator)), problems(operator)


@pytest.mark.parametrize(
    ("path", "line", "words"),
    [
        ("wrangler.toml", "APPS_DOMAIN = ", "wrangler.toml: APPS_DOMAIN is None"),
        ("dashboard/wrangler.toml", "DASHBOARD_URL = ", "dashboard/wrangler.toml: DASHBOARD_URL is None"),
        ("wrangler.toml", "routes = ", f"routes must have the pattern *.{DOMAIN}/*"),
    ],
)
def test_a_setting_that_is_not_there_has_its_own_message(
    operator: Operator, path: str, line: str, words: str
) -> None:
    for file in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(file, operator.address, "https://codius.example")
    whole, _, own = (operator.root / path).read_text().partition("[env.staging]")
    kept = [text for text in whole.splitlines() if not text.startswith(line)]
    (operator.root / path).write_text("\n".join([*kept, f"[env.staging]{own}" if own else ""]))
    assert any(words in problem for problem in problems(operator)), problems(operator)


def test_a_route_may_name_its_zone_by_id(operator: Operator) -> None:
    operator.change("wrangler.toml", f'zone_name = "{DOMAIN}"', 'zone_id = "0f"')
    for file in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(file, operator.address, "https://dashboard.test")
    assert problems(operator) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://codius.test", "DASHBOARD_URL must begin with https://"),
        (f"https://{DOMAIN}", "must be on different domains"),
        (f"https://www.{DOMAIN}", "must be on different domains"),
        ("https://codius.test", "must be on different domains"),
        ("https://Codius.example", "in lower case, without a path"),
        ("https://codius.example/dashboard", "in lower case, without a path"),
    ],
)
def test_an_unsafe_address_of_the_dashboard_is_refused(operator: Operator, url: str, words: str) -> None:
    for path in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(path, operator.address, url)
    assert any(words in problem for problem in problems(operator)), problems(operator)
