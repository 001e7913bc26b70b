"""From the address of a repository, as people paste it, to one commit and directory of it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from clients.github_api import GitHubError
from clients.github_repositories import GitHubRepositories, RefKind, Repository
from hosting.repository_url import HASH, MAX_URL_LENGTH, UNPRINTABLE, RepositoryUrl, SourceError
from model.app import Source

# In the order in which wrangler looks for them.
CONFIG_NAMES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
# The config of Cloudflare's other command, which wrangler doesn't read.
CONFIG_OF_CF = "cloudflare.config.ts"
MAX_CHOICES = 20
# Packages that somebody committed bring Workers of their own.
PACKAGES = "node_modules"


class ChooseDirectoryError(SourceError):
    """The Workers are in other directories of the repository: `choices` are their paths and addresses."""

    def __init__(self, message: str, choices: list[Choice]) -> None:
        super().__init__(message)
        self.choices = choices


@dataclass(frozen=True, slots=True)
class Choice:
    directory: str
    url: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address leads: `ref` is how an address names the commit, `file` the one that was named."""

    source: Source
    ref: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What an address means now, and GitHub's id of the repository."""

    source: Source
    repository_id: int


async def resolve(text: str, github_url: str, github: GitHubRepositories) -> Found:
    """Find what an address means now. Raises SourceError, and GitHubError where GitHub can't be asked."""
    url = RepositoryUrl.parse(text, github_url)
    repository = await github.repository(url.repository)
    if repository is None:
        raise SourceError(
            f"There is no public repository “{url.repository}”. A private one can't be deployed: "
            "everyone must be able to read what runs."
        )
    is_newest = url.kind is None and url.path[:1] in ((), ("HEAD",))
    place = await (newest if is_newest else named)(repository, url, github)
    await require_worker(place, github_url, github)
    return Found(place.source, repository.id)


async def newest(repository: Repository, url: RepositoryUrl, github: GitHubRepositories) -> Place:
    """The default branch's last commit."""
    branch = repository.default_branch
    commit = await github.commit(repository.full_name, f"heads/{branch}")
    if commit is None:
        raise is_empty(repository)
    return place_of(repository.full_name, branch, commit, url.path[1:], branch, url.is_file)


async def named(repository: Repository, url: RepositoryUrl, github: GitHubRepositories) -> Place:
    """The commit and directory of a path like `feature/login/api`, where `feature/login` may be a branch."""
    name, path = repository.full_name, url.path
    kinds: tuple[RefKind, ...] = ("heads", "tags")
    for kind in kinds:
        if url.kind not in (None, kind):
            continue
        ref = longest_ref(path, await github.refs(name, kind, path[0]))
        commit = await github.commit(name, f"{kind}/{ref}") if ref else None
        if ref and commit:
            spelled = ref if kind == "heads" else f"refs/{kind}/{ref}"
            return place_of(name, ref, commit, path[ref.count("/") + 1 :], spelled, url.is_file)
    may_be_commit = url.kind in (None, "commit") and HASH.fullmatch(path[0])
    commit = await github.commit(name, path[0]) if may_be_commit else None
    if commit is None or not commit.startswith(path[0]):
        raise await nothing_named(repository, url, github)
    if not await github.has_commit(repository, commit):
        raise SourceError(
            f"Commit {path[0]} is not on the default branch of “{name}”, nor the last of "
            "another branch. It may be a fork's. Deploy it by the name of a branch or tag."
        )
    return place_of(name, commit, commit, path[1:], commit, url.is_file)


def place_of(
    repository: str, ref: str, commit: str, path: tuple[str, ...], spelled: str, is_file: bool
) -> Place:
    directory, file = (path[:-1], path[-1]) if is_file and path else (path, None)
    return Place(Source(repository, ref, commit, "/".join(directory)), spelled, file)


def longest_ref(path: tuple[str, ...], refs: list[str]) -> str | None:
    """Which ref a path begins with. A branch `a` and a tag `a/b` can both be there."""
    whole = "/".join(path) + "/"
    return max((ref for ref in refs if whole.startswith(f"{ref}/")), key=len, default=None)


async def nothing_named(
    repository: Repository, url: RepositoryUrl, github: GitHubRepositories
) -> SourceError:
    if await github.commit(repository.full_name, f"heads/{repository.default_branch}") is None:
        return is_empty(repository)
    words = {"heads": "branch", "tags": "tag", "commit": "commit", None: "branch, tag or commit"}[url.kind]
    ref = url.path[0] if url.kind in (None, "commit") else "/".join(url.path)
    return SourceError(f"“{repository.full_name}” has no {words} “{ref}”.")


def is_empty(repository: Repository) -> SourceError:
    return SourceError(f"The repository “{repository.full_name}” is empty.")


async def require_worker(place: Place, github_url: str, github: GitHubRepositories) -> None:
    """A Worker is a directory with a config of wrangler's."""
    source = place.source
    files = await github.files(source.repository, source.directory, source.commit_hash)
    if files is None:
        raise SourceError(f"There is no directory “{source.directory}” in {source.git_ref}.")
    if place.file is not None and place.file not in files:
        path = f"{source.directory}/{place.file}".lstrip("/")
        raise SourceError(f"There is no file “{path}” in {source.git_ref}.")
    if not any(name in CONFIG_NAMES for name in files):
        raise await no_worker(place, files, github_url, github)


async def no_worker(
    place: Place, files: list[str], github_url: str, github: GitHubRepositories
) -> SourceError:
    """Says where in the repository there are Workers, as far as GitHub tells at once."""
    source = place.source
    where = f"The directory “{source.directory}”" if source.directory else "The repository's root"
    message = f"{where} has no wrangler.json, wrangler.jsonc or wrangler.toml: it holds no Worker."
    if CONFIG_OF_CF in files:
        message += f" Its {CONFIG_OF_CF} is read by Cloudflare's cf alone: give it a config of wrangler's."
    try:
        found = await github.find_files(source.repository, source.commit_hash, CONFIG_NAMES)
    except GitHubError:
        return SourceError(message)
    directories = worker_directories(found.paths, source.directory)
    choices = choices_of(place, directories, github_url)[:MAX_CHOICES]
    if not choices:
        part = " GitHub lists only a part of so large a repository: name the Worker's directory."
        return SourceError(message + part if found.is_partial else message)
    more = len(directories) - len(choices)
    others = ", and others" if found.is_partial else f", and {more} others" if more else ""
    return ChooseDirectoryError(f"{message} These directories do{others}:", choices)


def choices_of(place: Place, directories: list[str], github_url: str) -> list[Choice]:
    """Those directories that have an address which is read here."""
    url = f"{github_url}/{place.source.repository}/tree"
    choices = [
        Choice(directory, f"{url}/{quote(f'{place.ref}/{directory}'.rstrip('/'))}")
        for directory in directories
        if directory.isprintable() and not UNPRINTABLE.search(directory)
    ]
    return [choice for choice in choices if len(choice.url) <= MAX_URL_LENGTH]


def worker_directories(configs: list[str], below: str) -> list[str]:
    """The directories of config files, those near the top first: below a directory, if there are any."""
    directories = {path.rpartition("/")[0] for path in configs}
    own = [name for name in directories if PACKAGES not in name.split("/")]
    inside = [name for name in own if name.startswith(f"{below}/")] if below else own
    return sorted(inside or own, key=lambda name: (name.count("/"), name))
