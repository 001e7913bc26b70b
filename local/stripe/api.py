"""Stripe's API: its authorization, idempotency and errors, and the endpoints that a top-up asks.

After Stripe's API reference: "Authentication", "Errors", "Expanding responses", "Idempotent requests",
"Versioning".
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from stripe.params import DisputeListParams, RefundCreateParams, RefundListParams
from stripe.params.checkout import SessionCreateParams, SessionListParams

from local.stripe.errors import ApiError, invalid, missing, money, whole
from local.stripe.forms import ParameterError, check, decode
from local.stripe.objects import Json, Objects
from local.stripe.sessions import require_item, require_values

Endpoint = Callable[[Request, Json], Awaitable[Json]]


@dataclass(slots=True)
class Trouble:
    """What a test asks for: so many answers that fail or come late."""

    status: int = 500
    seconds: float = 0
    times: int = 0

    async def strike(self) -> None:
        if self.times <= 0:
            return
        self.times -= 1
        await asyncio.sleep(self.seconds)
        if self.status:
            raise ApiError(self.status, "api_error", "An error occurred with our connection to Stripe.")


class Api:
    def __init__(self, objects: Objects, secret_key: str) -> None:
        self._objects, self._key = objects, secret_key
        self._answers: dict[str, tuple[str, Json]] = {}
        self.trouble = Trouble()

    def routes(self) -> list[Route]:
        return [
            self._route("/v1/checkout/sessions", self.create_session, "POST"),
            self._route("/v1/checkout/sessions", self.list_of("checkout.session", SessionListParams)),
            self._route("/v1/checkout/sessions/{id}", self.one("checkout.session")),
            self._route("/v1/refunds", self.create_refund, "POST"),
            self._route("/v1/refunds", self.list_of("refund", RefundListParams)),
            self._route("/v1/refunds/{id}", self.one("refund")),
            self._route("/v1/charges/{id}", self.one("charge")),
            self._route("/v1/payment_intents/{id}", self.one("payment_intent")),
            self._route("/v1/disputes", self.list_of("dispute", DisputeListParams)),
            self._route("/v1/disputes/{id}", self.one("dispute")),
            self._route("/v1/events/{id}", self.one("event")),
        ]

    # What all endpoints share.

    def _route(self, path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        async def answer(request: Request) -> Response:
            headers = {"request-id": f"req_{secrets.token_hex(7)}"}
            if version := request.headers.get("stripe-version"):
                headers["stripe-version"] = version
            try:
                return JSONResponse(await self._answer(request, endpoint, headers), headers=headers)
            except ApiError as error:
                return JSONResponse(error.content, error.status, headers)

        return Route(path, answer, methods=[method])

    async def _answer(self, request: Request, endpoint: Endpoint, headers: dict[str, str]) -> Json:
        self._require_key(request)
        await self.trouble.strike()
        body = (await request.body()).decode()
        parameters = decode(body if request.method == "POST" else request.url.query)
        key = request.headers.get("idempotency-key")
        if request.method != "POST" or key is None:
            return await self._checked(request, endpoint, parameters)
        if key in self._answers:
            asked, known = self._answers[key]
            if asked != body:
                message = f"Keys for idempotent requests can only be used with the same parameters: {key}"
                raise ApiError(400, "idempotency_error", message)
            headers["idempotent-replayed"] = "true"
            return known
        answer = await self._checked(request, endpoint, parameters)
        self._answers[key] = (body, answer)
        return answer

    async def _checked(self, request: Request, endpoint: Endpoint, parameters: Json) -> Json:
        paths = parameters.pop("expand", [])
        try:
            answer = await endpoint(request, parameters)
        except ParameterError as error:
            raise invalid(str(error), error.code, error.parameter) from error
        self._objects.save()
        for path in paths:
            answer = self._expanded(answer, path)
        return answer

    def _expanded(self, item: Json, path: str) -> Json:
        """With objects in place of their ids, where a path like `data.payment_intent` leads."""
        name, _, rest = path.partition(".")
        value = item.get(name)
        if isinstance(value, list):
            return item | {name: [self._expanded(one, rest) for one in value]}
        if isinstance(value, str) and value in self._objects.all:
            found = self._objects.all[value]
            return item | {name: self._expanded(found, rest) if rest else found}
        if name in item and value is None:
            return item
        raise invalid(f"This property cannot be expanded ({name}).", "", "expand")

    def _require_key(self, request: Request) -> None:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            value = base64.b64decode(value).decode().removesuffix(":")
        if not value:
            raise ApiError(401, "invalid_request_error", "You did not provide an API key.")
        if value != self._key:
            raise ApiError(401, "invalid_request_error", f"Invalid API Key provided: {value[:7]}****")

    def one(self, kind: str) -> Endpoint:
        async def get(request: Request, parameters: Json) -> Json:
            return self._find(kind, request.path_params["id"], "id")

        return get

    def _find(self, kind: str, id_: str, parameter: str) -> Json:
        found = self._objects.get(kind, id_)
        if found is None:
            name = kind.rpartition(".")[2]
            raise ApiError(
                404, "invalid_request_error", f"No such {name}: '{id_}'", "resource_missing", parameter
            )
        return found

    # Endpoints.

    async def create_session(self, request: Request, parameters: Json) -> Json:
        check(parameters, SessionCreateParams)
        if parameters.get("mode") != "payment":
            raise missing("mode")
        if not parameters.get("success_url"):
            raise missing("success_url")
        cents = require_item(parameters)
        require_values(parameters)
        session = self._objects.add_session(parameters, cents)
        self._objects.add_item(session, parameters)
        return session

    async def create_refund(self, request: Request, parameters: Json) -> Json:
        check(parameters, RefundCreateParams)
        intents = {"payment_intent": parameters["payment_intent"]} if "payment_intent" in parameters else {}
        charges = self._objects.of("charge", **intents)
        charge = self._objects.get("charge", parameters.get("charge", "")) or (
            charges[0] if intents else None
        )
        if charge is None:
            raise missing("charge")
        return self.refund(charge, parameters.get("amount"))

    def refund(self, charge: Json, amount: str | None, status: str = "succeeded") -> Json:
        """Refund a charge, or all that is left of it; raises ApiError where Stripe refuses."""
        left = charge["amount"] - charge["amount_refunded"]
        cents = left if amount is None else whole("amount", amount)
        if left == 0:
            message = f"Charge {charge['id']} has already been refunded."
            raise invalid(message, "charge_already_refunded", "")
        disputes = self._objects.of("dispute", charge=charge["id"])
        if any(not one["is_charge_refundable"] and one["status"] != "won" for one in disputes):
            message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
            raise invalid(message, "charge_disputed", "")
        if cents > left:
            amounts = (f"{money(cents)}", f"{money(left)}")
            message = "Refund amount ({}) is greater than unrefunded amount on charge ({})".format(*amounts)
            raise invalid(message, "", "amount")
        return self._objects.refund(charge, cents, status)

    def list_of(self, kind: str, described: Any) -> Endpoint:
        """All objects of a kind that have what is asked for, newest first, page by page."""

        async def get(request: Request, parameters: Json) -> Json:
            check(parameters, described)
            limit = whole("limit", parameters.pop("limit", "10"), most=100)
            after = parameters.pop("starting_after", None)
            found = self._objects.of(kind, **parameters)
            if after is not None:
                found = found[found.index(self._find(kind, after, "starting_after")) + 1 :]
            return {
                "object": "list",
                "data": found[:limit],
                "has_more": len(found) > limit,
                "url": request.url.path,
            }

        return get


async def unknown_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    content: dict[str, Any] = {"error": {"type": "invalid_request_error", "message": message}}
    return JSONResponse(content, error.status_code)
