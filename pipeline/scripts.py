"""What package.json's scripts say of how a project is built."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

from pipeline.package_managers import read_json

# What deploys; and what works on resources of the author's, which an app doesn't have.
DEPLOYS = re.compile(r"\b(?:wrangler|opennextjs-cloudflare|pywrangler)\b.*\b(?:deploy|publish|upload)\b")
REMOTE = re.compile(r"--remote\b")
# OpenNext has a Next.js app built by its script `build`, and makes the Worker of that.
OPEN_NEXT, OPEN_NEXT_FOLDER = "opennextjs-cloudflare", ".open-next"

# "Environments": an argument of wrangler's, or a variable for it and for build tools.
ENVIRONMENT = re.compile(r"(?:(?:--env|(?<=\s)-e)[\s=]+|\bCLOUDFLARE_ENV=)['\"]?([\w-]+)")


def scripts_of(folder: Path) -> dict[str, str]:
    """Raises PipelineError for a package.json that can't be read."""
    found = read_json(folder / "package.json").get("scripts")
    listed = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in listed if isinstance(text, str)}


def before_deploying(scripts: dict[str, str]) -> str:
    """The commands that a project's own deployment begins with, up to the one that deploys; "" for none."""
    named = sorted((name for name in scripts if "deploy" in name), key=lambda name: name != "deploy")
    return next((found for name in named if (found := " && ".join(steps(scripts, name)))), "")


def environment_of(scripts: dict[str, str]) -> str | None:
    """The environment of the config that the script `deploy` deploys, if it names one."""
    deploys = scripts.get("deploy", "")
    found = ENVIRONMENT.search(deploys) if DEPLOYS.search(deploys) else None
    return found[1] if found else None


def steps(scripts: dict[str, str], name: str) -> list[str]:
    """Of one script, and of what package managers run before it; none unless it deploys."""
    texts = (scripts.get(f"pre{name}", ""), scripts[name])
    parts = [part.strip() for text in texts for part in text.split("&&")]
    first = list(takewhile(lambda part: not DEPLOYS.search(part), parts))
    return [part for part in first if part and not REMOTE.search(part)] if len(first) < len(parts) else []
