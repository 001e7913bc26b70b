"""`make docs`: the pages under `/docs/`, made of docs/*.md as fragments of HTML.

The dashboard shows them in its own frame (`dashboard/web/docs_pages.py`) and reads no Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
SOURCE, TARGET = ROOT / "docs", ROOT / "dashboard" / "docs"
NAMES = ("deployers", "payers", "visitors")


class PageError(Exception):
    """A page can't be made; the message names it and what is wrong with it."""


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    for name in NAMES:
        (TARGET / f"{name}.html").write_text(page_of(name))


def page_of(name: str) -> str:
    return rendered((SOURCE / f"{name}.md").read_text(), name)


def rendered(markdown: str, name: str) -> str:
    """A page's HTML. What looks like HTML in its source is shown as it is written."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(markdown)
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(tokens[number + 1].content))
        if token.type == "th_open":
            token.attrSet("scope", "col")
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", address(str(child.attrGet("href")), name))
    html = str(reader.renderer.render(list(with_frames(tokens)), reader.options, {}))
    return html.replace("<pre>", '<pre tabindex="0">')  # which scrolls like a table that is too wide


def with_frames(tokens: Iterable[Token]) -> Iterable[Token]:
    """A table that is wider than the page scrolls by itself; a keyboard can reach it."""
    for token in tokens:
        if token.type == "table_open":
            yield frame('<div class="wide" tabindex="0">\n')
        yield token
        if token.type == "table_close":
            yield frame("</div>\n")


def frame(html: str) -> Token:
    return Token("html_block", "", 0, content=html)


def anchor(heading: str) -> str:
    """A heading's id, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def address(target: str, name: str) -> str:
    """Where a link of the source leads in the product: to another of these pages, or out of it."""
    if target.startswith(("https://", "#")):
        return target
    page, mark, place = target.partition("#")
    if page.removesuffix(".md") not in NAMES:
        raise PageError(f"docs/{name}.md links to {target}, which is no page under /docs/")
    return f"/docs/{page.removesuffix('.md')}{mark}{place}"


if __name__ == "__main__":
    main()
