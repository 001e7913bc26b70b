"""`make dev`: the whole system on one machine, on one port, with no account anywhere.

Starts the stand-ins and, in one workerd, the product's three Workers with the local front and dispatch
namespace; deploys an example in the first run; follows changes of the Workers' files; ends when told to.

Settings, from the environment: PORT (default 8787) and STATE_DIR (default .local/state), which holds
everything that outlives a run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from local.stack import Stack, StackError

ROOT = Path(__file__).resolve().parent.parent


def port_setting() -> int:
    value = os.environ.get("PORT") or "8787"
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise StackError(f"PORT must be a number from 1 to 65535; it is {value!r}.")
    return int(value)


def state_setting() -> Path:
    return Path(os.environ.get("STATE_DIR") or ROOT / ".local" / "state").resolve()


async def run() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with Stack(port_setting(), state_setting()) as stack:
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
