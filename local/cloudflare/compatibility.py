"""Compatibility dates and flags, as the pinned workerd knows them."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path

from local.cloudflare.answers import ApiError
from local.python_runtime import workerd

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FLAG = re.compile(r"[a-z0-9_]{1,100}")
TIMEOUT_SECONDS = 60
CONFIG = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "upload", worker = (
  modules = [(name = "index.js", esModule = "export default {};")],
  compatibilityDate = %s, compatibilityFlags = %s))]);
"""
# What it says that is no error at Cloudflare: a build of workerd knows no date after its own.
HARMLESS = ("became the default as of", "newest date supported by this server binary")
EXPERIMENTAL = "is experimental and may break"


async def check_compatibility(date: str, flags: list[str]) -> None:
    """Refuse a date in the future, a flag that isn't known, and one that only a development build has."""
    if not DATE.fullmatch(date):
        raise ApiError(400, 10021, f"Invalid compatibility date: {date!r}.")
    for flag in flags:
        if not FLAG.fullmatch(flag):
            raise ApiError(400, 10021, f"No such compatibility flag: {flag}")
    problems = await problems_of(date, flags)
    if problems:
        raise ApiError(400, 10021, problems[0])


async def problems_of(date: str, flags: list[str]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.capnp"
        config.write_text(CONFIG % (json.dumps(date), json.dumps(flags)))
        process = await asyncio.create_subprocess_exec(
            workerd(), "test", config, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            _, output = await asyncio.wait_for(process.communicate(), TIMEOUT_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
    said = re.findall(r"^service upload: (.*)$", output.decode(errors="replace"), re.MULTILINE)
    return [words_of(line) for line in said if not any(part in line for part in HARMLESS)]


def words_of(line: str) -> str:
    """What Cloudflare says in place of the advice to run an experimental workerd."""
    before, found, _ = line.partition(EXPERIMENTAL)
    refused = "is experimental and cannot yet be used in Workers deployed to Cloudflare."
    return before + refused if found else line
