"""Words on pages are written in one way, and the docs call things by them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.staging import ROOT

TEMPLATES = sorted((ROOT / "dashboard" / "templates").glob("*.html"))
HEADINGS = re.compile(r"<(h[1-3]|th|label|legend|dt)\b[^>]*>(.*?)</\1>", re.DOTALL)
BUTTONS = re.compile(r'<(?:button|(?:a|summary) class="button)[^>]*>(.*?)</(?:button|a|summary)>', re.DOTALL)
FILLED_IN, NOT_READ = re.compile(r"\{\{.*?\}\}", re.DOTALL), re.compile(r"\{%.*?%\}|<[^>]*>", re.DOTALL)
NAMES = {"Cloudflare", "Codius", "GitHub", "Sigstore's", "Stripe", "Workers"}
SMALL = {"a", "an", "at", "by", "for", "in", "of", "on", "the", "to", "with"}
DOCS = ("deployers", "payers", "visitors", "getting-started")
TOLD = re.compile(r'(?:[Pp]ress|button|[Cc]hoose|under|the card that) "([^"]+?),?"|"([^"]+)" (?:stops|is at)')


def words_of(text: str) -> str:
    """What is read of a piece of a template; what is filled in is a `…`."""
    return " ".join(NOT_READ.sub(" ", FILLED_IN.sub("…", text)).split())


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_headings_and_labels_are_written_as_in_a_sentence(template: Path) -> None:
    for _, text in HEADINGS.findall(template.read_text()):
        for part in re.split(r"(?<=[.:?…]) ", words_of(text)):
            for word in part.split()[1:]:
                is_small = not word[:1].isupper() or word.isupper() or word.strip(".,:") in NAMES
                # What stands under a heading in small letters begins anew.
                assert is_small or f">{word}" in text, f"{words_of(text)}: {word}"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_buttons_are_in_title_case(template: Path) -> None:
    for text in BUTTONS.findall(template.read_text()):
        label = words_of(text)
        if label.startswith(("…", "Log out")):
            continue
        for number, word in enumerate(label.split()):
            assert word[:1].isupper() or (number and word in SMALL) or not word[:1].isalpha(), label


@pytest.mark.parametrize("name", DOCS)
def test_what_the_docs_tell_to_press_is_on_a_page(name: str) -> None:
    templates = (*TEMPLATES, *(ROOT / "local").rglob("templates/*.html"))
    pages = " ".join(path.read_text() for path in templates)
    text = " ".join((ROOT / "docs" / f"{name}.md").read_text().split())
    for label in map("".join, TOLD.findall(text)):
        assert label in pages, label
