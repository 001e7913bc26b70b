"""A Worker's modules as Cloudflare's API returns them: each is hashed as it comes, however large all are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from python_multipart.multipart import MultipartParser

MAX_PARTS = 10_000


@dataclass(slots=True)
class Hashing:
    """Takes a form piece by piece; `modules` are those that have ended: name, type ("" for none), digest."""

    boundary: bytes
    modules: list[dict[str, str]] = field(default_factory=list)
    _hash: Any = None
    _headers: dict[str, str] = field(default_factory=dict)
    _name: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)

    def read(self, pieces: Iterable[bytes]) -> None:
        """Raises ValueError for what is no form, or cut off."""
        is_whole = []
        parser = MultipartParser(
            self.boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_part_data": lambda data, start, end: self._hash.update(data[start:end]),
                "on_part_end": self._end,
                "on_end": lambda: is_whole.append(True),
            },
        )
        for piece in pieces:
            parser.write(piece)
        if not is_whole:
            raise ValueError("the form is cut off")

    def _begin(self) -> None:
        if len(self.modules) >= MAX_PARTS:
            raise ValueError(f"the form has more than {MAX_PARTS:,} parts")
        self._hash, self._headers = hashlib.sha256(), {}

    def _end_header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode(errors="replace")
        self._name, self._value = bytearray(), bytearray()

    def _end(self) -> None:
        self.modules.append(
            {
                "name": parameter(self._headers.get("content-disposition", ""), "name"),
                "type": self._headers.get("content-type", "").partition(";")[0].strip().lower(),
                "sha256": self._hash.hexdigest(),
            }
        )


def digests_of(content_type: str, entry: str, pieces: Iterable[bytes]) -> bytes:
    """The modules of an answer, as JSON in the manifest's words. Raises ValueError."""
    if content_type.startswith("multipart/"):
        hashing = Hashing(parameter(content_type, "boundary").encode())
        hashing.read(pieces)
        return json.dumps(hashing.modules).encode()
    single = hashlib.sha256()
    for piece in pieces:
        single.update(piece)
    return json.dumps([{"name": entry, "type": "", "sha256": single.hexdigest()}]).encode()


def parameter(header: str, name: str) -> str:
    """A parameter of a header such as `form-data; name="index.js"`, "" where it isn't there."""
    message = Message()
    message["content-type"] = header
    value = message.get_param(name, "")
    return value if isinstance(value, str) else value[2]
