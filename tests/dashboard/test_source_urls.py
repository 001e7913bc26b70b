"""Addresses as people paste them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.github_repositories import FoundFiles
from clients.http import Answer
from hosting.repository_url import MAX_URL_LENGTH, Kind, RepositoryUrl, SourceError
from hosting.source import CONFIG_NAMES, longest_ref, worker_directories
from tests.dashboard.dashboard_site import SECRETS, VARIABLES
from web.pages import Links
from web.settings import Settings

GITHUB, LOCAL, ENTERPRISE = "https://github.com", "http://127.0.0.1:8787", "https://github.example"
SHA = "0123456789abcdef0123456789abcdef01234567"
WRANGLER = Path(__file__).parents[2] / "node_modules" / "wrangler" / "wrangler-dist" / "cli.js"


@pytest.mark.parametrize(
    ("text", "repository", "path"),
    [
        ("https://github.com/alice/hello", "alice/hello", ""),
        ("  https://github.com/alice/hello/  ", "alice/hello", ""),
        ("https://github.com/alice/hello.git", "alice/hello", ""),
        ("http://github.com/alice/hello", "alice/hello", ""),
        ("https://github.com:443/alice/hello", "alice/hello", ""),
        ("https://www.github.com/alice/hello", "alice/hello", ""),
        ("www.github.com/alice/hello", "alice/hello", ""),
        ("github.com/alice/hello", "alice/hello", ""),
        ("https://GitHub.com/Alice/Hello", "Alice/Hello", ""),
        ("https://github.com/alice/hello?tab=readme-ov-file#readme", "alice/hello", ""),
        ("https://github.com/alice/hello/tree/main?search=1#files", "alice/hello", "main"),
        ("https://github.com/alice/hello/tree/main", "alice/hello", "main"),
        ("https://github.com/alice/hello/tree/main/", "alice/hello", "main"),
        ("https://github.com/alice/hello/tree/main/packages/api", "alice/hello", "main/packages/api"),
        ("https://github.com/alice/hello/tree/feature%2Flogin/api", "alice/hello", "feature/login/api"),
        ("https://github.com/alice/hello/tree/main/a%20b/ü", "alice/hello", "main/a b/ü"),
        ("https://github.com/alice/hello/tree/HEAD/api", "alice/hello", "HEAD/api"),
        ("https://github.com/alice/hello/tree", "alice/hello", ""),
        ("https://github.com/alice_corp/a.b-c_d", "alice_corp/a.b-c_d", ""),
        # As npm, git and ssh write it.
        ("alice/hello", "alice/hello", ""),
        ("alice/hello/", "alice/hello", ""),
        ("alice/hello/tree/main/api", "alice/hello", "main/api"),
        ("git@github.com:alice/hello.git", "alice/hello", ""),
        ("git@github.com:alice/hello", "alice/hello", ""),
        ("git@github.com:/alice/hello.git", "alice/hello", ""),
        ("git@github.com:1234/hello.git", "1234/hello", ""),
        ("ssh://git@github.com/alice/hello.git", "alice/hello", ""),
        ("ssh://git@ssh.github.com:443/alice/hello.git", "alice/hello", ""),
        ("git+ssh://git@github.com/alice/hello.git", "alice/hello", ""),
        ("git+https://github.com/alice/hello.git", "alice/hello", ""),
        ("git://github.com/alice/hello.git", "alice/hello", ""),
    ],
)
def test_the_address_of_a_repository_is_read(text: str, repository: str, path: str) -> None:
    url = RepositoryUrl.parse(text, GITHUB)
    assert (url.repository, "/".join(url.path), url.kind, url.is_file) == (repository, path, None, False)


@pytest.mark.parametrize(
    ("page", "path", "kind", "is_file"),
    [
        ("tree/refs/heads/feature/login/api", "feature/login/api", "heads", False),
        ("tree/refs/tags/v1/api", "v1/api", "tags", False),
        ("blob/main/wrangler.toml", "main/wrangler.toml", None, True),
        ("blob/main/api/src/index.ts?plain=1#L3-L9", "main/api/src/index.ts", None, True),
        ("blob/refs/heads/main/api/wrangler.toml", "main/api/wrangler.toml", "heads", True),
        ("raw/refs/tags/v1/wrangler.toml", "v1/wrangler.toml", "tags", True),
        ("blame/main/api/wrangler.toml", "main/api/wrangler.toml", None, True),
        (f"commit/{SHA}", SHA, "commit", False),
        (f"commit/{SHA[:7]}", SHA[:7], "commit", False),
        (f"commit/{SHA}#diff-0", SHA, "commit", False),
        ("releases/tag/v1.2", "v1.2", "tags", False),
        ("releases/tag/api%2Fv1", "api/v1", "tags", False),
        ("releases/tag/api@1.0", "api@1.0", "tags", False),
    ],
)
def test_the_address_of_a_page_of_a_repository_is_read(
    page: str, path: str, kind: Kind | None, is_file: bool
) -> None:
    url = RepositoryUrl("alice/hello", tuple(path.split("/")), kind, is_file)
    for beginning in ("https://github.com/", "github.com/"):
        assert RepositoryUrl.parse(f"{beginning}alice/hello/{page}", GITHUB) == url


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Enter the address"),
        ("   ", "Enter the address"),
        ("hello", "not the address of a GitHub repository"),
        ("https://github.com", "not the address of a GitHub repository"),
        ("https://github.com/alice", "not the address of a GitHub repository"),
        ("github.com/alice", "not the address of a GitHub repository"),
        ("git@github.com:alice", "not the address of a GitHub repository"),
        (
            "https://gitlab.com/alice/hello",
            "at gitlab.com; apps are deployed from the GitHub at https://github",
        ),
        ("gitlab.com/alice/hello", "at gitlab.com;"),
        ("gist.github.com/alice/0123456789abcdef", "at gist.github.com;"),
        ("git@gitlab.com:alice/hello.git", "at gitlab.com;"),
        ("https://github.com.evil.example/alice/hello", "at github.com.evil.example;"),
        ("https://evil.example/github.com/alice/hello", "at evil.example;"),
        ("https://github.com:444/alice/hello", "at github.com:444;"),
        ("github.com:444/alice/hello", "at github.com:444;"),
        ("https://github.com@evil.example/alice/hello", "without a user name and a password"),
        ("https://user:password@github.com/alice/hello", "without a user name and a password"),
        ("https://token@github.com/alice/hello", "without a user name and a password"),
        ("ssh://git:password@github.com/alice/hello", "without a user name and a password"),
        ("https://github.com:port/alice/hello", "not the address of a GitHub repository"),
        ("https://[/alice/hello", "not the address of a GitHub repository"),
        ("ftp://github.com/alice/hello", "not the address of a GitHub repository"),
        ("file:///alice/hello", "not the address of a GitHub repository"),
        ("javascript://github.com/alice/hello", "not the address of a GitHub repository"),
        ("https://github.com/alice/hel lo", "can't be the name"),
        ("https://github.com/alice/..", "can't be the name"),
        ("https://github.com/-alice/hello", "can't be the name"),
        ("https://github.com/alice/.git", "can't be the name"),
        ("alice/hello@v1", "can't be the name"),
        ("./alice/hello", "at .;"),
        ("alice/hello#main", "What follows “#” is not read"),
        ("git+ssh://git@github.com/alice/hello.git#v1", "What follows “#” is not read"),
        ("https://github.com/alice/hello/issues/7", "“issues/7” is a page of a repository"),
        ("https://github.com/alice/hello/issues", "https://github.com/alice/hello/tree/<ref>/<directory>"),
        ("https://github.com/alice/hello/commit/main", "a page of a repository"),
        ("https://github.com/alice/hello/releases", "a page of a repository"),
        ("https://github.com/alice/hello/releases/latest", "a page of a repository"),
        ("https://github.com/alice/hello/pull/7/files", "paste the address of its branch"),
        ("https://github.com/alice/hello/tree/main/../../other", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/%2e%2e/other", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/a%2f..%2fb", "path of one in the repository"),
        ("https://github.com/alice/hello/blob/main/../wrangler.toml", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/a%00b", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/a%0Ab", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/a\x00b", "not the address"),
        ("https://github.com/alice/hello\\tree", "not the address"),
        ("https://github.com/alice/" + "a" * 3_000, "not the address"),
        ("https://github.com/alice/" + "a" * 1_900, "a…” can't be the name"),
    ],
)
def test_what_is_no_address_of_a_repository_says_so(text: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        RepositoryUrl.parse(text, GITHUB)


@pytest.mark.parametrize(
    ("text", "github_url", "at"),
    [
        ("https://github.com/alice/hello", LOCAL, "github.com"),
        ("github.com/alice/hello/tree/main", LOCAL, "github.com"),
        ("git@github.com:alice/hello.git", LOCAL, "github.com"),
        ("http://127.0.0.1:9999/alice/hello", LOCAL, "127.0.0.1:9999"),
        ("https://github.com/alice/hello", ENTERPRISE, "github.com"),
        (f"{ENTERPRISE}/alice/hello", GITHUB, "github.example"),
        (f"{LOCAL}/alice/hello", GITHUB, "127.0.0.1:8787"),
    ],
)
def test_an_address_at_another_host_is_told_which_github_counts_here(
    text: str, github_url: str, at: str
) -> None:
    says = f"at {at}; apps are deployed from the GitHub at {github_url} here"
    with pytest.raises(SourceError, match=re.escape(says)):
        RepositoryUrl.parse(text, github_url)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8787/alice/hello",
        "127.0.0.1:8787/alice/hello",
        "git@127.0.0.1:alice/hello.git",
        "ssh://git@127.0.0.1:22/alice/hello.git",
        "alice/hello",
    ],
)
def test_another_github_has_its_own_addresses(text: str) -> None:
    assert RepositoryUrl.parse(text, LOCAL) == RepositoryUrl("alice/hello")


# Laws.

WORDS = st.text("abcXYZ019_-", min_size=1, max_size=10)
OWNERS = WORDS.filter(lambda text: text[0] not in "-_")
NAMES = st.text("abcXYZ019_-.", min_size=1, max_size=12).filter(
    lambda text: text not in (".", "..") and not text.endswith(".git")
)
SEGMENTS = st.text(
    st.characters(exclude_characters="/\\\x7f", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8
).filter(lambda text: text not in (".", ".."))
PATHS = st.lists(SEGMENTS, max_size=4)
HOSTS = st.from_regex(r"[a-z0-9-]{1,9}(\.[a-z0-9-]{1,9}){1,3}", fullmatch=True).filter(
    lambda host: host not in ("github.com", "ssh.github.com", "www.github.com")
)
BEGINNINGS = ("{0}/", "{1}/", "www.{1}/", "git+{0}/", "", "git@{1}:", "ssh://git@{1}/", "https://www.{1}/")


@given(OWNERS, NAMES, SEGMENTS, PATHS)
def test_what_a_page_links_to_is_read_as_it_was_meant(
    owner: str, name: str, ref: str, directory: list[str]
) -> None:
    links = Links(Settings.read(SimpleNamespace(**VARIABLES | SECRETS)))
    text = links.tree(f"{owner}/{name}", ref, "/".join(directory))
    assert len(text) <= MAX_URL_LENGTH
    path = (ref, *directory)
    if ref != "refs":
        url = RepositoryUrl.parse(text, VARIABLES["GITHUB_URL"])
        assert url == RepositoryUrl(f"{owner}/{name}", path)


@given(st.sampled_from(BEGINNINGS), OWNERS, NAMES, st.sampled_from(["", "/", ".git"]))
def test_every_form_of_an_address_names_the_same_repository(
    beginning: str, owner: str, name: str, ending: str
) -> None:
    text = beginning.format(GITHUB, "github.com") + f"{owner}/{name}{ending}"
    assert RepositoryUrl.parse(text, GITHUB) == RepositoryUrl(f"{owner}/{name}")


@given(
    st.text(max_size=60),
    st.sampled_from(["", f"{GITHUB}/", f"{GITHUB}/a/b/tree/", "git@github.com:", "a/b/"]),
)
def test_any_text_is_an_address_of_the_repository_that_it_names_or_a_source_error(
    text: str, beginning: str
) -> None:
    text = beginning + text
    try:
        url = RepositoryUrl.parse(text, GITHUB)
    except SourceError:
        return
    named = re.sub("/+", "/", re.split("[?#]", unquote(text))[0]).strip().lstrip("/")
    place = r"((git\+)?https?:/|git:/)?(www\.)?github\.com/|((git\+)?ssh:/)?[^@/]+@(ssh\.)?github\.com[:/]/?|"
    assert re.match(f"(?:{place}){re.escape(url.repository)}(/|\\.git|$)", named, re.IGNORECASE)
    assert not {"", ".", ".."} & set(url.path)


@given(st.sampled_from([beginning for beginning in BEGINNINGS if beginning]), HOSTS)
def test_no_other_host_is_githubs(beginning: str, host: str) -> None:
    text = beginning.format(f"https://{host}", host) + "alice/hello"
    with pytest.raises(SourceError):
        RepositoryUrl.parse(text, GITHUB)


@pytest.mark.parametrize(
    ("path", "refs", "ref"),
    [
        ("main", ["main", "maintenance"], "main"),
        ("main/api", ["main", "main-api"], "main"),
        ("feature/login/api", ["feature/login", "feature/logout"], "feature/login"),
        ("a/b/c", ["a", "a/b"], "a/b"),
        ("feature", ["feature/login"], None),
        ("v1", [], None),
    ],
)
def test_a_ref_with_slashes_is_told_from_the_directory_behind_it(
    path: str, refs: list[str], ref: str | None
) -> None:
    assert longest_ref(tuple(path.split("/")), refs) == ref


# Where a Worker is.


def test_config_names_and_their_order_are_wranglers() -> None:
    source = WRANGLER.read_text()
    start = source.index("function findWranglerConfig(")
    (chosen,) = re.findall(r"const userConfigPath = .*", source[start : start + 1_000])
    assert tuple(re.findall(r"(wrangler\.\w+)`", chosen)) == CONFIG_NAMES


def test_directories_near_the_top_come_first_and_packages_are_none() -> None:
    configs = [
        "b/c/wrangler.toml",
        "z/wrangler.json",
        "z/wrangler.toml",
        "b/wrangler.jsonc",
        "node_modules/x/wrangler.toml",
        "b/node_modules/wrangler.toml",
    ]
    assert worker_directories(configs, "") == ["b", "z", "b/c"]
    assert worker_directories(configs, "b") == ["b/c"]
    assert worker_directories(configs, "docs") == ["b", "z", "b/c"]
    assert worker_directories(["wrangler.toml"], "docs") == [""]


PATH_PARTS = st.text(min_size=1, max_size=8).filter(lambda text: "/" not in text)


@given(st.lists(st.lists(PATH_PARTS, max_size=3), max_size=8), st.booleans(), st.booleans(), st.data())
def test_files_are_found_in_a_tree_however_its_bytes_come(
    directories: list[list[str]], is_partial: bool, is_escaped: bool, data: st.DataObject
) -> None:
    configs = ["/".join((*directory, "wrangler.toml")) for directory in directories]
    others = [f"{path}.md" for path in configs] + ['a"path":"wrangler.toml', '\\"truncated":true,']
    listed = [{"path": path, "type": "blob", "url": "u"} for path in (*configs, *others)]
    tree = {"sha": "s", "tree": listed, "truncated": is_partial}
    body = json.dumps(tree, ensure_ascii=is_escaped).encode(errors="replace")
    found = FoundFiles(CONFIG_NAMES)
    take = found.receive(Answer(200, {}, b""))
    while body:
        size = data.draw(st.integers(1, len(body)))
        take(body[:size])
        body = body[size:]
    assert found.paths == configs
    assert found.is_partial is is_partial


def test_of_an_answer_that_is_no_tree_nothing_is_read() -> None:
    found = FoundFiles(CONFIG_NAMES)
    found.receive(Answer(404, {}, b""))(b'{"path": "wrangler.toml"}')
    assert found.paths == []
