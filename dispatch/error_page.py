"""The page that says what went wrong: one file, in the dashboard's colours, which leads on to it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

BRAND = "Codius Workers"
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Codius Workers</title>
<style>
:root {{ color-scheme: light dark; --line: light-dark(#e7eaf0, #202632) }}
body {{ margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: light-dark(#373c44, #c2c7d0);
  background: light-dark(#fff, #13171f) }}
header > *, main {{ display: block; max-width: 62rem; margin: 0 auto; padding: 1.25rem 1rem }}
header {{ border-bottom: 1px solid var(--line); font-weight: 700 }}
header a {{ color: inherit; text-decoration: none }}
main {{ padding-block: 2rem }}
h1 {{ margin: 0 0 .75rem; font-size: 1.75rem; line-height: 1.2; color: light-dark(#2d3138, #f0f1f3) }}
p, code {{ overflow-wrap: anywhere }}
a {{ color: light-dark(#0172ad, #01aaff) }}
small {{ color: light-dark(#5b6270, #98a1b1) }}
</style>
<header>{brand}</header>
<main>
<h1>{title}</h1>
<p>{detail}</p>
{link}<p><small>Request <code>{request_id}</code>{abuse}</small></p>
</main>
</html>
"""
# In a frame it leads the whole window on: the dashboard is shown in no frame.
LINK = '<a href="{address}" target="_top">{words}</a>'


@dataclass(frozen=True, slots=True)
class Link:
    """Where a page leads on to."""

    address: str
    words: str

    def html(self) -> str:
        return LINK.format(address=escape(self.address), words=escape(self.words))


def error_page(
    title: str, detail: str, request_id: str, link: Link | None, home: str | None, contact: str = ""
) -> str:
    """`home` is the dashboard's address, `contact` where abuse is reported, or nothing."""
    return PAGE.format(
        title=escape(title),
        detail=escape(detail),
        request_id=escape(request_id),
        brand=f"<span>{BRAND}</span>" if home is None else Link(home, BRAND).html(),
        abuse=f" · {Link(contact, 'Report abuse').html()}" if contact else "",
        link="" if link is None else f"<p>{link.html()}</p>\n",
    )
