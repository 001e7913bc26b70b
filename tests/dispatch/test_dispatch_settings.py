import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from settings import SettingError, Settings

CONFIG = Path(__file__).resolve().parents[2] / "wrangler.toml"
VALID: dict[str, Any] = {
    "APPS_DOMAIN": "apps.example",
    "DASHBOARD_URL": "https://dashboard.example",
    "APP_CPU_MS": 50,
    "APP_SUB_REQUESTS": 40,
    "BILLING_TIMEOUT_MS": 5000,
}
TEXTS = ("APPS_DOMAIN", "DASHBOARD_URL")
NUMBERS = ("APP_CPU_MS", "APP_SUB_REQUESTS", "BILLING_TIMEOUT_MS")


def read(**changed: Any) -> Settings:
    return Settings.read(SimpleNamespace(**VALID | changed))


def test_every_variable_becomes_a_setting() -> None:
    assert read() == Settings("apps.example", "https://dashboard.example", 50, 40, 5000)


def test_the_domain_is_compared_in_lower_case_without_dots_around_it() -> None:
    assert read(APPS_DOMAIN=".Apps.Example.").apps_domain == "apps.example"


def test_the_dashboard_has_no_slash_at_its_end() -> None:
    assert read(DASHBOARD_URL="https://dashboard.example/").dashboard_url == "https://dashboard.example"


@pytest.mark.parametrize("name", VALID)
def test_a_missing_variable_is_named(name: str) -> None:
    env = SimpleNamespace(**{key: value for key, value in VALID.items() if key != name})
    with pytest.raises(SettingError, match=rf"\b{name}\b"):
        Settings.read(env)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", [None, "", 5, True, b"apps.example", ["apps.example"]])
def test_a_text_that_is_none_is_named(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"\b{name}\b"):
        read(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [None, 0, -1, True, "50", "", 50.0, 0.5])
def test_a_number_that_is_not_positive_and_whole_is_named(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=rf"\b{name}\b"):
        read(**{name: value})


def test_the_committed_configuration_can_be_read() -> None:
    config = tomllib.loads(CONFIG.read_text())
    assert Settings.read(SimpleNamespace(**config["vars"])).apps_domain == config["vars"]["APPS_DOMAIN"]


@pytest.mark.parametrize(("name", "value"), [("APPS_DOMAIN", "."), ("DASHBOARD_URL", "/")])
def test_text_of_which_nothing_remains_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        read(**{name: value})


def test_staging_has_the_bindings_of_production_and_counters_of_its_own() -> None:
    config = tomllib.loads(CONFIG.read_text())
    production, staging = config["ratelimits"], config["env"]["staging"]["ratelimits"]
    assert [limit["name"] for limit in production] == [limit["name"] for limit in staging] == ["UNKNOWN_APPS"]
    assert production[0]["namespace_id"] != staging[0]["namespace_id"]
    for limits in (production, staging):
        assert limits[0]["simple"]["limit"] > 0
        assert limits[0]["simple"]["period"] in (10, 60)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (None, ""),
        ("", ""),
        ("a@example.com", "mailto:a@example.com"),
        ("https://x.example/", "https://x.example/"),
    ],
)
def test_a_contact_is_an_address_that_a_page_can_link_to(value: Any, address: str) -> None:
    assert read(CONTACT=value).contact == address


@pytest.mark.parametrize("value", ["javascript:alert(1)", "nobody", "a b@example.com"])
def test_another_contact_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match="CONTACT"):
        read(CONTACT=value)
