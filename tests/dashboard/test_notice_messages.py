"""What is sent to a webhook, how it is signed, and where it may go."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.notice import (
    LABELS,
    LONGEST_ADDRESS,
    MAX_DETAIL,
    TITLES,
    HookError,
    Notice,
    hook_address,
    message_of,
    secret_of,
    shown_secret,
    signed_headers,
)

OWN = ("dashboard.example", "apps.example")


def test_the_signature_is_that_of_the_specification() -> None:
    """By the values that implementations of Standard Webhooks are tested with."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}', 1_614_265_330_000
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_user_and_each_new_secret_has_its_own() -> None:
    secrets = {secret_of(key, user, number) for key in "ab" for user in (1, 11) for number in (1, 11)}
    assert len(secrets) == 8
    (shown,) = {shown_secret(secret_of("a", 1, 1))}
    assert shown.startswith("whsec_")
    assert len(base64.b64decode(shown.removeprefix("whsec_"))) == 32


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.receiver.example",
        "https://hooks.receiver.example/a/b?c=d&e=%20#".rstrip("#"),
        "https://Hooks.Receiver.example:443/@x:8080/",
        "https://xn--mnchen-3ya.example?user@host",
        " https://a.b ",
        "https://notdashboard.example",
    ],
)
def test_a_public_address_is_taken(address: str) -> None:
    assert hook_address(address, OWN) == address.strip()


@pytest.mark.parametrize(
    "address",
    [
        "http://receiver.example",
        "receiver.example",
        "ftp://receiver.example",
        "https://",
        "https://receiver",
        "https://localhost/",
        "https://a.localhost",
        "https://printer.local",
        "https://metadata.google.internal/computeMetadata",
        "https://router.home.arpa",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1",
        "https://127.1",
        "https://10.0.0.0x1",
        "https://1.2.3.4.example.5",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://receiver.example:8443/",
        "https://receiver.example:0443/",
        "https://receiver.example:/",
        "https://user@receiver.example/",
        "https://user:pass@receiver.example/",
        "https://receiver.example\\@127.0.0.1/",
        "https://receiver.example#@127.0.0.1/",
        "https://receiver.example/#fragment",
        "https://receiver.example/\\evil",
        "https://receiver.example./",
        "https://receiver..example/",
        "https://-receiver.example/",
        "https://re_ceiver.example/",
        "https://receiver.example/a b",
        "https://receiver.example/\n/",
        "https://\u017fite.example/",
        "https://receiver.example/é",
        "https://rеceiver.example/",
        "https:/receiver.example",
        "https:receiver.example",
        "https://receiver.example@127.0.0.1",
        "https://dashboard.example/webhooks/github",
        "https://DASHBOARD.example:443",
        "https://bcdfghjkmnpq.apps.example/",
        "https://apps.example",
        "javascript:alert(1)",
        "https://receiver.example/" + "a" * LONGEST_ADDRESS,
    ],
)
def test_what_is_no_public_address_is_refused(address: str) -> None:
    with pytest.raises(HookError):
        hook_address(address, OWN)


@given(
    st.text(max_size=60), st.integers(1, 10**13), st.sampled_from(list(TITLES)), st.sampled_from(list(LABELS))
)
def test_a_message_is_one_line_of_what_can_be_seen(detail: str, at: int, kind: str, about: str) -> None:
    notice = Notice(1, "cause", kind, about, "name", detail, at)  # type: ignore[arg-type]
    assert notice.words.isprintable()
    assert len(notice.words) <= MAX_DETAIL + 100
    message = json.loads(message_of(notice, "https://dashboard.example"))
    assert message["type"] == f"{about}.{kind}"
    assert message["data"]["message"] == notice.words
