"""The objects of GitHub's REST API and webhooks, with every field that their description requires."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from local.github.accounts import Account, owner_of
from local.github.repositories import Commit, Entry, Repository

Json = dict[str, Any]
EPOCH = "2026-01-01T00:00:00Z"
REPOSITORY_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
COUNTS = (
    "forks_count",
    "stargazers_count",
    "watchers_count",
    "size",
    "open_issues_count",
    "subscribers_count",
)
MORE_COUNTS = ("network_count", "forks", "open_issues", "watchers")
FEATURES = (
    "has_downloads",
    "has_issues",
    "has_projects",
    "has_wiki",
    "has_pages",
    "has_discussions",
    "archived",
    "disabled",
)


@dataclass(frozen=True, slots=True)
class Payloads:
    """`web` is the address of GitHub's pages, `api` that of its API."""

    web: str
    api: str

    def user(self, account: Account) -> Json:
        url = f"{self.api}/users/{account.login}"
        links = {name: url + path for name, path in USER_LINKS.items()}
        return {
            "login": account.login,
            "id": account.id,
            "node_id": node_id("User", account.id),
            "avatar_url": f"{self.web}/avatars/u/{account.id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{account.login}",
            **links,
            "type": "User",
            "site_admin": False,
        }

    def public_user(self, account: Account) -> Json:
        unknown = dict.fromkeys(("company", "location", "email", "hireable", "bio"))
        counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
        dates = {"created_at": EPOCH, "updated_at": EPOCH}
        return {**self.user(account), "name": account.name, "blog": "", **unknown, **counts, **dates}

    def minimal_repository(self, repository: Repository) -> Json:
        name = repository.full_name
        url = f"{self.api}/repos/{name}"
        return {
            "id": repository.id,
            "node_id": node_id("Repository", repository.id),
            "name": name.partition("/")[2],
            "full_name": name,
            "owner": self.user(owner_of(name)),
            "private": repository.is_private,
            "html_url": f"{self.web}/{name}",
            "description": None,
            "fork": False,
            "url": url,
            **{link: url + path for link, path in REPOSITORY_LINKS.items()},
        }

    def repository(self, repository: Repository) -> Json:
        clone_url = f"{self.web}/{repository.full_name}.git"
        return {
            **self.minimal_repository(repository),
            "default_branch": repository.default_branch,
            "visibility": "private" if repository.is_private else "public",
            "git_url": clone_url,
            "ssh_url": clone_url,
            "clone_url": clone_url,
            "svn_url": f"{self.web}/{repository.full_name}",
            **dict.fromkeys(("mirror_url", "homepage", "language", "license")),
            **dict.fromkeys((*COUNTS, *MORE_COUNTS), 0),
            **dict.fromkeys(FEATURES, False),
            **dict.fromkeys(("pushed_at", "created_at", "updated_at"), EPOCH),
        }

    def ref(self, repository: Repository, ref: str, kind: str, sha: str) -> Json:
        url = f"{self.api}/repos/{repository.full_name}/git"
        target = {"type": kind, "sha": sha, "url": f"{url}/{kind}s/{sha}"}
        return {"ref": ref, "node_id": node_id("Ref", ref), "url": f"{url}/{ref}", "object": target}

    def commit(self, repository: Repository, commit: Commit) -> Json:
        url = f"{self.api}/repos/{repository.full_name}"
        html_url = f"{self.web}/{repository.full_name}/commit"
        person = {"name": "Local GitHub", "email": "github@localhost", "date": commit.date}
        return {
            "url": f"{url}/commits/{commit.sha}",
            "sha": commit.sha,
            "node_id": node_id("Commit", commit.sha),
            "html_url": f"{html_url}/{commit.sha}",
            "comments_url": f"{url}/commits/{commit.sha}/comments",
            "commit": {
                "url": f"{url}/git/commits/{commit.sha}",
                "author": person,
                "committer": person,
                "message": commit.message,
                "comment_count": 0,
                "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
            },
            "author": None,
            "committer": None,
            "parents": [
                {"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{html_url}/{sha}"}
                for sha in commit.parents
            ],
        }

    def simple_commit(self, commit: Commit) -> Json:
        person = {"name": "Local GitHub", "email": "github@localhost"}
        return {
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": commit.date,
            "author": person,
            "committer": person,
        }

    def comparison(self, repository: Repository, base: Commit, head: Commit) -> Json:
        ahead, behind = repository.distance(base.sha, head.sha)
        status = ("diverged" if behind else "ahead") if ahead else ("behind" if behind else "identical")
        path = f"{repository.full_name}/compare/{base.sha}...{head.sha}"
        return {
            "url": f"{self.api}/repos/{path}",
            "html_url": f"{self.web}/{path}",
            "permalink_url": f"{self.web}/{path}",
            "diff_url": f"{self.web}/{path}.diff",
            "patch_url": f"{self.web}/{path}.patch",
            "base_commit": self.commit(repository, base),
            "merge_base_commit": self.commit(repository, base),
            "status": status,
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": ahead,
            "commits": [],
        }

    def tree(self, repository: Repository, commit: Commit, entries: list[Entry], most: int) -> Json:
        git = f"{self.api}/repos/{repository.full_name}/git"
        listed = []
        for entry in entries[:most]:
            item: Json = {"path": entry.name, "mode": entry.mode, "type": entry.kind, "sha": entry.sha}
            sized = {"size": entry.size} if entry.kind == "blob" else {}
            linked = {} if entry.kind == "commit" else {"url": f"{git}/{entry.kind}s/{entry.sha}"}
            listed.append(item | sized | linked)
        return {
            "sha": commit.sha,
            "url": f"{git}/trees/{commit.sha}",
            "tree": listed,
            "truncated": len(entries) > most,
        }

    def entry(self, repository: Repository, commit: str, directory: str, entry: Entry) -> Json:
        """One entry of a directory, as the contents API lists it."""
        path = f"{directory}/{entry.name}".strip("/")
        url = f"{self.api}/repos/{repository.full_name}/contents/{path}?ref={commit}"
        git_kind = "trees" if entry.kind == "tree" else "blobs"
        git_url = f"{self.api}/repos/{repository.full_name}/git/{git_kind}/{entry.sha}"
        page = "tree" if entry.kind == "tree" else "blob"
        html_url = f"{self.web}/{repository.full_name}/{page}/{commit}/{path}"
        return {
            "type": kind_of(entry),
            "size": entry.size,
            "name": entry.name,
            "path": path,
            "sha": entry.sha,
            "url": url,
            "git_url": git_url,
            "html_url": html_url,
            "download_url": None if entry.kind == "tree" else html_url.replace("/blob/", "/raw/"),
            "_links": {"self": url, "git": git_url, "html": html_url},
        }

    def file(self, repository: Repository, commit: str, path: str, entry: Entry, content: bytes) -> Json:
        directory = path.rpartition("/")[0]
        text = base64.encodebytes(content).decode()
        return {
            **self.entry(repository, commit, directory, entry),
            "encoding": "base64",
            "content": text,
        }


def kind_of(entry: Entry) -> str:
    if entry.mode == "120000":
        return "symlink"
    return {"tree": "dir", "blob": "file"}.get(entry.kind, "submodule")


def node_id(kind: str, identity: object) -> str:
    return base64.b64encode(f"{kind}:{identity}".encode()).decode()
