"""Deploying, following, trying again and deleting: what holds when any step fails, or comes twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from clients.billing import BillingUnavailableError
from clients.cloudflare import CloudflareError
from hosting.deployments import INTERRUPTED, VANISHED, AlreadyDeployedError
from model.app import APP_ID, ID_LENGTH, App, new_id
from model.limits import Limits
from model.progress import RunReport
from tests.dashboard.canned import CannedServer
from tests.dashboard.dashboard_site import ALICE, BOB, CLOUDFLARE, GITHUB, SOURCE, Site
from tests.dashboard.sqlite_d1 import SqliteD1
from upkeep import APPS_AT_ONCE, EXPLAINED_MS, OVERDUE_MS

APP = "bcdfghjkmnpq"
DISPATCHES = "/actions/workflows/deploy-worker.yml/dispatches"
RUNS = "/actions/workflows/deploy-worker.yml/runs"
SCRIPT = f"/client/v4/accounts/account/workers/dispatch/namespaces/testing/scripts/{APP}"


class World:
    """A site with a GitHub and a Cloudflare that say what the test tells them to."""

    def __init__(self, limits: Limits | None = None, database: SqliteD1 | None = None) -> None:
        self.github, self.cloudflare = CannedServer(), CannedServer()
        self.site = Site({GITHUB: self.github, CLOUDFLARE: self.cloudflare}, limits, database)
        self.services = self.site.services
        self.failures: list[str] = []
        self.github.on("POST", DISPATCHES, 200, {"workflow_run_id": 7})
        self.github.on("GET", RUNS, 200, {"total_count": 0, "workflow_runs": []})
        self.cloudflare.on("DELETE", SCRIPT, 200, {"success": True})

    async def deploy(self) -> App:
        await self.site.log_in(ALICE)
        await self.services.deployments.deploy(APP, ALICE, SOURCE, self.site.now)
        return await self.app()

    async def app(self) -> App:
        return await self.site.app(APP)

    async def report(self, *reports: RunReport) -> App:
        for report in reports:
            await self.services.deployments.report(APP, report, self.site.now)
        return await self.app()

    async def upkeep(self) -> App:
        """What the cron trigger does when enough time has passed for everything to be overdue."""
        self.site.now += OVERDUE_MS + 1
        await self.services.upkeep.run(self.site.now, lambda subject, error: self.failures.append(str(error)))
        return await self.app()

    def run_is(self, status: str, conclusion: str | None = None, title: str = f"Deploy {APP}") -> None:
        """What GitHub says of run 7 from now on."""
        run = {
            "id": 7,
            "run_attempt": 1,
            "event": "workflow_dispatch",
            "display_title": title,
            "status": status,
            "conclusion": conclusion,
        }
        job = {"run_id": 7, "run_attempt": 1, "name": "build", "status": "in_progress", "conclusion": None}
        self.github.on("GET", RUNS, 200, {"workflow_runs": [run]})
        self.github.on("GET", "/actions/runs/7", 200, run)
        self.github.on("GET", "/actions/runs/7/jobs", 200, {"jobs": [job]})


def in_world(work: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        await work(World())

    asyncio.run(run())


def test_a_deploy_starts_the_workflow() -> None:
    async def work(world: World) -> None:
        app = await world.deploy()
        assert (app.status, app.run_id, app.failure) == ("queued", 7, None)
        ((_, path, content),) = world.github.asked
        assert path.startswith("/api/v3/repos/codius/codius-workers/")
        assert content["ref"] == "main"
        assert content["inputs"] == {
            "appId": APP,
            "repo": "alice/hello",
            "commit": "a" * 40,
            "ref": "main",
            "directory": "",
            "dispatchNamespace": "testing",
        }

    in_world(work)


def test_the_same_source_is_deployed_once_and_the_refusal_names_the_app() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        with pytest.raises(AlreadyDeployedError) as refused:
            await world.services.deployments.deploy("other", ALICE, SOURCE, world.site.now)
        assert refused.value.app.id == APP
        assert len(world.github.asked) == 1
        await world.site.log_in(BOB)
        world.github.on("POST", DISPATCHES, 200, {"workflow_run_id": 8})
        await world.services.deployments.deploy("other", BOB, SOURCE, world.site.now)

    in_world(work)


@pytest.mark.parametrize(
    ("status", "content", "headers", "says"),
    [
        (401, {"message": "Bad credentials"}, {}, "Bad credentials"),
        (403, {"message": "Resource not accessible"}, {}, "Resource not accessible"),
        (404, {"message": "Not Found"}, {}, "did not start the deploy workflow: Not Found"),
        (422, {"message": "No ref found for: main"}, {}, "No ref found for: main"),
        (403, {"message": "API rate limit"}, {"x_ratelimit_remaining": "0"}, "rate limit"),
        (429, None, {}, "rate limit"),
        (403, None, {"retry_after": "60"}, "rate limit"),
    ],
)
def test_a_workflow_that_is_refused_leaves_a_failed_app(
    status: int, content: object, headers: dict[str, str], says: str
) -> None:
    async def work(world: World) -> None:
        world.github.on("POST", DISPATCHES, status, content, **headers)
        app = await world.deploy()
        assert app.status == "failed"
        assert says in (app.failure or "")
        assert app.run_ended
        # Trying again does what is left to do.
        world.github.on("POST", DISPATCHES, 200, {"workflow_run_id": 7})
        await world.services.deployments.retry(app, world.site.now)
        assert (await world.app()).status == "queued"

    in_world(work)


def test_an_app_has_an_account_and_so_is_served_when_its_workflow_has_succeeded_not_before() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        for status in ("building", "attesting", "deploying"):
            await world.report(RunReport(7, 1, status))
            assert await world.services.billing.account(APP) is None
        app = await world.report(RunReport(7, 1, "deployed", "success"))
        account = await world.services.billing.account(APP)
        assert (app.status, account and account.remaining_requests) == ("deployed", 100)

    in_world(work)


def test_an_app_whose_workflow_failed_has_no_account() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        await world.report(RunReport(7, 1, "deploying"), RunReport(7, 1, "failed", "failure"))
        assert await world.services.billing.account(APP) is None

    in_world(work)


def test_an_account_that_could_not_be_opened_is_opened_later() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        await world.report(RunReport(7, 1, "deploying"))
        world.site.billing.is_down = True
        with pytest.raises(BillingUnavailableError):
            await world.report(RunReport(7, 1, "deployed", "success"))
        world.run_is("completed", "success")
        assert (await world.upkeep()).status == "deploying"
        assert len(world.failures) == 1
        world.site.billing.is_down = False
        assert (await world.upkeep()).status == "deployed"
        assert await world.services.billing.account(APP) is not None

    in_world(work)


@pytest.mark.parametrize("status", [500, 502, None])
def test_a_start_without_an_answer_fails_and_its_run_is_followed_when_it_shows_up(status: int | None) -> None:
    async def work(world: World) -> None:
        if status is None:
            del world.site.servers[GITHUB]
        else:
            world.github.on("POST", DISPATCHES, status)
        app = await world.deploy()
        assert app.status == "failed"
        assert not app.run_ended
        world.site.servers[GITHUB] = world.github
        world.run_is("in_progress")
        assert (await world.upkeep()).run_id == 7

    in_world(work)


def test_an_older_server_that_does_not_name_the_run_is_asked_for_it() -> None:
    async def work(world: World) -> None:
        world.github.on("POST", DISPATCHES, 204)
        assert (await world.deploy()).status == "pending"
        world.run_is("in_progress")
        assert (await world.upkeep()).status == "queued"
        assert (await world.upkeep()).status == "building"

    in_world(work)


def test_a_death_before_the_workflow_was_started_is_noticed() -> None:
    async def work(world: World) -> None:
        await world.site.add_app(APP)
        world.run_is("in_progress", title="Deploy another")
        app = await world.upkeep()
        assert (app.status, app.failure, app.run_ended) == ("failed", INTERRUPTED, True)

    in_world(work)


def test_nothing_is_asked_before_it_is_overdue_and_not_again_at_once() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        world.github.asked.clear()
        world.run_is("in_progress")

        async def upkeep_after(milliseconds: int) -> int:
            world.site.now += milliseconds
            await world.services.upkeep.run(world.site.now, lambda subject, error: None)
            asked = len(world.github.asked)
            world.github.asked.clear()
            return asked

        assert await upkeep_after(OVERDUE_MS) == 0
        assert await upkeep_after(1) > 0
        assert await upkeep_after(OVERDUE_MS) == 0

    in_world(work)


def test_without_webhooks_a_deploy_is_followed_by_asking() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        world.run_is("in_progress")
        assert (await world.upkeep()).status == "building"
        world.run_is("completed", "success")
        app = await world.upkeep()
        assert (app.status, app.deployed_at) == ("deployed", world.site.now)
        world.github.asked.clear()
        await world.upkeep()
        assert world.github.asked == []

    in_world(work)


ANNOTATIONS = "/check-runs/70/annotations"
ENDED = RunReport(7, 1, "failed", "failure", APP)


def failed_job(world: World, *said: str, **changed: object) -> None:
    """GitHub has these annotations of run 7's job, which failed."""
    job = {"id": 70, "run_id": 7, "run_attempt": 1, "name": "build", "conclusion": "failure"}
    world.github.on("GET", "/actions/runs/7/jobs", content={"jobs": [job | changed]})
    annotations = [{"annotation_level": "failure", "message": message} for message in said]
    world.github.on("GET", ANNOTATIONS, content=annotations)


def test_a_failed_app_says_what_its_run_says() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        failed_job(world, "There is no main.", "Process completed with exit code 1.")
        app = await world.report(RunReport(7, 1, "building"), ENDED, ENDED)
        assert (app.status, app.failure) == ("failed", "The build failed.\nThere is no main.")
        assert sum(path.endswith(ANNOTATIONS) for path in world.github.paths("GET")) == 1
        assert (await world.upkeep()).failure == app.failure

    in_world(work)


@pytest.mark.parametrize("changed", [{"run_attempt": 2}, {"conclusion": "success"}, {"conclusion": None}])
def test_jobs_that_did_not_fail_give_no_reason(changed: dict[str, object]) -> None:
    async def work(world: World) -> None:
        await world.deploy()
        failed_job(world, "Not this.", **changed)
        assert (await world.report(ENDED)).failure == "The workflow failed."

    in_world(work)


@pytest.mark.parametrize("status", [403, 404, 429, 500])
def test_why_a_run_failed_is_asked_again_when_github_could_not_say(status: int) -> None:
    async def work(world: World) -> None:
        await world.deploy()
        failed_job(world)
        world.github.on("GET", ANNOTATIONS, status)
        assert (await world.report(ENDED)).failure == "The workflow failed."
        assert (await world.upkeep()).failure == "The workflow failed."
        failed_job(world, "There is no main.")
        app = await world.upkeep()
        assert (app.status, app.failure) == ("failed", "The workflow failed.\nThere is no main.")

    in_world(work)


def test_a_run_that_gives_no_reason_is_asked_for_half_an_hour() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        failed_job(world)
        await world.report(ENDED)
        world.site.now += EXPLAINED_MS
        world.github.asked.clear()
        await world.upkeep()
        assert world.github.asked == []

    in_world(work)


def test_a_deploy_that_is_tried_again_meanwhile_is_left_alone() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        failed_job(world)
        failed = await world.report(ENDED)
        world.github.on("POST", DISPATCHES, 200, {"workflow_run_id": 8})
        await world.services.deployments.retry(failed, world.site.now)
        failed_job(world, "There is no main.")
        await world.services.deployments.explain(failed, world.site.now)
        app = await world.app()
        assert (app.status, app.run_id, app.failure) == ("queued", 8, None)

    in_world(work)


def test_a_run_that_github_no_longer_knows_has_failed() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        app = await world.upkeep()
        assert (app.status, app.failure) == ("failed", VANISHED)

    in_world(work)


def test_whatever_fails_in_one_part_of_the_upkeep_the_others_are_done() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        world.run_is("completed", "success")
        # A payment that the database can't be asked for.
        await world.site.database.execute("ALTER TABLE payments RENAME TO elsewhere")
        assert (await world.upkeep()).status == "deployed"
        assert {failure.partition(":")[0] for failure in world.failures} == {"no such table"}

    in_world(work)


def test_upkeep_goes_on_with_the_others_when_one_fails_and_stops_at_the_rate_limit() -> None:
    async def work(world: World) -> None:
        for number in range(3):
            source = replace(SOURCE, directory=f"d{number}")
            await world.site.add_app(f"app{number}", source=source)
        world.github.on("GET", RUNS, 500)
        world.site.now += OVERDUE_MS + 1
        await world.services.upkeep.run(world.site.now, lambda subject, error: world.failures.append(subject))
        assert world.failures == ["app0", "app1", "app2"]
        world.github.on("GET", RUNS, 429)
        world.site.now += OVERDUE_MS + 1
        await world.services.upkeep.run(world.site.now, lambda subject, error: world.failures.append(subject))
        assert len(world.failures) == 4

    in_world(work)


def test_however_many_apps_are_overdue_each_has_its_turn() -> None:
    async def work(world: World) -> None:
        apps = [f"app{number}" for number in range(APPS_AT_ONCE + 5)]
        for number, app_id in enumerate(apps):
            await world.site.add_app(app_id, source=replace(SOURCE, directory=f"d{number}"))
        world.github.on("GET", RUNS, 500)
        for _ in range(2):
            world.site.now += OVERDUE_MS + 1
            await world.services.upkeep.run(
                world.site.now, lambda subject, error: world.failures.append(subject)
            )
        assert set(world.failures) == set(apps)

    in_world(work)


def test_trying_again_twice_starts_one_workflow() -> None:
    async def work(world: World) -> None:
        world.github.on("POST", DISPATCHES, 422, {"message": "no"})
        app = await world.deploy()
        world.github.asked.clear()
        world.github.on("POST", DISPATCHES, 200, {"workflow_run_id": 8})
        retry = world.services.deployments.retry
        await asyncio.gather(*(retry(app, world.site.now) for _ in range(5)))
        assert len(world.github.asked) == 1
        await retry(await world.app(), world.site.now)
        assert len(world.github.asked) == 1

    in_world(work)


def test_reports_that_come_at_once_are_all_followed() -> None:
    async def work(world: World) -> None:
        await world.deploy()
        statuses = ("building", "deploying", "attesting")
        reports = [RunReport(7, 1, status) for status in statuses]  # type: ignore[arg-type]
        ending = RunReport(7, 1, "deployed", "success", APP)
        await asyncio.gather(*(world.report(report) for report in (*reports, ending) * 2))
        app = await world.app()
        assert (app.status, app.run_ended) == ("deployed", True)

    in_world(work)


# Deleting.


async def deployed(world: World) -> App:
    await world.deploy()
    return await world.report(RunReport(7, 1, "deployed", "success", APP))


def test_a_deleted_app_is_gone_everywhere_but_in_the_books() -> None:
    async def work(world: World) -> None:
        await world.services.removals.delete(await deployed(world), world.site.now)
        app = await world.app()
        assert app.status == "deleted"
        assert app.deleted_at == app.removed_at == world.site.now
        assert world.cloudflare.paths("DELETE") == [SCRIPT]
        account = await world.services.billing.account(APP)
        assert account is not None
        assert account.closed_at is not None

    in_world(work)


def test_a_script_that_is_gone_already_is_no_failure() -> None:
    async def work(world: World) -> None:
        world.cloudflare.on("DELETE", SCRIPT, 404, {"success": False})
        await world.services.removals.delete(await deployed(world), world.site.now)
        assert (await world.app()).removed_at is not None

    in_world(work)


@pytest.mark.parametrize("broken", ["billing", "cloudflare refuses", "cloudflare unreachable"])
def test_a_removal_that_failed_is_finished_later(broken: str) -> None:
    async def work(world: World) -> None:
        app = await deployed(world)
        if broken == "billing":
            world.site.billing.is_down = True
        elif broken == "cloudflare refuses":
            world.cloudflare.on("DELETE", SCRIPT, 500)
        else:
            del world.site.servers[CLOUDFLARE]
        with pytest.raises((BillingUnavailableError, CloudflareError)):
            await world.services.removals.delete(app, world.site.now)
        app = await world.app()
        assert (app.status, app.removed_at) == ("deleted", None)
        assert (await world.upkeep()).removed_at is None
        # What the account has used can't be asked either.
        assert len(world.failures) == (2 if broken == "billing" else 1)
        world.site.billing.is_down = False
        world.site.servers[CLOUDFLARE] = world.cloudflare
        world.cloudflare.on("DELETE", SCRIPT, 200)
        assert (await world.upkeep()).removed_at is not None

    in_world(work)


def test_an_app_that_is_deleted_while_it_is_deployed_is_removed_after_its_run() -> None:
    async def work(world: World) -> None:
        app = await world.deploy()
        await world.services.removals.delete(app, world.site.now)
        assert any(path.endswith("/actions/runs/7/cancel") for path in world.github.paths("POST"))
        assert (await world.app()).removed_at is None
        # The run had gone on, and uploads the script after all.
        await world.report(RunReport(7, 1, "deployed", "success", APP))
        removed_before = len(world.cloudflare.paths("DELETE"))
        app = await world.upkeep()
        assert app.removed_at is not None
        assert app.deployed_at is None
        assert len(world.cloudflare.paths("DELETE")) == removed_before + 1

    in_world(work)


def test_deleting_twice_changes_nothing_more() -> None:
    async def work(world: World) -> None:
        app = await deployed(world)
        await world.services.removals.delete(app, world.site.now)
        once = await world.app()
        world.site.now += 1
        await world.services.removals.delete(once, world.site.now)
        assert await world.app() == once

    in_world(work)


@pytest.mark.parametrize("is_running", [True, False])
def test_deleting_again_and_again_asks_cloudflare_and_github_once(is_running: bool) -> None:
    async def work(world: World) -> None:
        app = await (world.deploy() if is_running else deployed(world))
        world.github.asked.clear()
        await asyncio.gather(*(world.services.removals.delete(app, world.site.now) for _ in range(10)))
        for _ in range(10):
            answer = await world.site.visitor(ALICE).post(f"/apps/{APP}/delete")
            assert answer.status_code == 303
        assert world.cloudflare.paths("DELETE") == [SCRIPT]
        assert len(world.github.paths("POST")) == is_running

    in_world(work)


def test_a_deleted_app_is_not_tried_again() -> None:
    async def work(world: World) -> None:
        world.github.on("POST", DISPATCHES, 422)
        failed = await world.deploy()
        await world.services.removals.delete(failed, world.site.now)
        world.github.asked.clear()
        await world.services.deployments.retry(failed, world.site.now)
        assert world.github.asked == []

    in_world(work)


def test_an_id_is_a_dns_label_and_a_workers_name() -> None:
    for pick in (min, max):
        app_id = new_id(pick)
        assert APP_ID.fullmatch(app_id)
        assert len(app_id) == ID_LENGTH
        assert app_id[0].isalpha()
