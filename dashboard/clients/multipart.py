"""Hash the parts of a multipart body as they come: modules may be larger than this Worker's memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from python_multipart.multipart import MultipartParser


class NotMultipartError(Exception):
    """The body is not what its headers say."""


@dataclass(slots=True)
class Part:
    """`content_type` is "" where none is given, `sha256` in hexadecimal digits once the part has ended."""

    name: str = ""
    content_type: str = ""
    sha256: str = ""


@dataclass(slots=True)
class HashingParser:
    """Takes a body piece by piece; `parts` are those that have ended."""

    boundary: bytes
    parts: list[Part] = field(default_factory=list)
    _part: Part = field(default_factory=Part)
    _hash: Any = None
    _header: tuple[bytearray, bytearray] = field(default_factory=lambda: (bytearray(), bytearray()))
    _parser: MultipartParser = field(init=False)

    def __post_init__(self) -> None:
        self._parser = MultipartParser(
            self.boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_part_data": lambda data, start, end: self._hash.update(data[start:end]),
                "on_part_end": self._end,
            },
        )

    def write(self, piece: bytes) -> None:
        """Raises NotMultipartError."""
        try:
            self._parser.write(piece)
        except ValueError as error:
            raise NotMultipartError(str(error)) from error

    def _begin(self) -> None:
        self._part, self._hash = Part(), hashlib.sha256()

    def _end_header(self) -> None:
        name, value = (bytes(part).decode(errors="replace") for part in self._header)
        self._header = (bytearray(), bytearray())
        if name.lower() == "content-disposition":
            self._part.name = parameter(value, "name")
        elif name.lower() == "content-type":
            self._part.content_type = value.partition(";")[0].strip().lower()

    def _end(self) -> None:
        self._part.sha256 = self._hash.hexdigest()
        self.parts.append(self._part)


def parameter(header: str, name: str) -> str:
    """A parameter of a header such as `form-data; name="index.js"`, "" where it isn't there."""
    message = Message()
    message["content-type"] = header
    value = message.get_param(name, "")
    return value if isinstance(value, str) else value[2]
