"""Addresses as people paste them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hosting.source import RepositoryUrl, SourceError, longest_ref

GITHUB = "https://github.com"


@pytest.mark.parametrize(
    ("text", "repository", "path"),
    [
        ("https://github.com/alice/hello", "alice/hello", ""),
        ("  https://github.com/alice/hello/  ", "alice/hello", ""),
        ("https://github.com/alice/hello.git", "alice/hello", ""),
        ("http://github.com/alice/hello", "alice/hello", ""),
        ("https://www.github.com/alice/hello", "alice/hello", ""),
        ("github.com/alice/hello", "alice/hello", ""),
        ("https://GitHub.com/Alice/Hello", "Alice/Hello", ""),
        ("https://github.com/alice/hello?tab=readme-ov-file#readme", "alice/hello", ""),
        ("https://github.com/alice/hello/tree/main", "alice/hello", "main"),
        ("https://github.com/alice/hello/tree/main/", "alice/hello", "main"),
        ("https://github.com/alice/hello/tree/main/packages/api", "alice/hello", "main/packages/api"),
        ("https://github.com/alice/hello/tree/feature%2Flogin/api", "alice/hello", "feature/login/api"),
        ("https://github.com/alice/hello/tree/main/a%20b/ü", "alice/hello", "main/a b/ü"),
        ("https://github.com/alice_corp/a.b-c_d", "alice_corp/a.b-c_d", ""),
    ],
)
def test_the_address_of_a_repository_is_read(text: str, repository: str, path: str) -> None:
    url = RepositoryUrl.parse(text, GITHUB)
    assert (url.repository, "/".join(url.path)) == (repository, path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Enter the address"),
        ("   ", "Enter the address"),
        ("hello", "not the address of a GitHub repository"),
        ("https://gitlab.com/alice/hello", "not the address of a GitHub repository"),
        ("https://github.com", "not the address of a GitHub repository"),
        ("https://github.com/alice", "not the address of a GitHub repository"),
        ("https://github.com.evil.example/alice/hello", "not the address of a GitHub repository"),
        ("https://github.com@evil.example/alice/hello", "not the address of a GitHub repository"),
        ("https://user:password@github.com/alice/hello", "not the address of a GitHub repository"),
        ("https://github.com:444/alice/hello", "not the address of a GitHub repository"),
        ("https://github.com:port/alice/hello", "not the address of a GitHub repository"),
        ("https://[/alice/hello", "not the address of a GitHub repository"),
        ("ftp://github.com/alice/hello", "not the address of a GitHub repository"),
        ("javascript://github.com/alice/hello", "not the address of a GitHub repository"),
        ("git@github.com:alice/hello.git", "not the address of a GitHub repository"),
        ("https://github.com/alice/hel lo", "can't be the name"),
        ("https://github.com/alice/..", "can't be the name"),
        ("https://github.com/-alice/hello", "can't be the name"),
        ("https://github.com/alice/.git", "can't be the name"),
        ("https://github.com/alice/hello/issues", "a page of a repository"),
        ("https://github.com/alice/hello/blob/main/wrangler.toml", "a page of a repository"),
        ("https://github.com/alice/hello/tree/main/../../other", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/%2e%2e/other", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/a%2f..%2fb", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/a%00b", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/a%0Ab", "path of one in the repository"),
        ("https://github.com/alice/hello/tree/main/a\x00b", "not the address"),
        ("https://github.com/alice/hello\\tree", "not the address"),
        ("https://github.com/alice/" + "a" * 3_000, "not the address"),
    ],
)
def test_what_is_no_address_of_a_repository_says_so(text: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        RepositoryUrl.parse(text, GITHUB)


@given(st.text(max_size=60), st.sampled_from(["", "https://github.com/", "https://github.com/a/b/tree/"]))
def test_any_text_is_an_address_or_a_source_error(text: str, beginning: str) -> None:
    try:
        url = RepositoryUrl.parse(beginning + text, GITHUB)
    except SourceError:
        return
    assert url.repository.count("/") == 1
    assert not {"", ".", ".."} & set(url.path)


def test_another_github_has_its_own_addresses() -> None:
    enterprise = "http://github.example:8080"
    assert RepositoryUrl.parse(f"{enterprise}/alice/hello", enterprise).repository == "alice/hello"
    with pytest.raises(SourceError, match=enterprise):
        RepositoryUrl.parse("https://github.com/alice/hello", enterprise)


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
