"""Topping up in the running system: in a browser, and many reports at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.conftest import NewPage
from tests.system.journeys import address, deploy, log_in, pay, top_up, wait_until_deployed
from tests.system.running import RunningStack, soon

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
EXAMPLES = {True: "hello", False: "palette"}


@pytest.fixture(scope="module")
def three_instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack with three instances of dispatch."""
    running = RunningStack(tmp_path_factory.mktemp("state"), settings={"DISPATCH_INSTANCES": "3"})
    try:
        yield running.start()
    finally:
        running.stop()


def deployed(page: Page, stack: RunningStack, user: str, example: str, scripts: bool = True) -> str:
    log_in(page, stack, user)
    app = deploy(page, stack, f"codius/examples/tree/main/{example}")
    wait_until_deployed(page, scripts)
    return app


@SCRIPTS
def test_from_the_402_page_over_the_payment_page_back_to_an_app_that_serves(
    three_instances: RunningStack, new_page: NewPage, scripts: bool
):
    stack = three_instances
    owner, visitor = (new_page(java_script_enabled=scripts) for _ in range(2))
    app = deployed(owner, stack, "alice", EXAMPLES[scripts], scripts)
    while stack.get(app).status_code == 200:
        pass
    # Every instance knows that nothing is left.
    assert all(stack.get(app, headers={"accept": "application/json"}).status_code == 402 for _ in range(20))
    wanted = f"http://{app}.localhost:{stack.port}/deep/link?a=b&c=%22d"
    visitor.goto(wanted)
    assert visitor.url == address(stack, f"/apps/{app}/402?next=%2Fdeep%2Flink%3Fa%3Db%26c%3D%2522d")
    expect(visitor.get_by_text("16.7 million requests")).to_be_visible()
    expect(visitor.get_by_role("link", name=f"codius/examples/{EXAMPLES[scripts]}")).to_be_visible()
    # A mistake and a declined card can be put right.
    visitor.get_by_label("Another amount", exact=True).check()
    visitor.get_by_label("Another amount, in US dollars").fill("nothing")
    visitor.get_by_role("button", name="Continue to Payment").click()
    expect(visitor.get_by_role("alert")).to_contain_text("Type an amount from $1.00")
    top_up(visitor)
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Pay $5.00")
    expect(visitor.get_by_text(f"Requests for codius/examples/{EXAMPLES[scripts]}")).to_be_visible()
    pay(visitor, "Is declined")
    expect(visitor.get_by_role("alert")).to_contain_text("declined")
    pay(visitor)
    paid_at = time.monotonic()
    expect(visitor.get_by_role("heading", level=1)).to_have_text(f"Added $5.00 to {app}")
    # Within a second of the credit every instance serves again.
    time.sleep(max(0.0, paid_at + 1 - time.monotonic()))
    assert [stack.get(app).status_code for _ in range(20)] == [200] * 20
    visitor.get_by_role("link", name="Receipt").click()
    expect(visitor.get_by_text("Paid: $5.00")).to_be_visible()
    visitor.go_back()
    visitor.get_by_role("link", name="Go On to the Page You Wanted").click()
    assert visitor.url == wanted
    visitor.go_back()
    visitor.get_by_role("link", name="More about this app").click()
    expect(visitor.get_by_role("row", name="Total Funding $5.00")).to_be_visible()
    payments = visitor.get_by_role("table", name="Payments")
    expect(payments.get_by_role("row").nth(1)).to_contain_text("Payment anonymous credited $5.00")
    # Going back to the success page changes nothing.
    visitor.go_back()
    expect(visitor.get_by_role("heading", level=1)).to_have_text(f"Added $5.00 to {app}")
    visitor.reload()
    assert stack.billing(app, "get_worker_billing")["funding_cents"] == "500"


def test_who_cancels_is_back_on_the_apps_page(stack: RunningStack, page: Page):
    app = deployed(page, stack, "bob", "hello")
    page.goto(address(stack, f"/apps/{app}"))
    top_up(page)
    page.get_by_role("link", name="Cancel").click()
    expect(page).to_have_url(address(stack, f"/apps/{app}"))
    assert stack.billing(app, "get_worker_billing")["funding_cents"] == "0"
    page.goto(address(stack, "/payments"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Your payments")
    expect(page.get_by_text(app)).to_have_count(0)


def test_fifty_reports_of_one_session_credit_it_once(stack: RunningStack, page: Page):
    app = deployed(page, stack, "bob", "palette")
    page.goto(address(stack, f"/apps/{app}"))
    stack.stripe("webhooks", paused=True)
    top_up(page, "12.34")
    pay(page)
    page.wait_for_url(address(stack, "/**"))
    path = page.url.removeprefix(address(stack).rstrip("/"))
    with ThreadPoolExecutor(25) as pool:
        pages = [pool.submit(stack.request, "localhost", "GET", path) for _ in range(25)]
        stack.stripe("webhooks", copies=25)
        assert [page.result().status_code for page in pages] == [200] * 25
    assert soon(lambda: not stack.stripe("undelivered"))
    stack.stripe("webhooks", copies=1)
    assert stack.billing(app, "get_worker_billing")["funding_cents"] == "1234"
    assert len(stack.billing(app, "list_payments")) == 1
    # A refund and a dispute take it back, by webhooks alone.
    session = path.split("/")[2]
    stack.stripe("refund", session=session, cents=234)
    assert soon(lambda: stack.billing(app, "get_worker_billing")["funding_cents"] == "1000")
    dispute = stack.stripe("dispute", session=session)
    assert soon(lambda: int(stack.billing(app, "get_worker_billing")["funding_cents"]) < 0)
    stack.stripe("close_dispute", dispute=dispute["id"], won=True)
    assert soon(lambda: stack.billing(app, "get_worker_billing")["funding_cents"] == "1000")
    page.goto(address(stack, "/payments"))
    rows = page.get_by_role("table", name="Your payments").get_by_role("row")
    expect(rows.filter(has_text="Payment and receipt").filter(has_text="$12.34")).to_be_visible()
    expect(rows.filter(has_text="Refund").filter(has_text="-$2.34")).to_be_visible()
    expect(rows.filter(has_text="Dispute").filter(has_text="takes nothing")).to_be_visible()


def test_a_payment_that_settles_later_is_credited_then(stack: RunningStack, page: Page):
    app = deployed(page, stack, "operator", "hello")
    page.goto(address(stack, f"/apps/{app}"))
    top_up(page, "3.00")
    pay(page, "Settles later")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your payment is being processed")
    session = page.url.split("/")[4]
    stack.stripe("settle", session=session)
    assert soon(lambda: stack.billing(app, "get_worker_billing")["funding_cents"] == "300")
    # The page has said so by itself.
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Added $3.00 to {app}")
    expect(page).to_have_title("Payment · Codius Workers")


FETCHES = """async (url) => {
  const image = new Image();
  image.src = url + "picture.png";
  const script = document.createElement("script");
  script.src = url + "script.js";
  document.head.append(script);
  const ends = [image, script].map((it) => new Promise((end) => it.onerror = () => end("refused")));
  const answer = await fetch(url + "data", {mode: "same-origin"});
  return [answer.status, answer.redirected, answer.headers.get("content-type"), ...await Promise.all(ends)];
}"""


FRAMES = "(src) => document.body.append(Object.assign(document.createElement('iframe'), {src}))"


def test_what_a_page_of_an_app_without_balance_fetches_is_refused_where_it_is(
    stack: RunningStack, browser: Browser
):
    stack.deploy(stack.root / "examples" / "hello", "fetched")
    with browser.new_context() as context:
        page = context.new_page()
        url = f"http://fetched.localhost:{stack.port}/"
        page.goto(url)
        for _ in range(100):
            stack.get("fetched")
        assert page.evaluate(FETCHES, url) == [402, False, "application/problem+json", "refused", "refused"]
        # In a frame it says so itself, and leads the window on.
        page.evaluate(FRAMES, url)
        page.frame_locator("iframe").get_by_role("link", name="Its balance").click()
        page.wait_for_url(address(stack, "/apps/fetched/402"))
        expect(page.get_by_text("uploaded by the operator, who alone can top it up")).to_be_visible()
