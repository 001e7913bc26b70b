"""An operator's clone and their account at Cloudflare, for `make deploy` with the real wrangler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx

from deploy.configs import SECRETS
from local.cloudflare.account import CloudflareAccount
from local.plain_http import NO_CERTIFICATES
from local.staging import NODE_BIN, ROOT

ACCOUNT = "a" * 32
DOMAIN, STAGING_DOMAIN = "apps.codius.test", "apps-staging.codius.test"
FOLDERS = (
    *("billing", "dashboard", "deploy", "dispatch", "migrations", "pages", "pipeline"),
    "python_modules",
)
STEPS = [
    *("check", "database", "migrations", "namespace", "billing", "dashboard", "dispatch", "pages", "smoke"),
]


class Operator:
    """An operator's clone, whose settings are filled in, and their account."""

    def __init__(self, root: Path, account: CloudflareAccount, address: str) -> None:
        self.root, self.account, self.address = root, account, address
        for name in FOLDERS:
            # Other tests work in this checkout meanwhile: what they leave for a moment can't be copied.
            passing = shutil.ignore_patterns(".wrangler", "__pycache__")
            shutil.copytree(ROOT / name, root / name, ignore=passing)
        shutil.copy(ROOT / "wrangler.toml", root)
        for name in ("node_modules", ".venv"):
            (root / name).symlink_to(ROOT / name)
        self.change("wrangler.toml", "apps.example", DOMAIN)
        for path in ("wrangler.toml", "dashboard/wrangler.toml"):
            self.change(path, "https://codius-workers.pages.dev", address)
        self.change("dashboard/wrangler.toml", "apps.example", DOMAIN)
        self.change("dashboard/wrangler.toml", '"example"', '"Iv1.client"')
        self.change("dashboard/wrangler.toml", "example/codius-workers", "alice/codius-workers")
        self.change("dashboard/wrangler.toml", "0" * 32, ACCOUNT)

    def set_up_staging(self) -> None:
        self.change("wrangler.toml", "apps-staging.example", STAGING_DOMAIN)
        for path in ("wrangler.toml", "dashboard/wrangler.toml"):
            self.change(path, "https://staging.codius-workers.pages.dev", self.address)
        self.change("dashboard/wrangler.toml", "apps-staging.example", STAGING_DOMAIN)

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text, (path, old)
        (self.root / path).write_text(text.replace(old, new))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}",
            "CLOUDFLARE_API_BASE_URL": f"{self.address}/client/v4",
            "CLOUDFLARE_API_TOKEN": "token-of-the-operator",
            "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_LOG_PATH": str(self.root / "logs"),
        }

    def deploy(self, **settings: str) -> tuple[int, str]:
        """Run it; return its status and all it said. Every name but 127.0.0.1 leads to the local server."""
        done = subprocess.run(
            [sys.executable, "-m", "deploy"],
            cwd=self.root,
            env={
                **self.environment,
                "PYTHONPATH": str(self.root),
                "http_proxy": self.address,
                "no_proxy": "127.0.0.1",
                **settings,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=300,
        )
        assert "token-of-the-operator" not in done.stdout
        return done.returncode, done.stdout

    def put_secrets(self, *options: str) -> None:
        """One as the message says, by the real command; the others as it then asks for them."""
        first, *others = SECRETS
        self.put_secret("dashboard", first, *options)
        (script,) = self.account.workers.scripts
        url = f"{self.address}/client/v4/accounts/{ACCOUNT}/workers/scripts/{script}/secrets"
        for name in others:
            secret = {"name": name, "text": "the value of a secret", "type": "secret_text"}
            headers = {"authorization": "Bearer token-of-the-operator"}
            httpx.put(url, json=secret, headers=headers, verify=NO_CERTIFICATES).raise_for_status()

    def put_secret(self, worker: str, name: str, *options: str) -> None:
        done = subprocess.run(
            [
                *(self.root / "node_modules" / ".bin" / "wrangler", "secret", "put", name),
                *("--config", f"{worker}/wrangler.toml", *options),
            ],
            cwd=self.root,
            env=self.environment,
            input="the value of a secret",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def is_done(self, step: str, **settings: str) -> bool:
        """Run a single step; return whether there was nothing to do."""
        status, output = self.deploy(STEP=step, **settings)
        assert status == 0, output
        return "nothing to do" in lines_of(output)[step]

    def take_changes(self) -> list[str]:
        changes = list(self.account.changes.made)
        self.account.changes.made.clear()
        return changes


def lines_of(output: str) -> dict[str, str]:
    """What was said of each step."""
    words = [line.split(maxsplit=1) for line in output.splitlines() if line.startswith("  ")]
    return {parts[0]: parts[1] for parts in words if parts[0] in STEPS}
