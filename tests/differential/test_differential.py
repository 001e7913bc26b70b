"""What the pipeline builds of a folder is what wrangler builds of it, and is served as by `wrangler dev`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.artifact import plain_variables
from tests.differential.asking import Answer
from tests.differential.both import Both, Built, both
from tests.differential.differences import BINDINGS, comparable, is_added
from tests.differential.projects import Project, Request, projects


# One test, so that all projects are built and served once, however many processes run the tests.
def test_each_project_is_built_and_served_as_by_wrangler(tmp_path: Path) -> None:
    with both(projects(), tmp_path) as sides:
        found = {
            project.name: [
                *differing_uploads(sides.built[project.name]),
                *(text for request in project.requests() for text in differing(sides, project, request)),
            ]
            for project in projects()
        }
    told = [f"{name}: {difference}" for name, differences in found.items() for difference in differences]
    assert not told, "\n".join(told)


def differing_uploads(built: Built) -> Iterator[str]:
    ours, theirs = built.artifact, built.upload
    found = {name: (ours.media_type(name), ours.modules[name]) for name in ours.modules if not is_added(name)}
    # Where there are static files alone, wrangler adds a Worker that does nothing.
    modules = {module.name: (module.content_type, module.content) for module in theirs.modules if found}
    bindings = theirs.metadata["bindings"]
    kinds = {binding["type"] for binding in bindings} - {"plain_text", "json", *BINDINGS}
    pairs = {
        "modules": (found, modules),
        "compatibility date": (ours.compatibility_date, theirs.metadata["compatibility_date"]),
        "compatibility flags": (list(ours.compatibility_flags), theirs.metadata["compatibility_flags"]),
        "variables": (ours.variables, plain_variables(bindings)),
        "other bindings": (set(), kinds),
    }
    yield from (
        f"{name}\n  ours   {one}\n  theirs {other}" for name, (one, other) in pairs.items() if one != other
    )


def differing(sides: Both, project: Project, request: Request) -> Iterator[str]:
    ours, theirs = (sides.ask(side, project, request) for side in ("ours", "theirs"))
    yield from compared(request, ours, theirs)
    if request.method == "GET" and ours.header("etag") and theirs.header("etag"):
        for weak in ("", "W/"):  # a browser that has it already
            again = [conditional(request, f"{weak}{answer.header('etag')}") for answer in (ours, theirs)]
            answers = [
                sides.ask(side, project, one) for side, one in zip(("ours", "theirs"), again, strict=True)
            ]
            yield from compared(again[0], *answers)


def compared(request: Request, ours: Answer, theirs: Answer) -> Iterator[str]:
    if comparable(ours) != comparable(theirs):
        yield f"{request}\n  ours   {ours}\n  theirs {theirs}"


def conditional(request: Request, tag: str) -> Request:
    return Request(request.method, request.path, {**request.headers, "If-None-Match": tag})
