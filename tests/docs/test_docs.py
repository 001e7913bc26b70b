"""The documentation is so: settings, links, commands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest

import pricing
import settings as dispatch_settings
import web.settings as dashboard_settings
from deploy.configs import PAYMENT_SECRETS, SECRETS
from local.docs_pages import anchor
from local.staging import ROOT

OPERATING = (ROOT / "docs" / "operating.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "cli" / "README.md"])
CONFIGS = {
    "dispatch": "wrangler.toml",
    "billing": "billing/wrangler.toml",
    "dashboard": "dashboard/wrangler.toml",
}
READERS: dict[str, Callable[[Any], object]] = {
    "dispatch": dispatch_settings.Settings.read,
    "billing": pricing.Price.read,
    "dashboard": dashboard_settings.Settings.read,
}
ERRORS = (dispatch_settings.SettingError, pricing.SettingError, dashboard_settings.SettingError)


def documented(worker: str) -> dict[str, str]:
    """The settings that docs/operating.md names for a Worker, with what it says of each."""
    section = OPERATING.partition(f"### {worker}: `{CONFIGS[worker]}`")[2].partition("\n### ")[0]
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", section, re.MULTILINE))


def variables(worker: str, environment: str = "") -> dict[str, Any]:
    config = tomllib.loads((ROOT / CONFIGS[worker]).read_text())
    found: dict[str, Any] = (config["env"][environment] if environment else config)["vars"]
    return found


@pytest.mark.parametrize("worker", CONFIGS)
@pytest.mark.parametrize("environment", ["", "staging"])
def test_every_setting_is_in_the_docs_and_in_each_environment(worker: str, environment: str) -> None:
    assert documented(worker).keys() == variables(worker, environment).keys()


@pytest.mark.parametrize(
    ("worker", "name"), [(worker, name) for worker in CONFIGS for name in documented(worker)]
)
def test_a_setting_that_is_missing_is_named(worker: str, name: str) -> None:
    values = variables(worker) | dict.fromkeys((*SECRETS, *PAYMENT_SECRETS), "secret")
    READERS[worker](SimpleNamespace(**values))
    del values[name]
    if "may be empty" in documented(worker)[name]:
        READERS[worker](SimpleNamespace(**values))
        return
    with pytest.raises(ERRORS, match=name):
        READERS[worker](SimpleNamespace(**values))


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_missing_is_named(name: str) -> None:
    values = variables("dashboard") | dict.fromkeys(SECRETS, "secret")
    del values[name]
    with pytest.raises(dashboard_settings.SettingError, match=name):
        dashboard_settings.Settings.read(SimpleNamespace(**values))


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("", set()),
        ("1001", {1001}),
        ("1001, 1003", {1001, 1003}),
        ("1001 1003\n", {1001, 1003}),
        (1001, {1001}),
    ],
)
def test_operators_are_ids(value: object, ids: set[int]) -> None:
    values = variables("dashboard") | dict.fromkeys(SECRETS, "secret") | {"OPERATORS": value}
    assert dashboard_settings.Settings.read(SimpleNamespace(**values)).operators == ids


@pytest.mark.parametrize("value", ["alice", "1001 alice", "1001,@bob", "-1", "1e3", "١٠", "1" * 19, True])
def test_an_operator_who_is_no_id_is_an_error_that_names_the_setting(value: object) -> None:
    values = variables("dashboard") | dict.fromkeys(SECRETS, "secret") | {"OPERATORS": value}
    with pytest.raises(dashboard_settings.SettingError, match="OPERATORS must have numeric ids of GitHub"):
        dashboard_settings.Settings.read(SimpleNamespace(**values))


def test_every_secret_is_in_the_docs_and_in_the_example() -> None:
    section = OPERATING.partition("### Secrets of the dashboard")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)`", section, re.MULTILINE)) == {*SECRETS, *PAYMENT_SECRETS}
    example = (ROOT / "dashboard" / ".dev.vars.example").read_text()
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) == {*SECRETS, *PAYMENT_SECRETS}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / unquote(target)).exists(), target


def test_the_decisions_are_listed() -> None:
    text = (ROOT / "docs" / "decisions.md").read_text()
    headings = re.findall(r"^##(#?) (.+)$", text, re.MULTILINE)
    expected = [f"{'  ' if deeper else ''}- [{title}](#{anchor(title)})" for deeper, title in headings]
    assert re.findall(r"^ *- \[.+\]\(#.+\)$", text, re.MULTILINE) == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_are_there(page: Path) -> None:
    """Each `make` target, and each wrangler config that a command names."""
    makefile = (ROOT / "Makefile").read_text()
    text = page.read_text()
    for target in re.findall(r"(?:^\s*|`)make ([a-z]+)\b", text, re.MULTILINE):
        assert f"\n{target}:" in makefile, target
    for config in re.findall(r"--config ([\w./]+\.toml)", text):
        assert (ROOT / config).is_file(), config
