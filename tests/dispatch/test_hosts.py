import re
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hosts import app_id_of, authority_of

DOMAIN = "apps.example"
ID_CHARACTERS = string.ascii_lowercase + string.digits + "-"


def is_valid_id(label: str) -> bool:
    return 0 < len(label) <= 63 and set(label) <= set(ID_CHARACTERS) and label[0] != "-" and label[-1] != "-"


@pytest.mark.parametrize(
    ("authority", "app_id"),
    [
        ("hello.apps.example", "hello"),
        ("HeLLo.APPS.Example", "hello"),
        ("hello.apps.example:8787", "hello"),
        ("hello.apps.example.", "hello"),
        ("hello.apps.example.:443", "hello"),
        ("a.apps.example", "a"),
        ("7.apps.example", "7"),
        ("a-b--c.apps.example", "a-b--c"),
        ("xn--bcher-kva.apps.example", "xn--bcher-kva"),
        (f"{'a' * 63}.apps.example", "a" * 63),
        ("apps.apps.example", "apps"),
    ],
)
def test_one_label_before_the_domain_is_an_app(authority: str, app_id: str) -> None:
    assert app_id_of(authority, DOMAIN) == app_id


@pytest.mark.parametrize(
    "authority",
    [
        "",
        ".",
        ":",
        "hello",
        "hello.",
        "apps.example",
        "apps.example.",
        ".apps.example",
        "..apps.example",
        "hello.apps.example..",
        "hello..apps.example",
        "a.b.apps.example",
        "hello.example",
        "hello.apps.example.com",
        "hello.xapps.example",
        "helloapps.example",
        "xapps.example",
        "hello.apps-example",
        "hello.apps.examplex",
        "127.0.0.1",
        "127.0.0.1:8787",
        "[::1]",
        "[::1]:8787",
        "[::ffff:127.0.0.1].apps.example",
        "hel_lo.apps.example",
        "_hello.apps.example",
        "-hello.apps.example",
        "hello-.apps.example",
        "-.apps.example",
        f"{'a' * 64}.apps.example",
        "héllo.apps.example",
        "\N{KELVIN SIGN}.apps.example",
        "ｈello.apps.example",
        "hello．apps.example",
        "hello.äpps.example",
        "hel%6co.apps.example",
        "hello%2eapps.example",
        "hello%00.apps.example",
        "*.apps.example",
        "user@hello.apps.example",
        "user:1@hello.apps.example",
        "hello.apps.example@evil.example",
        "hello.apps.example:80@evil.example",
        "hello.apps.example:",
        "hello.apps.example:http",
        "hello.apps.example:-1",
        "hello.apps.example:80:80",
        "hello.apps.example:８０",
        " hello.apps.example",
        "hello.apps.example ",
        "hello.apps.example\n",
        "hello\n.apps.example",
        "hello/.apps.example",
        "hello\\.apps.example",
        "hello#.apps.example",
        f"hello.apps.example:{'8' * 300}",
        f"{'a' * 100_000}.apps.example",
    ],
)
def test_anything_else_is_no_app(authority: str) -> None:
    assert app_id_of(authority, DOMAIN) is None


LABELS = st.text(ID_CHARACTERS, min_size=1, max_size=63).filter(is_valid_id)
NEARLY_HOSTS = st.builds(
    "".join,
    st.tuples(
        st.text(ID_CHARACTERS + "AZ_.%@:é", max_size=70),
        st.sampled_from(["", "."]),
        st.sampled_from([DOMAIN, DOMAIN.upper(), "x" + DOMAIN, "example", ""]),
        st.sampled_from(["", ".", ".."]),
        st.sampled_from(["", ":", ":8787", ":8787.", ":x"]),
    ),
)


@settings(deadline=None)
@given(st.text() | NEARLY_HOSTS)
@example("hello.apps.example")
def test_an_id_is_all_that_the_host_says(authority: str) -> None:
    app_id = app_id_of(authority, DOMAIN)
    if app_id is not None:
        assert is_valid_id(app_id)
        host = re.sub(r":[0-9]+\Z", "", authority).lower().removesuffix(".")
        assert f"{app_id}.{DOMAIN}" == host


@settings(deadline=None)
@given(LABELS, st.sampled_from(["", "."]), st.just("") | st.integers(0, 65535).map(lambda port: f":{port}"))
def test_every_valid_id_is_found(label: str, dot: str, port: str) -> None:
    assert app_id_of(f"{label}.{DOMAIN}{dot}{port}", DOMAIN) == label
    assert app_id_of(f"{label}.{DOMAIN}{dot}{port}".upper(), DOMAIN) == label


def test_a_domain_of_one_label_works() -> None:
    assert app_id_of("hello.localhost:8787", "localhost") == "hello"
    assert app_id_of("localhost:8787", "localhost") is None


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://hello.apps.example", "hello.apps.example"),
        ("https://hello.apps.example/", "hello.apps.example"),
        ("https://hello.apps.example/a/b?c=d/e", "hello.apps.example"),
        ("https://hello.apps.example?c=d", "hello.apps.example"),
        ("https://hello.apps.example?c=/d", "hello.apps.example"),
        ("http://hello.localhost:8787/a", "hello.localhost:8787"),
        ("http://hello.localhost:8787?a", "hello.localhost:8787"),
        ("https://hello.apps.example//other.example/", "hello.apps.example"),
        ("https://[::1]:8787/", "[::1]:8787"),
    ],
)
def test_the_authority_of_a_url_ends_at_its_path_or_query(url: str, authority: str) -> None:
    assert authority_of(url) == authority


def test_of_a_host_of_any_length_only_what_could_be_one_is_kept() -> None:
    authority = authority_of(f"https://{'a' * 100_000}.{DOMAIN}/")
    assert len(authority) < 400
    assert app_id_of(authority, DOMAIN) is None
