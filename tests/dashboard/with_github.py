"""A site beside the local GitHub, in one process, with real git repositories."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx

from local.github.repositories import ENVIRONMENT
from local.github.server import GitHub, GitHubSettings
from local.sigstore.authority import Authority
from tests.dashboard.dashboard_site import DASHBOARD, GITHUB, SECRETS, VARIABLES, Site, Visitor

WORKFLOW = """
name: Deploy
run-name: Deploy ${{ inputs.appId }}
on:
  workflow_dispatch:
    inputs:
      appId: {type: string, required: true}
      repo: {type: string, required: true}
      commit: {type: string, required: true}
      ref: {type: string, required: true}
      directory: {type: string, required: false}
      dispatchNamespace: {type: string, required: true}
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: |
          if test "${{ inputs.directory }}" = broken; then
            echo "::error::The <b>entry</b> is missing.%0AIt has no & main."
            exit 1
          fi
  deploy:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - run: "true"
"""
WRANGLER = 'name = "hello"\nmain = "index.js"\ncompatibility_date = "2026-11-01"\n'
MODULE = 'export default { fetch: () => new Response("hello") };\n'


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def make_repository(folder: Path) -> Path:
    """A git repository of Workers; its commits are on branches, on tags, and one on a tag alone."""
    for directory in (".", "api", "broken", "docs"):
        (folder / directory).mkdir(parents=True, exist_ok=True)
        (folder / directory / "index.js").write_text(MODULE)
        if directory != "docs":
            (folder / directory / "wrangler.toml").write_text(WRANGLER)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "first")
    git(folder, "tag", "v1")
    git(folder, "tag", "--annotate", "v1-annotated", "--message", "one")
    commit(folder, "second")
    git(folder, "checkout", "--quiet", "-b", "feature/login")
    commit(folder, "third")
    git(folder, "branch", "feature/login-2", "main")
    commit(folder, "left behind")
    git(folder, "tag", "left-behind")
    git(folder, "reset", "--quiet", "--hard", "HEAD^")
    git(folder, "checkout", "--quiet", "main")
    return folder


def commit(folder: Path, message: str) -> None:
    (folder / "message").write_text(message)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


@asynccontextmanager
async def site_and_github(folder: Path) -> AsyncIterator[tuple[Site, GitHub]]:
    """GitHub has `alice/hello`, from that folder, and the workflow above; it tells of nothing by itself."""
    checkout = folder / "checkout"
    (checkout / ".github" / "workflows").mkdir(parents=True)
    (checkout / ".github" / "workflows" / "deploy-worker.yml").write_text(WORKFLOW)
    settings = GitHubSettings(
        origin=GITHUB,
        dashboard=DASHBOARD,
        callback_url=f"{DASHBOARD}/login/github/callback",
        hook_url=f"{DASHBOARD}/webhooks/github",
        hook_host="dashboard.example",
        repository=VARIABLES["GITHUB_REPOSITORY"],
        checkout=checkout,
        authority=Authority(folder / "sigstore"),
        client_id=VARIABLES["GITHUB_CLIENT_ID"],
        client_secret=SECRETS["GITHUB_CLIENT_SECRET"],
        token=SECRETS["GITHUB_TOKEN"],
        webhook_secret=SECRETS["GITHUB_WEBHOOK_SECRET"],
        workflow_secrets={},
        workflow_variables={},
    )
    github = GitHub(settings, folder / "state", {"alice/hello": make_repository(folder / "hello")})
    github.webhook.is_paused = True
    await github.start()
    try:
        yield Site({GITHUB: github.application()}), github
    finally:
        await github.stop()


def with_github(folder: Path, work: Callable[[Site, GitHub], Awaitable[None]]) -> None:
    async def run() -> None:
        async with site_and_github(folder) as (site, github):
            await work(site, github)

    asyncio.run(run())


async def begin_login(visitor: Visitor, path: str = "/login/github") -> dict[str, str]:
    """Go as far as GitHub's page; return the parameters that it was given."""
    response = await visitor.get(path)
    assert response.status_code == 302
    address = urlsplit(response.headers["location"])
    assert response.headers["location"].startswith(f"{GITHUB}/login/oauth/authorize?")
    return dict(parse_qsl(address.query))


async def authorize(github: GitHub, parameters: dict[str, str], login: str) -> str:
    """Pick a user at GitHub ('' cancels); return where GitHub sends the browser, without the host."""
    form = {name: parameters.get(name, "") for name in ("redirect_uri", "state", "code_challenge")}
    transport = httpx.ASGITransport(github.application())
    async with httpx.AsyncClient(transport=transport, base_url=GITHUB) as client:
        response = await client.post("/login/oauth/authorize", data={**form, "login": login})
    assert response.status_code == 302
    location: str = response.headers["location"]
    assert location.startswith(DASHBOARD)
    return location.removeprefix(DASHBOARD)
