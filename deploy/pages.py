"""The dashboard under pages.dev: a Cloudflare Pages project that forwards to it and has its static files."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from deploy.configs import LOCAL, Installation, is_at
from deploy.errors import DeployError
from deploy.fingerprint import hash_of
from deploy.wrangler import Wrangler

COMMIT_SHOWN = 7  # of a deployment's commit, in wrangler's list
# What wrangler's list shows in place of the time at which a deployment succeeded.
NOT_SUCCEEDED = {"Idle", "Active", "Failure", "Canceled", "Skipped"}


@dataclass(frozen=True, slots=True)
class PagesProject:
    """That of an installation; each environment has a branch of it. Every call may raise DeployError."""

    installation: Installation
    wrangler: Wrangler

    @property
    def _name(self) -> str:
        config = tomllib.loads((self.installation.root / "pages" / "wrangler.toml").read_text())
        return str(config["name"])

    @property
    def _branch(self) -> str:
        return "main" if self.installation.environment == "production" else self.installation.environment

    def _hash(self) -> str:
        """Looks like a commit's, as wrangler shows it in the list of deployments."""
        root = self.installation.root
        return hash_of(self._branch, root, [root / "pages", root / "dashboard" / "static"]).ljust(40, "0")

    def _domains(self) -> list[str] | None:
        """The project's, of which Cloudflare chose the first; None without a project."""
        for item in self.wrangler.json("pages", "project", "list", "--json"):
            if item["Project Name"] == self._name:
                return str(item["Project Domains"]).split(", ")
        return None

    def is_deployed(self) -> bool:
        """Whether the branch's latest deployment that succeeded has these files."""
        if self._domains() is None:
            return False
        listed = self.wrangler.json("pages", "deployment", "list", "--project-name", self._name, "--json")
        ours = (item for item in listed if item.get("Branch") == self._branch and has_succeeded(item))
        latest: dict[str, str] = next(ours, {})
        return str(latest.get("Source", "")).startswith(self._hash()[:COMMIT_SHOWN])

    def deploy(self) -> str:
        """Make the project if need be, and deploy; return a word about it."""
        if self._domains() is None:
            self.wrangler.run(
                "pages", "project", "create", self._name, "--production-branch", "main", folder="pages"
            )
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


def has_succeeded(deployment: Mapping[str, str]) -> bool:
    return deployment.get("Status") not in NOT_SUCCEEDED
