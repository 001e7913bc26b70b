"""GitHub's own description of its REST API, to hold requests and answers against."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PACKAGES = Path(__file__).resolve().parent / "node_modules" / "@octokit"
DESCRIPTION = PACKAGES / "openapi" / "generated" / "api.github.com.json"
EXAMPLES = PACKAGES / "webhooks-examples" / "api.github.com" / "index.json"
URI = "urn:github"


def check_exchange(
    method: str, path: str, request: Any, status: int, content_type: str, answer: bytes
) -> str:
    """Assert that a request (its parsed JSON) and its answer are as described; return the operation's id."""
    operation = find_operation(method, path)
    described = operation.get("requestBody")
    if request is not None:
        assert described is not None, f"{method} {path} takes no body"
        validate(described["content"]["application/json"]["schema"], request)
    responses = operation["responses"]
    # Errors that any request may get are not listed at each operation.
    if str(status) not in responses and status in (401, 403, 404, 409, 422, 429, 502):
        assert json.loads(answer)["message"]
        return str(operation["operationId"])
    response = resolved(responses[str(status)])
    if content_type.startswith("application/json") and "content" in response:
        validate(response["content"]["application/json"]["schema"], json.loads(answer))
    return str(operation["operationId"])


def validate(schema: Any, instance: Any) -> None:
    validator = Draft202012Validator({"$id": f"{URI}:here", **absolute(schema)}, registry=registry())
    validator.validate(instance)


def find_operation(method: str, path: str) -> dict[str, Any]:
    """The operation at a path; a path with fewer parameters wins."""
    fitting = [
        (template.count("{"), operations[method.lower()])
        for template, operations in description()["paths"].items()
        if method.lower() in operations and pattern_of(template).fullmatch(path)
    ]
    assert fitting, f"GitHub's description has no {method} {path}"
    return min(fitting, key=lambda found: found[0])[1]  # type: ignore[no-any-return]


@functools.cache
def pattern_of(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    # These parameters may hold slashes.
    wide = {"ref", "path", "basehead"}
    return re.compile(
        "".join(
            re.escape(part) if number % 2 == 0 else (".*" if part in wide else "[^/]+")
            for number, part in enumerate(parts)
        )
    )


@functools.cache
def description() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(DESCRIPTION.read_text())
    return content


@functools.cache
def registry() -> Registry[Any]:
    resource = Resource(contents=with_nulls(description()), specification=DRAFT202012)
    return Registry().with_resource(URI, resource)  # type: ignore[no-any-return]


def resolved(item: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in item:
        target: Any = description()
        for key in item["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        item = target
    return item


def absolute(schema: Any) -> Any:
    """A piece of the description, with its references to the rest."""
    return json.loads(json.dumps(with_nulls(schema)).replace('"$ref": "#/', f'"$ref": "{URI}#/'))


def with_nulls(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in terms of JSON Schema."""
    if isinstance(schema, list):
        return [with_nulls(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: with_nulls(value) for key, value in schema.items() if key not in ("nullable", "example")}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


@functools.cache
def webhook_examples(event: str) -> list[dict[str, Any]]:
    """GitHub's own examples of an event's payload."""
    events = json.loads(EXAMPLES.read_text())
    (found,) = (item["examples"] for item in events if item["name"] == event)
    return found  # type: ignore[no-any-return]
