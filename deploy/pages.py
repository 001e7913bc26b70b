"""The dashboard under pages.dev: a Cloudflare Pages project that forwards to it and has its static files."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from deploy.api import Account
from deploy.configs import LOCAL, Installation, is_at
from deploy.errors import DeployError
from deploy.fingerprint import hash_of
from deploy.wrangler import Wrangler

PRODUCTION_BRANCH = "main"


@dataclass(frozen=True, slots=True)
class PagesProject:
    """That of an installation; each environment has a branch of it. Every call may raise DeployError.

    After "Pages Projects" and "Pages Deployments" of Cloudflare's API reference.
    """

    installation: Installation
    wrangler: Wrangler
    account: Account

    @property
    def _name(self) -> str:
        config = tomllib.loads((self.installation.root / "pages" / "wrangler.toml").read_text())
        return str(config["name"])

    @property
    def _branch(self) -> str:
        environment = self.installation.environment
        return PRODUCTION_BRANCH if environment == "production" else environment

    def _hash(self) -> str:
        """Looks like a commit's: a deployment is listed with its commit."""
        root = self.installation.root
        return hash_of(self._branch, root, [root / "pages", root / "dashboard" / "static"]).ljust(40, "0")

    def _domains(self) -> list[str] | None:
        """The project's, of which Cloudflare chose the first; None without a project."""
        project = self.account.result(f"pages/projects/{self._name}")
        return list(project["domains"]) if project else None

    def is_deployed(self) -> bool:
        """Whether the branch's latest deployment that succeeded has these files."""
        kind = "production" if self._branch == PRODUCTION_BRANCH else "preview"
        listed = self.account.result(f"pages/projects/{self._name}/deployments?env={kind}") or []
        commits = (commit for branch, commit in map(succeeded, listed) if branch == self._branch)
        return next(commits, None) == self._hash()

    def deploy(self) -> str:
        """Make the project if need be, and deploy; return a word about it."""
        if self._domains() is None:
            create = ("pages", "project", "create", self._name)
            self.wrangler.run(*create, "--production-branch", PRODUCTION_BRANCH, folder="pages")
        root = self.installation.root
        output = root / "pages" / "dist"
        shutil.rmtree(output, ignore_errors=True)
        shutil.copytree(root / "dashboard" / "static", output)
        for name in ("_worker.js", "_routes.json"):
            shutil.copy(root / "pages" / name, output)
        self.wrangler.run(
            *("pages", "deploy", "--project-name", self._name, "--branch", self._branch),
            *("--commit-hash", self._hash(), "--commit-message", "make deploy", "--commit-dirty=true"),
            folder="pages",
        )
        return f"deployed to the branch {self._branch}"

    def check_address(self) -> None:
        """Raise DeployError where DASHBOARD_URL leads to neither the Pages project nor the Worker itself.

        (A project whose name is taken gets another address; the one in the settings is somebody else's.)
        """
        dashboard = self.installation.dashboard
        host = urlsplit(self.installation.dashboard_url).hostname or ""
        domains = self._domains() or []
        routed = [route["pattern"].partition("/")[0] for route in dashboard.routes]
        if host in (*LOCAL, *routed) or any(is_at(host, name) for name in domains):
            return
        project = f"the Pages project {self._name} is at {', '.join(domains) or 'no address yet'}"
        raise DeployError(
            f"DASHBOARD_URL, {host}, leads nowhere: {project}. Put its address into DASHBOARD_URL"
            f" ({self.installation.dispatch.path}, {dashboard.path}), or give the Worker {host}:"
            f' routes = [{{ pattern = "{host}", custom_domain = true }}] in {dashboard.path}.'
        )


def succeeded(deployment: Mapping[str, Any]) -> tuple[str, str] | tuple[None, None]:
    """The branch and the commit of a deployment that serves or has served."""
    stage = deployment["latest_stage"]
    if (stage["name"], stage["status"]) != ("deploy", "success"):
        return None, None
    metadata = deployment["deployment_trigger"]["metadata"]
    return metadata["branch"], metadata["commit_hash"]
