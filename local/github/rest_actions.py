"""The REST API's endpoints on workflows and their runs that the product asks.

After GitHub's REST API reference: "Workflows", "Workflow runs", "Workflow jobs", "Check runs" (a job is one).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.github.actions import Actions, DispatchRefusedError
from local.github.payloads import Payloads
from local.github.rest import Rest, RestError
from local.github.runs import Run
from local.github.workflow import Workflow

MAX_PER_PAGE = 100
Item = TypeVar("Item")
MAX_INPUTS = 25


class ActionsEndpoints:
    """`full_name` is the one repository that has workflows."""

    def __init__(self, rest: Rest, actions: Actions, payloads: Payloads, full_name: str) -> None:
        self._rest, self._actions, self._payloads, self._full_name = rest, actions, payloads, full_name

    def routes(self) -> list[Route]:
        route, base = self._rest.route, "/repos/{owner}/{name}/actions"
        return [
            route(base + "/workflows/{file}", self.workflow),
            route(base + "/workflows/{file}/dispatches", self.dispatch, "POST"),
            route(base + "/workflows/{file}/runs", self.runs),
            route(base + "/runs/{id:int}", self.run),
            route(base + "/runs/{id:int}/jobs", self.jobs),
            route("/repos/{owner}/{name}/check-runs/{id:int}/annotations", self.annotations),
            route(base + "/runs/{id:int}/cancel", self.cancel, "POST"),
            route(base + "/runs/{id:int}/rerun", self.rerun, "POST"),
        ]

    async def workflow(self, request: Request) -> Response:
        self._workflow(request)
        payloads = self._actions.payloads
        return JSONResponse(
            payloads.workflow(request.path_params["file"], payloads.repository.default_branch)
        )

    async def dispatch(self, request: Request) -> Response:
        workflow = self._workflow(request)
        self._require_operator(request)
        content = await read_object(request)
        ref, inputs = content.get("ref"), content.get("inputs", {})
        if not isinstance(ref, str):
            raise RestError(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
        if self._actions.payloads.repository.commit(ref) is None:
            raise RestError(422, f"No ref found for: {ref}")
        if not isinstance(inputs, dict) or len(inputs) > MAX_INPUTS:
            raise RestError(422, f"Invalid request.\n\nNo more than {MAX_INPUTS} properties are allowed.")
        texts = {str(name): str(value) for name, value in inputs.items()}
        try:
            run = self._actions.dispatch(request.path_params["file"], workflow, texts, "operator")
        except DispatchRefusedError as error:
            raise RestError(422, str(error)) from error
        if content.get("return_run_details") is not True:
            return Response(status_code=204)
        told = self._actions.payloads.run(run)
        return JSONResponse({"workflow_run_id": run.id, "run_url": told["url"], "html_url": told["html_url"]})

    async def runs(self, request: Request) -> Response:
        self._workflow(request)
        query = request.query_params
        found = [
            run
            for run in self._actions.store
            if run.workflow == request.path_params["file"]
            and query.get("event", "workflow_dispatch") == "workflow_dispatch"
            and query.get("status", run.status) in (run.status, run.conclusion)
        ]
        shown = [self._actions.payloads.run(run) for run in page_of(found, request)]
        return JSONResponse({"total_count": len(found), "workflow_runs": shown})

    async def run(self, request: Request) -> Response:
        return JSONResponse(self._actions.payloads.run(self._run(request)))

    async def jobs(self, request: Request) -> Response:
        run = self._run(request)
        jobs = [self._actions.payloads.job(run, job) for job in run.jobs.values()]
        return JSONResponse({"total_count": len(jobs), "jobs": jobs})

    async def annotations(self, request: Request) -> Response:
        self._require_repository(request)
        jobs = ((run, job) for run in self._actions.store for job in run.jobs.values())
        run, job = next((pair for pair in jobs if pair[1].id == request.path_params["id"]), (None, None))
        if run is None or job is None:
            raise RestError(404, "Not Found")
        found = page_of(job.annotations, request)
        return JSONResponse([self._actions.payloads.annotation(run, annotation) for annotation in found])

    async def cancel(self, request: Request) -> Response:
        run = self._run(request)
        self._require_operator(request)
        if run.has_ended:
            raise RestError(409, "Cannot cancel a workflow run that is completed.")
        self._actions.cancel(run)
        return JSONResponse({}, 202)

    async def rerun(self, request: Request) -> Response:
        run = self._run(request)
        self._require_operator(request)
        if not run.has_ended:
            raise RestError(403, "This workflow is already running")
        self._actions.rerun(run)
        return JSONResponse({}, 201)

    def _require_operator(self, request: Request) -> None:
        if request.state.grant != "operator":
            raise RestError(403, "Must have admin rights to Repository.")

    def _require_repository(self, request: Request) -> None:
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        if name.lower() != self._full_name.lower():
            raise RestError(404, "Not Found")

    def _workflow(self, request: Request) -> Workflow:
        self._require_repository(request)
        workflow = self._actions.workflow(request.path_params["file"])
        if workflow is None:
            raise RestError(404, "Not Found")
        return workflow

    def _run(self, request: Request) -> Run:
        self._require_repository(request)
        run = self._actions.store.get(request.path_params["id"])
        if run is None:
            raise RestError(404, "Not Found")
        return run


def page_of(items: Sequence[Item], request: Request) -> Sequence[Item]:
    """The page that is asked for ("Using pagination in the REST API")."""
    query = request.query_params
    per_page = min(MAX_PER_PAGE, int(query.get("per_page", "30")))
    start = (int(query.get("page", "1")) - 1) * per_page
    return items[start : start + per_page]


async def read_object(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(await request.body())
    except ValueError:
        raise RestError(400, "Problems parsing JSON") from None
    if not isinstance(content, dict):
        raise RestError(400, "Body should be a JSON object")
    return content
