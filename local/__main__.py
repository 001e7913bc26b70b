"""`make dev`: the whole system on one machine, on one port, with no account anywhere.

Starts the stand-ins and, in one workerd, the product's three Workers with the local front and dispatch
namespace; deploys an example as alice in the first run; follows changes of the Workers' files; ends when told
to.

Settings, from the environment: PORT (default 8787) and STATE_DIR (default .local/state), which holds
everything that outlives a run; DISPATCH_INSTANCES (default 1), how many instances of dispatch share the
requests; REPOSITORIES, folders separated by `:` that the local GitHub has as repositories of alice's, and
follows, to deploy them; EXAMPLE=0 for no example; and any variable of the three wrangler.toml.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from local.github.repositories import GitError, folders_setting
from local.stack import Stack, StackError

ROOT = Path(__file__).resolve().parent.parent


def number_setting(name: str, default: int, most: int) -> int:
    value = os.environ.get(name) or str(default)
    if not (value.isascii() and value.isdecimal()) or not 0 < int(value) <= most:
        raise StackError(f"{name} must be a number from 1 to {most}; it is {value!r}.")
    return int(value)


def state_setting() -> Path:
    return Path(os.environ.get("STATE_DIR") or ROOT / ".local" / "state").resolve()


async def run() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    port = number_setting("PORT", 8787, 65535)
    instances = number_setting("DISPATCH_INSTANCES", 1, 16)
    try:
        repositories = folders_setting(os.environ.get("REPOSITORIES", ""))
    except GitError as error:
        raise StackError(f"REPOSITORIES must name folders: {error}.") from error
    has_example = os.environ.get("EXAMPLE") != "0"
    async with Stack(port, state_setting(), instances, repositories, has_example) as stack:
        serving = asyncio.create_task(stack.serve())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        stopping.cancel()
        if stop.is_set():
            print("Stopping.", flush=True)
        else:
            await serving


def main() -> int:
    try:
        asyncio.run(run())
    except StackError as error:
        print(f"\nStopped: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
