"""Read what `wrangler deploy --outfile` writes: the very form that it would upload.

The form is multipart/form-data as in "Multipart upload metadata" of the Workers documentation: a part
`metadata`, and a part for each module with its name and type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PipelineError

SOURCE_MAP = "application/source-map"
# What a multipart name escapes (the HTML standard's "multipart/form-data encoding algorithm").
ESCAPES = {"%22": '"', "%0A": "\n", "%0D": "\r"}
NAME = re.compile(rb'[; ]name="([^"]*)"')
TYPE = re.compile(rb"(?i)^content-type: *([^;\r\n]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the form; `content_type` is "" where none is given."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class UploadForm:
    """`modules` are in the order of the form, without source maps."""

    metadata: Mapping[str, Any]
    modules: tuple[Part, ...]

    @classmethod
    def parse(cls, form: bytes) -> UploadForm:
        """Raises PipelineError when it isn't such a form, or has no module that is the main one."""
        parts = parse_parts(form)
        metadata = next((part.content for part in parts if part.name == "metadata"), b"")
        try:
            settings = json.loads(metadata)
        except ValueError:
            raise PipelineError("wrangler wrote an upload without metadata.") from None
        if sum(part.name == "metadata" for part in parts) > 1:
            raise PipelineError("The Worker has a module called metadata, which no module can be called.")
        modules = tuple(part for part in parts if part.name != "metadata" and part.content_type != SOURCE_MAP)
        if "main_module" not in settings:
            raise PipelineError(
                "The Worker has the service worker format. It must be a module: export default { fetch }."
            )
        return cls(settings, modules)


def parse_parts(form: bytes) -> list[Part]:
    """The parts of a multipart form that begins with its boundary. Raises PipelineError for another."""
    return [part_of(section) for section in sections(form)]


def sections(form: bytes) -> list[bytes]:
    """What is between the boundaries; the first line is one."""
    boundary, line_end, _ = form.partition(b"\r\n")
    if not boundary.startswith(b"--") or not line_end:
        raise PipelineError("An upload is not a multipart form.")
    first, *found, last = (b"\r\n" + form).split(b"\r\n" + boundary)
    if first or last.strip() != b"--":
        raise PipelineError("An upload is cut off.")
    return [section.removeprefix(b"\r\n") for section in found]


def part_of(section: bytes) -> Part:
    headers, _, content = section.partition(b"\r\n\r\n")
    name, kind = NAME.search(headers), TYPE.search(headers)
    if name is None:
        raise PipelineError("An upload has a part without a name.")
    text = name[1].decode(errors="replace")
    for escape, character in ESCAPES.items():
        text = text.replace(escape, character)
    content_type = kind[1].decode(errors="replace").strip() if kind else ""
    # Wrangler calls what it collects while bundling "./<hash>-<name>"; imports find it without "./", too.
    return Part(text.removeprefix("./"), content_type, content)
