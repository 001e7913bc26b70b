"""`make deploy`: bring the installation of one environment to what this repository says.

    ENV=production|staging  the environment; production is the default
    DRY_RUN=1               only say what would be done
    STEP=<name>             only this step

It does what isn't done, by plain wrangler commands; a second run does nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from deploy.configs import ENVIRONMENTS, Installation
from deploy.errors import DeployError
from deploy.steps import Step, Steps

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    name = os.environ.get("ENV") or "production"
    environment = next((known for known in ENVIRONMENTS if known == name), None)
    if environment is None:
        print(f"ENV must be one of {', '.join(ENVIRONMENTS)}, not {name!r}.", file=sys.stderr)
        return 2
    installation = Installation(ROOT, environment)
    # Set by deploy.attested alone: what was signed of each Worker.
    messages = json.loads(os.environ.get("ATTESTED") or "{}")
    wanted, steps = os.environ.get("STEP"), Steps(installation, messages)
    if wanted and wanted not in {step.name for step in steps}:
        print(f"STEP must be one of {', '.join(step.name for step in steps)}.", file=sys.stderr)
        return 2
    is_dry = os.environ.get("DRY_RUN", "") not in ("", "0")
    print(f"{'What would be done' if is_dry else 'Deploying'} ({environment}):", flush=True)
    try:
        for step in steps:
            if wanted in (None, "", step.name):
                take(step, is_dry)
    except DeployError as error:
        print(f"\n\n{error}\n\nNo later step was run. Fix it and run it again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; run it again to go on.", file=sys.stderr)
        return 130
    finally:
        for warning in steps.warnings:
            print(f"\n{warning}", flush=True)
    if not messages:
        print("\nWhat this deploys from a clone visitors can't check (docs/operating.md).")
    print(f"\n  Dashboard  {installation.dashboard_url}")
    print(f"  Apps       https://<id>.{installation.dispatch.variables['APPS_DOMAIN']}")
    return 0


def take(step: Step, is_dry: bool) -> None:
    print(f"  {step.name:<12}{step.title:<36}", end="", flush=True)
    began = time.monotonic()
    if step.is_done():
        print("nothing to do", flush=True)
    elif is_dry and step.name != "check":
        print("would be done", flush=True)
    else:
        word = step.do()
        print(f"{time.monotonic() - began:5.1f} s  {word}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
