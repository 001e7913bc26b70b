"""What the dashboard asks GitHub and what the local GitHub answers, against GitHub's own description."""

from __future__ import annotations

import asyncio
import html
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.github.server import GitHub
from local.github.webhooks import Delivery
from model.app import App
from tests.dashboard.dashboard_site import ALICE, GITHUB, Site, signed
from tests.dashboard.with_github import authorize, begin_login, git, with_github
from tests.github_description import check_exchange, webhook_examples

API = "/api/v3"
# Optional in a payload: of accounts and repositories of other kinds than those here.
OPTIONAL = {"organization", "installation", "deployment", "enterprise"}


class Checked:
    """An application whose every answer to the API is held against the description."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.operations: set[tuple[str, int]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent, answered = bytearray(), bytearray()
        start: dict[str, Any] = {}

        async def receive_and_keep() -> Message:
            message = await receive()
            sent.extend(message.get("body", b""))
            return message

        async def send_and_keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            answered.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, receive_and_keep, send_and_keep)
        if scope["path"].startswith(API) and start["status"] != 301:
            headers = dict(start["headers"])
            path = scope["raw_path"].decode().partition("?")[0].removeprefix(API)
            operation = check_exchange(
                scope["method"],
                path,
                json.loads(bytes(sent)) if sent else None,
                start["status"],
                headers.get(b"content-type", b"").decode(),
                bytes(answered),
            )
            self.operations.add((operation, start["status"]))


def test_every_question_and_answer_is_as_github_describes_it(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        site.servers[GITHUB] = checked = Checked(site.servers[GITHUB])
        visitor = site.visitor()
        await visitor.get(await authorize(github, await begin_login(visitor), "alice"))
        commit = git(tmp_path / "hello", "rev-parse", "v1")
        stray = git(tmp_path / "hello", "rev-parse", "left-behind")
        for path in (
            "",
            "/tree/feature/login/api",
            f"/tree/{commit}/api",
            f"/tree/{stray}",
            "/tree/main/docs",
            f"/tree/{'a' * 40}",
        ):
            await visitor.post("/apps", {"repository": f"{GITHUB}/alice/hello{path}"})
        await visitor.post("/apps", {"repository": f"{GITHUB}/alice/nothing"})
        for app in await site.services.apps.latest(10):
            await site.services.deployments.look_after(app, site.now)
            assert app.run_id is not None
            await site.services.deployments.actions.cancel(app.run_id)
            await site.services.deployments.actions.find(app.id)
        await site.services.actions.require()
        assert checked.operations >= {
            ("users/get-authenticated", 200),
            ("repos/get", 200),
            ("repos/get", 404),
            ("git/list-matching-refs", 200),
            ("repos/get-commit", 200),
            ("repos/get-commit", 422),
            ("repos/get-content", 200),
            ("git/get-tree", 200),
            ("repos/compare-commits-with-basehead", 200),
            ("repos/list-branches-for-head-commit", 200),
            ("actions/create-workflow-dispatch", 200),
            ("actions/get-workflow-run", 200),
            ("actions/list-jobs-for-workflow-run", 200),
            ("actions/list-workflow-runs", 200),
            ("actions/cancel-workflow-run", 202),
            ("actions/get-workflow", 200),
        }

    with_github(tmp_path, work)


async def run_to_its_end(site: Site, github: GitHub, directory: str) -> App:
    """Deploy, and wait for the run's last delivery."""
    response = await site.visitor(ALICE).post(
        "/apps", {"repository": f"{GITHUB}/alice/hello/tree/main/{directory}"}
    )
    assert response.status_code == 303
    app = await site.app(response.headers["location"].removeprefix("/apps/"))
    assert app.run_id is not None
    await asyncio.wait_for(github.actions.ended(app.run_id), 30)
    return app


async def deliver(site: Site, delivery: Delivery) -> int:
    _, headers = signed(delivery.body.decode())
    headers |= {"x-github-event": delivery.event}
    response = await site.visitor().ask("POST", "/webhooks/github", headers, delivery.body.decode())
    return response.status_code


@pytest.mark.parametrize(
    ("directory", "status", "failure"),
    [
        ("api", "deployed", None),
        ("broken", "failed", "The build failed.\nThe <b>entry</b> is missing.\nIt has no & main."),
    ],
)
def test_an_app_follows_what_actions_tell_of_its_run(
    tmp_path: Path, directory: str, status: str, failure: str | None
) -> None:
    async def work(site: Site, github: GitHub) -> None:
        site.servers[GITHUB] = checked = Checked(site.servers[GITHUB])
        app = await run_to_its_end(site, github, directory)
        for delivery in github.webhook.deliveries:
            assert await deliver(site, delivery) == 204
        app = await site.app(app.id)
        assert (app.status, app.failure, app.run_ended) == (status, failure, True)
        assert (("checks/list-annotations", 200) in checked.operations) == (failure is not None)
        if failure is not None:
            page = (await site.visitor(ALICE).get(f"/apps/{app.id}")).text
            assert all(html.escape(line) in page for line in failure.split("\n"))

    with_github(tmp_path, work)


def test_webhooks_have_the_fields_of_githubs_own_examples(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        await run_to_its_end(site, github, "api")
        await run_to_its_end(site, github, "broken")
        actions = set()
        for delivery in github.webhook.deliveries:
            payload = json.loads(delivery.body)
            actions.add((delivery.event, payload["action"]))
            examples = webhook_examples(delivery.event)
            required = set.intersection(*(set(example) for example in examples)) - OPTIONAL
            assert required <= set(payload)
            for part in ("workflow_run", "workflow_job", "workflow", "repository", "sender"):
                if part in payload:
                    assert_like_examples(payload[part], [item[part] for item in examples if part in item])
        assert actions == {
            ("workflow_run", "requested"),
            ("workflow_run", "in_progress"),
            ("workflow_run", "completed"),
            ("workflow_job", "queued"),
            ("workflow_job", "in_progress"),
            ("workflow_job", "completed"),
        }

    with_github(tmp_path, work)


def assert_like_examples(part: dict[str, Any], examples: list[dict[str, Any]]) -> None:
    """Every field that all examples have is there, with a type that one of them has."""
    for name in set.intersection(*(set(example) for example in examples)):
        assert name in part, f"{name} is missing"
        types = {type(example[name]) for example in examples} | {type(None)}
        assert type(part[name]) in types, f"{name} is {part[name]!r}"


def test_githubs_own_examples_are_accepted_and_are_of_no_app(tmp_path: Path) -> None:
    async def work(site: Site, github: GitHub) -> None:
        for event in ("workflow_run", "workflow_job", "ping", "push", "check_run"):
            for example in webhook_examples(event):
                body = json.dumps(example | {"repository": {"full_name": "codius/codius-workers"}})
                before = site.database.dump()
                assert await deliver(site, Delivery("guid", event, body.encode())) == 204
                assert site.database.dump() == before

    with_github(tmp_path, work)
