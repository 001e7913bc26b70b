"""An app can't publish at a path that is read as the platform's."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paths import MAX_SEGMENTS, PLATFORM_PATH, may_be_platforms, platform_path


def found(path: str) -> str | None:
    """As dispatch looks."""
    return platform_path(path) if may_be_platforms(f"https://app.apps.example{path}") else None


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/codius",
        "/.well-known/codius/",
        "/.well-known/%63odius",
        "/.well-known/%43ODIUS",
        "/.well-known//codius",
        "//.well-known/codius",
        "/%2ewell-known/codius",
        "/%2Ewell-known/codius",
        "/.well%2dknown/codius",
        "/.well-known%2fcodius",
        "/.well-known%2Fcodius",
        "/.well-known\\codius",
        "/.well-known%5Ccodius",
        "/./.well-known/./codius/.",
        "/x/../.well-known/codius",
        "/x/%2e%2e/.well-known/codius",
        "/../.well-known/codius",
        "/.well-known/x/../codius",
        "/.well-known/%2563odius",
        "/.well-known/%252563odius",
        "/.WELL-KNOWN/Codius",
        "".join(f"%{byte:02x}" for byte in b"/.well-known/codius"),
    ],
)
def test_another_spelling_of_the_path_is_the_path(path: str) -> None:
    assert found(path) == PLATFORM_PATH


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/codius/x",
        "/.well-known/codius.json",
        "/.well-known/codius;v=1",
        "/.well-known/codius%3Fx",
        "/.well-known/codius%00",
        "/.well-known/codius%20",
        "/.well-known/%63odius/x/y",
        f"/{'x/../' * MAX_SEGMENTS}.well-known/codius",
        "/./" * MAX_SEGMENTS + ".well-known/codius",
    ],
)
def test_what_is_below_it_or_looks_like_it_is_not_an_apps(path: str) -> None:
    assert found(path) not in (None, PLATFORM_PATH)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/.well-known/",
        "/.well-known/acme-challenge/codius",
        "/.well-known/codius-tools",
        "/.well-known/codiusx",
        "/.well-known/codius_x",
        "/x/.well-known/codius",
        "/.well-known/codius/../other",
        "/.well-knowncodius",
        "/codius/.well-known",
        "/a%2Fb",
        "/%",
        "/%zz/.well-known/codius",
    ],
)
def test_every_other_path_is_the_apps(path: str) -> None:
    assert found(path) is None


SPELLINGS = st.sampled_from(
    [lambda c: c, lambda c: c.upper(), lambda c: f"%{ord(c):02x}", lambda c: f"%{ord(c.upper()):02X}"]
)


@given(st.lists(SPELLINGS, min_size=len(PLATFORM_PATH), max_size=len(PLATFORM_PATH)))
def test_no_mixture_of_spellings_reaches_an_app(spellings: list) -> None:  # type: ignore[type-arg]
    path = "".join(spell(character) for spell, character in zip(spellings, PLATFORM_PATH, strict=True))
    assert found(path if path.startswith("/") else f"/{path}") == PLATFORM_PATH


@given(st.text(max_size=50))
def test_a_path_without_the_name_in_it_is_the_apps(text: str) -> None:
    path = f"/{quote(text)}"
    if "codius" not in text.lower():
        assert found(path) is None
