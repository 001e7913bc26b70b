"""A check in a file: what was asked and answered, and the roots of trust, so that it can be repeated alone.

It is JSON: `savedAt`, `url`, `answers` (each with `url`, `status`, and its body as `json` or in `base64`),
and `trustedRoots`. What it says of Cloudflare is as of that time.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codius.errors import UncheckableError
from codius.jsontext import parse, read_json
from codius.web import Answer, Wanted, Web

FORM = "codius.check.v1"
TIME = "%Y-%m-%dT%H:%M:%SZ"
MAX_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class SavedWeb(Web):
    """Answers as a file has them, each address's in their order, the last one again; asks nobody."""

    place: str = ""
    rest: dict[str, list[Answer]] = field(default_factory=dict)

    def ask(self, url: str, redirects: int, wanted: Wanted) -> Answer:
        known = self.rest.get(url)
        if not known:
            raise UncheckableError(f"{self.place} has no answer of {url}, and nobody is asked")
        return known.pop(0) if len(known) > 1 else known[0]


@dataclass(frozen=True, slots=True)
class SavedCheck:
    """`roots` are the trusted roots, each as JSON."""

    path: Path
    saved_at: datetime
    url: str
    answers: list[tuple[str, Answer]]
    roots: list[str]

    def web(self) -> SavedWeb:
        rest: dict[str, list[Answer]] = {}
        for url, answer in self.answers:
            rest.setdefault(url, []).append(answer)
        return SavedWeb(self.url, place=str(self.path), rest=rest)

    @classmethod
    def of(cls, path: Path, content: Any) -> SavedCheck | None:
        """The check that a file's content is, None if it is something else. Raises UncheckableError."""
        if not isinstance(content, dict) or content.get("form") != FORM:
            return None
        try:
            return cls(
                path=path,
                saved_at=datetime.strptime(content["savedAt"], TIME).replace(tzinfo=UTC),
                url=str(content["url"]),
                answers=[(str(item["url"]), answer_of(item)) for item in content["answers"]],
                roots=[json.dumps(root) for root in content["trustedRoots"]],
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UncheckableError(f"{path} is no whole check: {error!r} in it") from error


def answer_of(item: Any) -> Answer:
    body = json.dumps(item["json"]).encode() if "json" in item else base64.b64decode(item["base64"])
    return Answer(int(item["status"]), body, {str(k): str(v) for k, v in item["headers"].items()})


def read_content(path: Path) -> bytes:
    """Raises UncheckableError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UncheckableError(f"{path} can't be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise UncheckableError(f"{path} has more than {MAX_BYTES:,} bytes")
    return content


def save(path: Path, url: str, answers: list[tuple[str, Answer]], roots: list[str]) -> None:
    """Write a check. Raises OSError."""
    content = {
        "form": FORM,
        "savedAt": datetime.now(UTC).strftime(TIME),
        "url": url,
        "answers": [described(address, answer) for address, answer in answers],
        "trustedRoots": [read_json(root, "a root of trust") for root in roots],
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def described(url: str, answer: Answer) -> dict[str, Any]:
    content = parse(answer.body)
    body = {"base64": base64.b64encode(answer.body).decode()} if content is None else {"json": content}
    return {"url": url, "status": answer.status, "headers": dict(answer.headers), **body}
