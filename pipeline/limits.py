"""What Cloudflare takes of a Worker: "Limits" of the Workers documentation.

They are checked in the build: what is refused only when it is uploaded has been signed by then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.errors import PipelineError

MIB = 1024 * 1024
MAX_BYTES = 64 * MIB  # uncompressed, on every plan
MAX_VARIABLES = 128
MAX_VARIABLE_BYTES = 5 * 1024
# What is nested deeper the dashboard doesn't read (`dashboard/model/json_text.py`), and could not check.
MAX_VARIABLE_DEPTH = 50
NAMED = 5


def require_size(modules: Mapping[str, bytes]) -> None:
    """Raise PipelineError, which names the largest, for modules that are too large together."""
    sizes = {name: len(content) for name, content in modules.items()}
    total = sum(sizes.values())
    if total <= MAX_BYTES:
        return
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:NAMED]
    named = ", ".join(f"{name} ({in_mib(sizes[name])})" for name in largest)
    raise PipelineError(
        f"The Worker has {total:,} bytes in {len(sizes):,} modules and static files; "
        f"Cloudflare takes {MAX_BYTES:,} (64 MiB, uncompressed). The largest: {named}."
    )


def require_variables(variables: Mapping[str, Any]) -> None:
    """Raise PipelineError for more variables, or a longer or deeper one, than a Worker may have."""
    if len(variables) > MAX_VARIABLES:
        raise PipelineError(f"The Worker has {len(variables):,} variables; Cloudflare takes {MAX_VARIABLES}.")
    for name, value in variables.items():
        if is_deeper(value, MAX_VARIABLE_DEPTH):
            raise PipelineError(
                f"The variable {name} has lists and objects in one another, more than {MAX_VARIABLE_DEPTH} "
                "levels: make it flatter, or a text."
            )
        text = (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        )
        size = len(text.encode(errors="replace"))
        if size > MAX_VARIABLE_BYTES:
            raise PipelineError(
                f"The variable {name} has {size:,} bytes; Cloudflare takes {MAX_VARIABLE_BYTES:,}."
            )


def is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are in one another on more levels."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return items is not None and (levels == 0 or any(is_deeper(item, levels - 1) for item in items))


def in_mib(size: int) -> str:
    return f"{size / MIB:,.1f} MiB"
