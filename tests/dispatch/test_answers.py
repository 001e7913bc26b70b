import json
from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest

import answers
from answers import Answer, Asker, Home

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
AXIOS = "application/json, text/plain, */*"
DASHBOARD = "https://dashboard.example"
HOME = Home(DASHBOARD)
ANSWERS: list[tuple[Callable[[Asker, Home], Answer], int]] = [
    (lambda asker, home: answers.no_such_app(asker, home), 404),
    (lambda asker, home: answers.missing(asker, home, "hello"), 404),
    (lambda asker, home: answers.deleted(asker, home, "hello"), 410),
    (lambda asker, home: answers.too_many_in_vain(asker, home), 429),
    (lambda asker, home: answers.app_failed(asker, home, "hello"), 502),
    (lambda asker, home: answers.billing_unavailable(asker, home, "hello"), 503),
]
# What Chromium sends for an image, and for what a script fetches, sends as a form, or loads as a module.
FETCHED = [
    ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "no-cors", "image"),
    ("*/*", "no-cors", "script"),
    ("*/*", "cors", "script"),
    ("*/*", "cors", "empty"),
    ("*/*", "same-origin", "empty"),
    (None, "cors", "empty"),
]


def asker(
    accept: str | None = None,
    method: str = "GET",
    request_id: str = "r-1",
    target: str = "/",
    mode: str | None = None,
    destination: str | None = None,
) -> Asker:
    return Asker(method, accept, request_id, target, mode, destination)


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "  ",
        "*/*",
        "text/html",
        "TEXT/HTML",
        "text/*",
        CHROME,
        FIREFOX,
        "text/html, application/json",
        "text/html, application/json;q=nan",
        "application/json, text/html",
        "application/json;q=0.5, text/html",
        "application/json;q=0.5, */*",
        "text/html;level=1",
        "text/html;q=0.001",
        "text/html ; q=0.5 , application/json ; q=0.4",
        "text/html;charset=utf-8;q=0.9, application/json;q=0.8",
        "application/json;q=x, text/html;q=0.1",
        "application/json;q=0, */*",
    ],
)
def test_html_is_given_where_json_is_not_preferred(accept: str | None) -> None:
    assert asker(accept).wants_html()
    assert asker(accept, "HEAD").wants_html()


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/*",
        "application/problem+json",
        "application/json, */*",
        "application/problem+json, */*",
        "application/problem+json, text/html;q=0.5",
        "text/html;q=inf, application/json",
        "application/json, */*;q=0.1",
        "application/json, text/html;q=0.9",
        "text/html;q=0.4, application/json;q=0.5",
        "text/*;q=0.5, application/json",
        AXIOS,
        "text/html;q=0",
        "text/html;q=0, */*",
        "text/html;q=0.0, text/*",
        "*/*;q=0",
        "text/html;q=",
        "text/html;q=x",
        "text/html;q=nan",
        "text/plain",
        "image/*",
        "text/htmlx",
        ",",
        ";",
        "text/html;Q=0",
    ],
)
def test_json_is_given_otherwise(accept: str) -> None:
    assert not asker(accept).wants_html()
    assert not asker(accept, "HEAD").wants_html()


@pytest.mark.parametrize("item", ["application/json", "text/html;q=0", "a/b", ";q=1", "x"])
def test_an_accept_header_of_any_length_takes_little_to_read(item: str) -> None:
    """Past a length it says nothing, as if it weren't there."""
    long = ",".join([item] * 60_000)
    assert answers.media_ranges(long) == answers.media_ranges(None)
    assert asker(long).wants_html()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"])
@pytest.mark.parametrize("accept", [None, "*/*", "text/html", CHROME])
def test_only_reading_is_answered_with_a_page(method: str, accept: str | None) -> None:
    assert not asker(accept, method).wants_html()


@pytest.mark.parametrize(("answer", "status"), ANSWERS)
def test_a_problem_document_says_what_is_wrong(answer: Callable[[Asker, Home], Answer], status: int) -> None:
    given = answer(asker("application/json"), HOME)
    assert given.status == status
    assert given.headers["content-type"] == "application/problem+json"
    body = json.loads(given.body)
    assert body.keys() == {"type", "title", "status", "detail", "request_id"}
    assert (body["type"], body["status"], body["request_id"]) == ("about:blank", status, "r-1")
    assert body["title"]
    assert body["detail"]


@pytest.mark.parametrize(("answer", "status"), ANSWERS)
def test_a_page_says_the_same(answer: Callable[[Asker, Home], Answer], status: int) -> None:
    problem = json.loads(answer(asker("application/json"), HOME).body)
    page = answer(asker("text/html"), HOME)
    assert page.status == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<h1>{problem['title']}</h1>" in page.body
    assert problem["detail"].replace("'", "&#x27;") in page.body
    assert "<code>r-1</code>" in page.body
    assert f'<a href="{DASHBOARD}" target="_top">Codius Workers</a>' in page.body
    if status != 429:
        assert page.body.count("<a href=") == 2, "a page leads on to what it is about"


@pytest.mark.parametrize(("accept", "mode", "destination"), FETCHED)
@pytest.mark.parametrize(("answer", "status"), ANSWERS)
def test_what_a_page_fetches_is_not_answered_with_another(
    answer: Callable[[Asker, Home], Answer], status: int, accept: str | None, mode: str, destination: str
) -> None:
    given = answer(asker(accept, mode=mode, destination=destination), HOME)
    assert (given.status, given.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("mode", ["cors", "same-origin", "no-cors"])
def test_who_fetches_html_by_name_is_given_html(mode: str) -> None:
    """As a service worker does for a navigation, and a library that fetches parts of pages."""
    assert asker(CHROME, mode=mode, destination="empty").wants_html()


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize(("answer", "status"), ANSWERS)
def test_no_answer_is_cached_and_each_names_its_request(
    answer: Callable[[Asker, Home], Answer], status: int, accept: str
) -> None:
    headers = answer(asker(accept), HOME).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"] == "r-1"
    assert ("retry-after" in headers) is (status in (429, 503))


@pytest.mark.parametrize(("answer", "status"), ANSWERS)
def test_no_answer_promises_that_nothing_was_charged(
    answer: Callable[[Asker, Home], Answer], status: int
) -> None:
    """Billing may have counted a request whose answer was lost, or that it could not be told to give back."""
    assert "charged" not in answer(asker(), HOME).body


def test_unavailable_billing_says_that_the_app_was_not_asked() -> None:
    assert "so the app was not asked" in answers.billing_unavailable(asker(), HOME, "hello").body


def test_unavailable_billing_says_when_to_try_again() -> None:
    headers = answers.billing_unavailable(asker("application/json"), HOME, "hello").headers
    assert int(headers["retry-after"]) > 0


TOP_UP_PAGE = "https://dashboard.example/apps/hello/402"


@pytest.mark.parametrize(("mode", "destination"), [(None, None), ("navigate", "document")])
def test_a_browser_is_sent_to_the_page_where_the_app_is_topped_up(
    mode: str | None, destination: str | None
) -> None:
    who = asker(CHROME, mode=mode, destination=destination)
    answer = answers.insufficient_balance(who, HOME, "hello")
    assert answer.status == 302
    assert answer.headers["location"] == TOP_UP_PAGE
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"] == "r-1"
    assert answer.body == ""


@pytest.mark.parametrize("target", ["/deep/link?a=b&c=d", "/%2F?next=%26", "//other.example/", "/?q=a+b#"])
def test_the_page_knows_where_the_visitor_wanted_to_go(target: str) -> None:
    answer = answers.insufficient_balance(asker(CHROME, target=target), HOME, "hello")
    page, _, query = answer.headers["location"].partition("?")
    assert page == TOP_UP_PAGE
    assert parse_qsl(query) == [("next", target)]


def test_a_target_of_any_length_makes_no_longer_address() -> None:
    answer = answers.insufficient_balance(asker(CHROME, target="/" + "%" * 100_000), HOME, "hello")
    assert answer.headers["location"] == TOP_UP_PAGE


@pytest.mark.parametrize(("accept", "mode", "destination"), FETCHED)
def test_what_a_page_fetches_of_an_app_without_balance_is_refused_and_not_redirected(
    accept: str | None, mode: str, destination: str
) -> None:
    who = asker(accept, mode=mode, destination=destination, target="/data")
    answer = answers.insufficient_balance(who, HOME, "hello")
    assert (answer.status, answer.headers["content-type"]) == (402, "application/problem+json")
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("mode", "destination"), [("navigate", "iframe"), ("navigate", "embed"), ("cors", "empty")]
)
def test_a_frame_says_it_itself_and_leads_the_window_on(mode: str, destination: str) -> None:
    """The dashboard is shown in no frame, and read by no script of an app."""
    who = asker(CHROME, mode=mode, destination=destination, target="/a?b")
    answer = answers.insufficient_balance(who, HOME, "hello")
    assert (answer.status, answer.headers["content-type"]) == (402, "text/html; charset=utf-8")
    assert f'<a href="{TOP_UP_PAGE}?next=%2Fa%3Fb" target="_top">' in answer.body


@pytest.mark.parametrize("who", [asker("application/json"), asker(CHROME, "POST")])
def test_a_program_is_told_that_payment_is_required_and_where(who: Asker) -> None:
    answer = answers.insufficient_balance(who, HOME, "hello")
    assert answer.status == 402
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert "location" not in answer.headers
    body = json.loads(answer.body)
    assert (body["type"], body["status"]) == (TOP_UP_PAGE, 402)
    assert TOP_UP_PAGE in body["detail"]


@pytest.mark.parametrize(("answer", "status"), ANSWERS)
def test_a_page_leads_to_where_abuse_is_reported_if_a_setting_says_where(
    answer: Callable[[Asker, Home], Answer], status: int
) -> None:
    link = '<a href="mailto:abuse@example.com" target="_top">Report abuse</a>'
    for contact in ("", "mailto:abuse@example.com"):
        page = answer(asker("text/html"), Home(DASHBOARD, contact))
        assert page.status == status
        assert (link in page.body) is bool(contact)


def test_what_goes_into_a_page_is_escaped() -> None:
    hostile = "<script>alert('1')</script>&\""
    who, link = asker("text/html", request_id=hostile), answers.Link(hostile, hostile)
    page = answers.problem(who, 500, hostile, hostile, link=link, home=Home(hostile, hostile)).body
    escaped = "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;&amp;&quot;"
    assert page.count(escaped) == 8
    assert "<script" not in page


def test_what_goes_into_a_problem_document_comes_back_as_it_was() -> None:
    hostile = "\"}\n{<&'é\\"
    body = answers.problem(asker("application/json", request_id=hostile), 500, hostile, hostile).body
    assert json.loads(body) == {
        "type": "about:blank",
        "title": hostile,
        "status": 500,
        "detail": hostile,
        "request_id": hostile,
    }


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (answers.nothing_published, 404, "not_found"),
        (answers.method_not_allowed, 405, "method_not_allowed"),
        (answers.attestation_unavailable, 503, "dashboard_unavailable"),
    ],
)
@pytest.mark.parametrize("accept", [None, "text/html"])
def test_errors_of_the_platform_s_own_path_are_json_for_everyone(
    answer: Callable[[Asker], Answer], status: int, error: str, accept: str | None
) -> None:
    found = answer(asker(accept))
    assert (found.status, json.loads(found.body)["error"]) == (status, error)
    assert found.headers["access-control-allow-origin"] == "*"
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["x-request-id"] == "r-1"


@pytest.mark.parametrize("contact", ["", "mailto:abuse@example.com", 'https://example.com/?a="b"'])
def test_what_is_suspended_says_why_and_whom_to_write_to(contact: str) -> None:
    def answer(accept: str) -> Answer:
        return answers.suspended(asker(accept), Home(DASHBOARD, contact), "app", "It <imitates>.")

    page = answer("text/html")
    assert (page.status, page.headers["cache-control"]) == (403, "no-store")
    assert "It &lt;imitates&gt;." in page.body
    assert ("Write to the operator" in page.body) is bool(contact)
    assert 'a="b"' not in page.body
    problem = json.loads(answer("application/json").body)
    assert (problem["status"], problem["reason"]) == (403, "It <imitates>.")
    assert problem.get("contact", "") == contact
