"""Load on one port, from autocannon in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Load
from local.processes import ProcessGroup
from local.staging import ROOT

NODE = ROOT / ".venv" / "bin" / "node"
SCRIPT = ROOT / "bench" / "load.mjs"
GRACE_SECONDS = 90  # beyond the time that it was given, however busy the machine is

# What a browser sends and what Cloudflare adds to it.
HEADERS = {
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-encoding": "gzip, br",
    "cdn-loop": "cloudflare; loops=1",
    "cf-connecting-ip": "203.0.113.7",
    "cf-ipcountry": "NL",
    "cf-ray": "9a1f0c2d3e4b5a69-AMS",
    "cf-visitor": '{"scheme":"https"}',
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
}


class LoadError(Exception):
    """The load could not be put on, or not every answer was the app's."""


async def put(
    folder: Path, port: int, hosts: Sequence[Sequence[str]], seconds: float, once: bool = False
) -> Load:
    """A list of hosts for each connection, in turn for so long, or at most `once` through; see `load.mjs`."""
    plan = folder / "plan.json"
    asked = {"port": port, "headers": HEADERS, "hosts": hosts, "seconds": seconds, "once": once}
    plan.write_text(json.dumps(asked))
    group = await ProcessGroup.start(NODE, SCRIPT, plan, env=os.environ, cwd=ROOT)
    try:
        output, _ = await asyncio.wait_for(group.process.communicate(), seconds + GRACE_SECONDS)
    except TimeoutError:
        raise LoadError(f"the load did not end within {seconds + GRACE_SECONDS} s") from None
    finally:
        await group.stop()
    if group.process.returncode != 0:
        raise LoadError(output.decode(errors="replace").strip())
    return Load(**json.loads(output))
