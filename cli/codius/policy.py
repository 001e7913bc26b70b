"""A policy file, `codius.toml`: what the visitor requires of many apps, by the command line's own names.

    signer-repo = "operator/platform"

    [[app]]
    url = "https://<id>.<apps domain>"
    source = "alice/hello"

What stands before the apps holds for each that says nothing else.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from codius.errors import UncheckableError
from codius.saved import read_content

TEXTS = ("signer-repo", "signer-commit", "source", "commit", "ref", "dashboard", "cloudflare-api")
SWITCHES = ("trust-any-signer", "rebuild", "history", "require-cloudflare")
MAX_APPS = 1_000


class PolicyError(Exception):
    """The file asks for what there isn't; the message names the place."""


def read_policy(path: Path) -> list[list[str]]:
    """The command line of each app. Raises PolicyError."""
    try:
        policy = tomllib.loads(read_content(path).decode("utf-8-sig"))
    except UncheckableError as error:
        raise PolicyError(str(error)) from error
    except ValueError as error:  # of TOML, and of UTF-8
        raise PolicyError(f"{path} is not TOML: {error}") from error
    apps = policy.pop("app", [])
    if not isinstance(apps, list) or not 1 <= len(apps) <= MAX_APPS:
        raise PolicyError(
            f"{path} names no apps, or more than {MAX_APPS:,}: each is a table [[app]] with its url"
        )
    return [command_line(policy, app, f"{path}, app {number}") for number, app in enumerate(apps, 1)]


def command_line(policy: dict[str, Any], app: Any, place: str) -> list[str]:
    if not isinstance(app, dict) or not isinstance(app.get("url"), str):
        raise PolicyError(f"{place} has no url")
    arguments = []
    for name, value in {**policy, **app}.items():
        if name == "url":
            continue
        if name in TEXTS and isinstance(value, str):
            arguments.append(f"--{name}={value}")
        elif name in SWITCHES and isinstance(value, bool):
            arguments += [f"--{name}"] if value else []
        else:
            known = ", ".join(("url", *TEXTS, *SWITCHES))
            raise PolicyError(
                f"{place}: {name} is not known, or its value isn't of its kind; known are {known}"
            )
    return ["verify", *arguments, "--", app["url"]]


class AppParser(argparse.ArgumentParser):
    """Raises PolicyError for what an app's table says wrong."""

    def error(self, message: str) -> Any:
        raise PolicyError(message)
