"""The pages under /docs/, the foot of every page, and security.txt."""

from __future__ import annotations

import asyncio
import re
import tomllib
from datetime import datetime

import pytest

from local.docs_pages import NAMES, PageError, page_of, rendered
from local.staging import ROOT
from pricing import Price
from tests.dashboard.dashboard_site import NOW, Site
from web import docs_pages
from web.settings import SettingError

PAGES = [f"/docs/{name}" for name in NAMES]
LINKS = {
    "SOURCE_URL": "https://source.example/codius",
    "CONTACT": "operator@dashboard.example",
    "TERMS_URL": "https://dashboard.example/terms",
}


def get(path: str, **env: str) -> tuple[int, str]:
    response = asyncio.run(Site(**env).visitor().get(path))
    return response.status_code, response.text


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_made_of_its_markdown(name: str) -> None:
    made = (ROOT / "dashboard" / "docs" / f"{name}.html").read_text()
    assert made == page_of(name), "docs/ has changed: run `make docs`"
    status, page = get(f"/docs/{name}")
    assert (status, made in page) == (200, True)
    assert f'href="/docs/{name}" aria-current="page"' in page


def test_every_page_that_is_made_is_shown() -> None:
    assert tuple(docs_pages.TITLES) == NAMES
    assert {path.stem for path in (ROOT / "dashboard" / "docs").iterdir()} == set(NAMES)
    assert get("/docs")[0] == 307
    assert get("/docs/nothing")[0] == 404


def test_links_lead_to_other_pages_and_tables_scroll_by_themselves() -> None:
    links, table, code = "[x](payers.md#refunds) [y](https://a.example)", "|a|\n|-|\n|<b>|", "    run <pre>"
    page = rendered(f"# A & b!\n\n{links}\n\n{table}\n\n{code}\n", "visitors")
    assert '<h1 id="a--b">A &amp; b!</h1>' in page
    assert '<a href="/docs/payers#refunds">x</a> <a href="https://a.example">y</a>' in page
    assert '<div class="wide" tabindex="0">\n<table>' in page
    assert "<td>&lt;b&gt;</td>" in page
    assert '<pre tabindex="0"><code>run &lt;pre&gt;' in page
    with pytest.raises(PageError, match=r"docs/visitors\.md links to security\.md"):
        rendered("[x](security.md)", "visitors")


def test_the_prices_in_the_docs_are_those_of_the_committed_settings() -> None:
    settings = tomllib.loads((ROOT / "billing" / "wrangler.toml").read_text())["vars"]
    price = Price(
        settings["INCLUDED_REQUESTS"],
        settings["REQUEST_UNIT_PRICE_NANO_USD"],
        settings["TOTAL_REQUESTS_PER_UNIT"],
    )
    assert price == Price(100, 300_000_000, 1_000_000)
    for name in ("deployers", "payers"):
        text = " ".join((ROOT / "docs" / f"{name}.md").read_text().split())
        assert re.search(r"first 100 requests of each app", text)
        assert re.search(r"\$0\.30 for a million requests|a million requests cost \$0\.30", text)


def test_the_foot_of_a_page_has_what_is_set() -> None:
    _, page = get("/", **LINKS)
    foot = page.partition("<footer>")[2]
    assert re.findall(r'<a href="([^"]+)">(\w+)</a>', foot) == [
        ("/docs", "Docs"),
        ("https://source.example/codius", "Source"),
        ("mailto:operator@dashboard.example", "Contact"),
        ("https://dashboard.example/terms", "Terms"),
    ]
    assert re.findall(r"<a [^>]+>(\w+)</a>", get("/")[1].partition("<footer>")[2]) == ["Docs"]


@pytest.mark.parametrize(
    "value", ["operator", "javascript:alert(1)", "a b@c", "//a.example", "ftp://a.example"]
)
@pytest.mark.parametrize("name", [*LINKS, "SECURITY_CONTACT"])
def test_what_is_no_link_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{name} must be"):
        Site(**{name: value})


def test_security_txt_says_whom_to_tell() -> None:
    status, text = get("/.well-known/security.txt", SECURITY_CONTACT="security@dashboard.example")
    fields = dict(line.split(": ", 1) for line in text.splitlines())
    assert (status, fields["Contact"]) == (200, "mailto:security@dashboard.example")
    assert fields["Canonical"] == "https://dashboard.example/.well-known/security.txt"
    days = (datetime.fromisoformat(fields["Expires"]).timestamp() - NOW / 1000) / 86_400
    assert 80 < days < 365, "RFC 9116: less than a year ahead"
    assert get("/.well-known/security.txt")[0] == 404
