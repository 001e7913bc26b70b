"""What a site says of itself, beside the document of the app that it serves: docs/sites.md, "The proof".

What is signed is the app. That a name stands for it, and since when, is the operator's word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from codius.document import APP_ID, COMMIT, mapping, text
from codius.errors import CheckFailedError

# In the order of their characters they are in the order of time.
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


@dataclass(frozen=True, slots=True)
class Announced:
    app_id: str
    commit: str
    serves_from: str


@dataclass(frozen=True, slots=True)
class Site:
    """Times are as they came. `versions` counts the apps that have served or are announced."""

    name: str
    since: str
    next: Announced | None
    versions: int
    history_url: str

    @classmethod
    def read(cls, content: Any) -> Site:
        """Raises CheckFailedError naming what is missing or of another form."""
        site = mapping(content, "site")
        announced = site.get("next")
        return cls(
            name=text(site, "name"),
            since=text(site, "since", TIME),
            next=None if announced is None else announced_of(announced),
            versions=count_of(site, "the document"),
            history_url=text(site, "history"),
        )

    @property
    def words(self) -> str:
        counted = "1 version" if self.versions == 1 else f"{self.versions:,} versions"
        coming = "nothing is announced"
        if self.next is not None:
            coming = f"{self.next.commit[:12]} is announced from {said(self.next.serves_from)} on"
        return f"it says that {self.name} serves this since {said(self.since)}; {coming}; {counted} in all"


def announced_of(content: Any) -> Announced:
    announced = mapping(content, "site.next")
    return Announced(
        text(announced, "appId", APP_ID),
        text(announced, "commit", COMMIT),
        text(announced, "servesFrom", TIME),
    )


def count_of(content: Any, of: str) -> int:
    versions = content.get("versions")
    if type(versions) is not int or versions < 1:
        raise CheckFailedError(f"{of}'s versions is not a number of versions")
    return versions


def said(time: str) -> str:
    return f"{time[:10]} {time[11:19]} UTC"
