"""`/webhooks/github`: what GitHub tells of workflow runs. `/webhooks/stripe`: what Stripe tells of payments.

After GitHub's "Validating webhook deliveries" and "Webhook events and payloads", and Stripe's "Receive Stripe
events in your webhook endpoint". A delivery that comes again, late, or for something else changes nothing and
is answered 204; what can't be done now is answered 503, and Stripe sends it again.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from model.checkout import BadSignatureError, Event
from model.json_text import read_json
from model.progress import RunReport, job_report, run_report
from web.bodies import limited_body
from web.services import WORKFLOW, Services, services_of

CHECKOUT_EVENTS = frozenset(
    f"checkout.session.{name}"
    for name in ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
)
REVERSAL_EVENTS = (
    "charge.refunded",
    "charge.refund.",
    "refund.",
    "charge.dispute.",
)  # what their types begin with


async def github(request: Request) -> Response:
    services = services_of(request)
    body = await limited_body(request)
    signature = request.headers.get("x-hub-signature-256", "")
    if not is_signed(body, signature, services.settings.secrets.github_webhook):
        raise HTTPException(401, "The signature is missing or wrong.")
    report = read_report(request.headers.get("x-github-event", ""), body, services.settings.github_repository)
    if report is not None:
        app_id = report.app_id or await services.apps.id_of_run(report.run_id)
        if app_id is not None:
            app = await services.deployments.report(app_id, report, services.now())
            if app is not None:
                await services.following.follow_app(app, services.now())
    return Response(status_code=204)


async def stripe(request: Request) -> Response:
    services = services_of(request)
    body = await limited_body(request)
    try:
        event = services.stripe().event(body, request.headers.get("stripe-signature", ""))
    except BadSignatureError:
        raise HTTPException(400, "The signature is missing, wrong or old.") from None
    except ValueError:
        raise HTTPException(400, "The body is not JSON.") from None
    if event is not None:
        await follow_event(services, event)
    return Response(status_code=204)


async def follow_event(services: Services, event: Event) -> None:
    now = services.now()
    if event.type in CHECKOUT_EVENTS:
        await services.fulfilment.fulfil(event.object_id, now)
    elif event.type.startswith(REVERSAL_EVENTS) and event.payment_intent is not None:
        await services.taking_back.follow(event.payment_intent, now)


def read_report(event: str, body: bytes, repository: str) -> RunReport | None:
    """What an event says of a deploy; None for other events, workflows and repositories."""
    try:
        payload = read_json(body)
    except ValueError:
        raise HTTPException(400, "The body is not JSON.") from None
    match payload:
        case {"repository": {"full_name": str(name)}} if name.lower() == repository.lower():
            if event == "workflow_run" and is_deploy(payload.get("workflow_run")):
                return run_report(payload["workflow_run"])
            if event == "workflow_job":
                return job_report(payload.get("workflow_job"))
    return None


def is_deploy(run: Any) -> bool:
    path = run.get("path") if isinstance(run, dict) else None
    return isinstance(path, str) and path.partition("@")[0] == f".github/workflows/{WORKFLOW}"


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())
