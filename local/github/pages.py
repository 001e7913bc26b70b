"""The local GitHub's pages: what the dashboard links to, plain."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.responses import HTMLResponse

environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=select_autoescape()
)


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    return HTMLResponse(environment.get_template(template).render(values), status)


def not_found(message: str = "This is not the page you are looking for.") -> HTMLResponse:
    return page("message.html", 404, title="Not found", message=message)
