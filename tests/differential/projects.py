"""The projects: a folder each, in `projects/` (tried by every run) or `more/` (by `make differential`).

A project's `requests.txt`, which is no part of it, names requests beside those that every project gets, one
a line: `GET /path Header: value`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = os.environ.get("DIFFERENTIAL", "projects").split()
REQUESTS = "requests.txt"
PATHS = (
    *(
        "/",
        "/?q=1",
        "/index",
        "/index.html",
        "/index.html?q=%20",
        "/about",
        "/about?q=1&r",
        "/about/",
        "/about.html",
    ),
    *(
        "/About",
        "/notes",
        "/notes/",
        "/notes/index.html",
        "/notes/first",
        "/absent",
        "/absent/",
        "/notes/absent.js",
    ),
    *(
        "//about",
        "/notes//first",
        "/%61bout",
        "/about%2F",
        "/%zz",
        "/..%2fabout",
        "/a%00b",
        "/_headers",
        "/_redirects",
    ),
)
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join(
            [self.method, self.path, *(f"{name}: {value}" for name, value in self.headers.items())]
        )


@dataclass(frozen=True, slots=True)
class Project:
    folder: Path

    @property
    def name(self) -> str:
        """What its config calls it, too."""
        return self.folder.name

    @property
    def is_python(self) -> bool:
        return self.name.startswith("python-")

    def copy(self, target: Path) -> Path:
        shutil.copytree(self.folder, target, ignore=shutil.ignore_patterns(REQUESTS))
        return target

    def requests(self) -> Iterator[Request]:
        for path in PATHS:
            yield Request("GET", path)
            yield Request("HEAD", path)
            yield Request("GET", path, NAVIGATION)
        for path in ("/", "/about", "/absent"):
            yield Request("POST", path)
            yield Request("OPTIONS", path)
        named = self.folder / REQUESTS
        for line in named.read_text().splitlines() if named.exists() else ():
            if not line.startswith("#"):
                method, path, *header = line.split(" ", 2)
                yield Request(method, path, dict(pair.split(": ") for pair in header))


def projects() -> list[Project]:
    return [Project(folder) for name in FOLDERS for folder in sorted((HERE / name).iterdir())]
