"""Where what is deployed here may differ from what wrangler makes and serves, and why."""

from __future__ import annotations

from tests.differential.asking import Answer

# Headers whose value differs; that there is one does not.
VALUES = {
    "etag": "made of a file's content and type; by `wrangler dev` of its path and its last change",
    "cf-cache-status": "how long a file took to read: it is in memory here",
}
# Headers that only one side has.
ONLY_ONE = {
    "connection": "every connection is for one request here",
    "x-mf-additional-response-log": "for wrangler's own log",
}
# Bindings of wrangler's upload that become something else here.
BINDINGS = {"assets": "static files are modules here"}
# Names of the modules that are added for static files.
ADDED = ("codius-site.js", "codius_site.py", "codius/", "python_modules/workers/codius/")


def comparable(answer: Answer) -> Answer:
    if answer.status == 500:  # what a Worker's exception looks like is wrangler's own page, with its places
        return Answer(answer.status, [], b"")
    headers = [
        (name, "there" if name in VALUES else value) for name, value in answer.headers if name not in ONLY_ONE
    ]
    return Answer(answer.status, headers, answer.body)


def is_added(module: str) -> bool:
    return module.startswith(ADDED)
