"""What an app asked for and doesn't get: from the signed manifest to its pages."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloudflare.namespace_store import NamespaceStore
from local.cloudflare.namespaces import DispatchNamespaces
from model.left_out import MAX_LENGTH, MEANINGS, MOST, Thing, left_out_in
from model.progress import RunReport
from pipeline.left_out import left_out
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import ALICE, CLOUDFLARE, GITHUB, SOURCE, Site
from tests.dashboard.test_checks import bundle_with

APP = "bcdfghjkmnpq"
THINGS = [{"name": "COUNTER", "kind": "Durable Object"}, {"name": "<b>", "kind": "Cron Trigger"}]
SENTENCE = (
    "COUNTER (Durable Object) isn't there: code that uses it will throw. "
    "&lt;b&gt; (Cron Trigger) isn't there: nothing runs at these times."
)


def words_of(page: httpx.Response) -> str:
    return " ".join(re.sub("<[^>]*>", "", page.text).split())


def deployed_with(
    left_out: Any, is_attested: bool = True, statuses: list[str] | None = None
) -> tuple[Site, CannedServer]:
    """A site whose app was deployed just now, with this in its manifest; `is_attested` if GitHub has that.

    `statuses` are the app's when others are asked.
    """
    manifest = json.dumps({"leftOut": left_out}).encode()
    sha256, github = hashlib.sha256(manifest).hexdigest(), CannedServer()
    site = Site({GITHUB: github, CLOUDFLARE: CannedServer()})
    github.on("POST", "/dispatches", content={"workflow_run_id": 7})
    attestations = [{"bundle": bundle_with(manifest)}] if is_attested else []
    github.on("GET", f"/attestations/sha256:{sha256}", content={"attestations": attestations})

    async def note_status() -> None:
        app = await site.services.apps.get(APP)
        if app is not None and statuses is not None:
            statuses.append(app.status)

    async def deploy() -> None:
        site.pause = note_status
        await site.log_in(ALICE)
        await site.services.deployments.deploy(APP, ALICE, SOURCE, site.now)
        for report in (
            RunReport(7, 1, "deploying", manifest_sha256=sha256),
            RunReport(7, 1, "deployed", "success", APP),
        ):
            await site.services.deployments.report(APP, report, site.now)

    asyncio.run(deploy())
    return site, github


def test_it_is_on_the_app_s_page_before_the_first_visitor_comes() -> None:
    site, _ = deployed_with(THINGS)
    assert SENTENCE in words_of(asyncio.run(site.visitor().get(f"/apps/{APP}")))
    # Nobody has looked at what serves.
    assert not [asked for asked in site.asked if CLOUDFLARE in asked]
    assert SENTENCE in words_of(asyncio.run(site.visitor().get(f"/apps/{APP}/attestation")))


def test_it_is_known_before_the_page_that_follows_the_deploy_sees_its_end() -> None:
    statuses: list[str] = []
    deployed_with(THINGS, statuses=statuses)
    assert statuses == ["pending", "deploying"]  # the run is begun, the attestation asked for


@pytest.mark.parametrize("left_out", [[], None, "COUNTER", {"name": "COUNTER"}, [1, {"name": 1}, "x"]])
def test_an_app_that_gets_all_it_asked_for_says_nothing_of_it(left_out: Any) -> None:
    site, _ = deployed_with(left_out)
    assert "isn't there" not in words_of(asyncio.run(site.visitor().get(f"/apps/{APP}")))


def test_what_github_could_not_say_at_once_is_there_after_the_first_check(tmp_path: Path) -> None:
    async def on_change(name: str) -> None:
        pass

    site, github = deployed_with(THINGS, is_attested=False)
    namespaces = DispatchNamespaces(NamespaceStore(tmp_path), ("testing",), on_change)
    site.servers[CLOUDFLARE] = namespaces.application()
    assert "isn't there" not in words_of(asyncio.run(site.visitor().get(f"/apps/{APP}")))
    (path,) = {path for path in github.paths("GET") if "/attestations/" in path}
    bundle = bundle_with(json.dumps({"leftOut": THINGS}).encode())
    where = path[path.index("/attestations/") :]
    github.on("GET", where, content={"attestations": [{"bundle": bundle}]})
    assert SENTENCE in words_of(asyncio.run(site.visitor().get(f"/apps/{APP}/attestation")))
    assert SENTENCE in words_of(asyncio.run(site.visitor().get(f"/apps/{APP}")))


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    site, _ = deployed_with([{"name": f"N{number}", "kind": "Queue"} for number in range(MOST + 3)])
    words = words_of(asyncio.run(site.visitor().get(f"/apps/{APP}")))
    assert f"N{MOST - 1} (Queue) isn't there: code that uses it will throw. And 3 more." in words
    assert f"N{MOST} " not in words


@given(st.lists(st.fixed_dictionaries({"name": st.text(), "kind": st.text()}), max_size=60))
def test_each_thing_has_one_line_of_a_bounded_length(listed: list[dict[str, str]]) -> None:
    found = left_out_in(listed)
    assert len(found.things) + found.more == len(listed)
    assert len(found.things) <= MOST
    for thing in found.things:
        for text in (thing.name, thing.kind):
            assert len(text) <= MAX_LENGTH + 1
            assert text.isprintable()


def test_what_each_kind_means_is_said_of_kinds_that_the_pipeline_names() -> None:
    config = {
        "addresses": ["a@b.example"],
        "env": {"production": {"vars": {"A": "1"}}},
        "other": 1,
        "queues": {"consumers": [{"queue": "q"}]},
        "routes": ["a.example/*", {"pattern": "b.example", "custom_domain": True}],
        "secrets": {"required": ["S"]},
        "tail_consumers": [{"service": "t"}],
        "triggers": {"crons": ["* * * * *"]},
    }
    assert {thing.kind for thing in left_out(config, [], "production")} == MEANINGS.keys()
    assert Thing("DB", "D1 Database").meaning == "code that uses it will throw"


def test_what_is_left_out_is_shown_as_it_is_named() -> None:
    assert left_out_in(THINGS).things[0] == Thing("COUNTER", "Durable Object")
