"""What was under way when everything was killed, and what is there again after the next start."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from local.control import Control
from tests.system.journeys import address, deploy, log_in, top_up, wait_until_deployed
from tests.system.running import RunningStack

AS_IF_UNTOLD = "UPDATE apps SET status = 'building', deployed_at = NULL, run_ended = 0, changed_at = 0"


@dataclass(frozen=True)
class Survivor:
    """The stack after its next start; what was made before, and the page of the app that was on its way."""

    stack: RunningStack
    page: Page
    app: str
    books: dict[str, str]


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Survivor]:
    """Everything is killed when an app is being deployed and a payment was made that nobody knows of."""
    stack = RunningStack(tmp_path_factory.mktemp("state"))
    visitor = browser.new_context()
    try:
        stack.start()
        page = visitor.new_page()
        log_in(page, stack, "alice")
        app = deploy(page, stack, "codius/examples/tree/main/hello")
        wait_until_deployed(page)
        pay_unnoticed(page, stack)
        stack.deploy(stack.root / "examples" / "hello", "kept")
        assert stack.get("kept").status_code == 200
        stack.billing("kept", "add_worker_funds", "cs_1", 500)
        books = stack.billing("kept", "get_worker_billing")
        page.close()
        stack.stop(signal.SIGKILL)
        stack.assert_nothing_is_left()
        lose_webhooks(stack)
        stack = RunningStack(stack.state, port=stack.port).start()
        yield Survivor(stack, visitor.new_page(), app, books)
    finally:
        visitor.close()
        stopped = stack.stop()
    assert stopped == 0
    stack.assert_nothing_is_left()


def pay_unnoticed(page: Page, stack: RunningStack) -> None:
    """Nobody comes back from the payment page to say that it was paid."""
    stack.stripe("webhooks", paused=True)
    top_up(page)
    page.wait_for_url(f"http://127.0.0.1:{stack.port}/c/pay/*")
    stack.stripe("pay", session=page.url.rpartition("/")[2])


def lose_webhooks(stack: RunningStack) -> None:
    """Also those that Stripe would have sent again."""
    objects = stack.state / "stripe" / "objects.json"
    objects.write_text(objects.read_text().replace('"undelivered": [', '"lost": ['))
    found = (stack.state / "storage" / "v3" / "d1").rglob("*.sqlite")
    (path,) = (path for path in found if path.name != "metadata.sqlite")
    with closing(sqlite3.connect(path)) as database, database:
        for change in (AS_IF_UNTOLD, "UPDATE payments SET created_at = 0"):
            assert database.execute(change).rowcount == 1


def test_uploads_accounts_and_funds_are_there_again(survivor: Survivor):
    assert survivor.stack.billing("kept", "get_worker_billing") == survivor.books
    assert survivor.stack.get("kept").text == "Hello, world!\n"
    assert not any("Deploying" in line for line in survivor.stack.output)


def test_the_cron_trigger_finishes_a_deploy_and_a_payment_whose_webhooks_were_lost(survivor: Survivor):
    page, stack = survivor.page, survivor.stack

    def funding_cents() -> str:
        return str(stack.billing(survivor.app, "get_worker_billing")["funding_cents"])

    page.goto(address(stack, f"/apps/{survivor.app}"))
    expect(page.get_by_role("status")).to_have_text("building")
    assert funding_cents() == "0"
    control = Control.of(stack.state)
    for _ in range(2):
        control.run_cron()
        # The next look is due at once.
        control.call("database", "", "batch", ["UPDATE apps SET asked_at = 0, changed_at = 0"])
    wait_until_deployed(page)
    assert funding_cents() == "500"
