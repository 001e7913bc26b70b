"""Find a Chromium for the browser tests, or get one.

The machine's own where there is one; else Debian's package, where this user may install it; else the
build that Playwright downloads. Where none can be had the browser tests are skipped, and this says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOWNLOADED = ROOT / ".local" / "browsers"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_SECONDS = 600
NONE_LINE = (
    "NO BROWSER: the browser tests are skipped. Install Chromium (Debian: apt-get install chromium), "
    "or run: .venv/bin/playwright install chromium"
)


def find_browser() -> str | None:
    """The path of a Chromium on this machine."""
    on_path = (shutil.which(name) for name in NAMES)
    downloaded = (str(path) for path in DOWNLOADED.glob("chromium-*/chrome-*/chrome"))
    return next((path for path in (*on_path, *downloaded) if path), None)


def install_browser() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try_command("apt-get", "update", env=environment)
        try_command("apt-get", "install", "--yes", "--no-install-recommends", "chromium", env=environment)
    if find_browser() is None:
        environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(DOWNLOADED)}
        try_command(sys.executable, "-m", "playwright", "install", "chromium", env=environment)


def try_command(*command: str, env: dict[str, str]) -> None:
    try:
        subprocess.run(command, env=env, capture_output=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print(f"  {command[0]} took more than {INSTALL_SECONDS} s", file=sys.stderr)


def main() -> None:
    if find_browser() is None:
        print("Getting Chromium for the browser tests (once) …", flush=True)
        install_browser()
    if find_browser() is None:
        print(NONE_LINE, flush=True)


if __name__ == "__main__":
    main()
