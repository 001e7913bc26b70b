"""Find a Chromium for the browser tests, or get one.

Chromium without windows ("headless shell"), which takes a quarter of the processor time of the whole:
the machine's own, Debian's package where this user may install it, or the build that Playwright downloads.
Where none can be had, a whole Chromium does; without that the browser tests are skipped, and this says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOWNLOADED = ROOT / ".local" / "browsers"
SHELL = "chromium-headless-shell"
# Where a whole Chromium does, the other is asked for once.
TRIED = DOWNLOADED / "tried"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL_SECONDS = 600
NONE_LINE = (
    f"NO BROWSER: the browser tests are skipped. Install Chromium (Debian: apt-get install {SHELL}), "
    "or run: .venv/bin/playwright install --only-shell chromium"
)


def find_browser() -> str | None:
    """The path of a Chromium on this machine."""
    whole = (*map(shutil.which, NAMES), *map(str, DOWNLOADED.glob("chromium-*/chrome-*/chrome")))
    return find_shell() or next(filter(None, whole), None)


def find_shell() -> str | None:
    downloaded = DOWNLOADED.glob("chromium_headless_shell-*/chrome-headless-shell-*/chrome-headless-shell")
    return shutil.which(SHELL) or next(map(str, downloaded), None)


def install_shell() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try_command("apt-get", "update", env=environment)
        options = ("--yes", "--no-install-recommends", "--no-remove")
        try_command("apt-get", "install", *options, SHELL, env=environment)
    if find_browser() is None:
        environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(DOWNLOADED)}
        try_command(
            *(sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"), env=environment
        )


def try_command(*command: str, env: dict[str, str]) -> None:
    try:
        subprocess.run(command, env=env, capture_output=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print(f"  {command[0]} took more than {INSTALL_SECONDS} s", file=sys.stderr)


def main() -> None:
    if find_shell() is None and not (find_browser() and TRIED.exists()):
        print("Getting Chromium for the browser tests (once) …", flush=True)
        install_shell()
        TRIED.parent.mkdir(parents=True, exist_ok=True)
        TRIED.touch()
    if find_browser() is None:
        print(NONE_LINE, flush=True)


if __name__ == "__main__":
    main()
