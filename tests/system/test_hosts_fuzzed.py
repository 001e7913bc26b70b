"""Whatever host and method a request has, dispatch answers for itself and makes no account."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.system.load import closed
from tests.system.running import RunningStack, accounts_stored

LABELS = st.from_regex(r"[A-Za-z0-9_.:\[\]%@!*~-]{0,70}", fullmatch=True)
HOSTS = st.one_of(
    LABELS,
    LABELS.map(lambda label: f"{label}.localhost"),
    st.from_regex(r"[a-z0-9-]{1,64}\.localhost\.?(:[0-9]{0,6})?", fullmatch=True),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]:80"),
)
METHODS = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "SEARCH", "get", "X"]
)
NO_SUCH_METHOD = 501  # of workerd itself


async def status_of(port: int, method: str, host: str) -> int | None:
    """The status of the answer; None when the server refuses to read such a request at all."""
    connection = await asyncio.open_connection("127.0.0.1", port)
    reader, writer = connection
    try:
        writer.write(f"{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        line = await asyncio.wait_for(reader.readline(), 30)
        return int(line.split(b" ")[1]) if line else None
    finally:
        await closed(connection)


def test_no_host_or_method_makes_dispatch_fail_or_an_account(stack: RunningStack):
    @settings(max_examples=300, deadline=None, database=None)
    @given(method=METHODS, host=HOSTS)
    def ask(method: str, host: str) -> None:
        status = asyncio.run(status_of(stack.port, method, host))
        assert status is None or status < 500 or status == NO_SUCH_METHOD

    before = accounts_stored(stack.state)
    ask()
    assert accounts_stored(stack.state) == before
