"""`/operator/metrics`: figures for an operator's monitoring, in the text format of OpenMetrics 1.0."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from store.database import Row, Value
from web.services import Services, services_of

MEDIA_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PARTS = ("apps", "payments", "reversals", "sites", "suspensions", "checks")


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name: by the value of `label`, or a single one where that is empty."""

    name: str
    help: str
    label: str
    samples: Mapping[str, float]  # a count is shown without a fraction

    def lines(self) -> Iterator[str]:
        yield f"# TYPE {self.name} gauge"
        yield f"# HELP {self.name} {self.help}"
        for value, number in self.samples.items():
            labels = f'{{{self.label}="{value}"}}' if self.label else ""
            yield f"{self.name}{labels} {int(number) if number == int(number) else number}"


async def metrics(request: Request) -> Response:
    """With the token as `Authorization: Bearer …`; without one that is set nobody learns of it."""
    services = services_of(request)
    token = services.settings.secrets.metrics_token
    given = request.headers.get("authorization", "")
    if token is None:
        raise HTTPException(404)
    if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise HTTPException(401, "The token is missing or wrong.", {"www-authenticate": "Bearer"})
    lines = [line for family in await families(services) for line in family.lines()]
    return Response("\n".join((*lines, "# EOF", "")), media_type=MEDIA_TYPE)


async def families(services: Services) -> list[Family]:
    now, measures = services.now(), services.measures
    totals, deploys = await services.sums.totals(), await measures.deploys(now)
    backlog, alarms = await measures.backlog(now), await measures.alarms()
    waiting = {part: float(number(backlog[part])) for part in PARTS}
    ages = {part: number(backlog[f"{part}_age"]) / 1_000 for part in PARTS}
    ages["usage"] = await services.accounts.late(now) / 1_000
    return [
        Family("codius_apps", "Apps by state.", "state", totals.apps),
        single("codius_users", "Users.", totals.users),
        single("codius_sites", "Sites, deleted ones included.", totals.sites),
        Family("codius_deploys", "Deploys begun within a day.", "outcome", by(deploys, "outcome", "deploys")),
        Family(
            "codius_deploy_seconds",
            "How long they took so far, in all.",
            "outcome",
            {key: ms / 1_000 for key, ms in by(deploys, "outcome", "milliseconds").items()},
        ),
        Family("codius_payments", "Payments by status.", "status", totals.payments),
        single("codius_paid_dollars", "Paid, less what was taken back.", totals.paid_cents / 100),
        single("codius_requests", "Used of all accounts, as seen within a day.", totals.requests),
        single("codius_cost_dollars", "What these requests cost.", totals.cost_nano_usd / 10**9),
        Family("codius_waiting", "What upkeep has to finish.", "part", waiting),
        Family("codius_oldest_waiting_seconds", "How long the oldest of it has waited.", "part", ages),
        single("codius_differences", "Apps that are not what was signed.", number(alarms["differences"])),
        single("codius_unbooked_payments", "Could not be booked.", number(alarms["unbooked_payments"])),
        single("codius_unbooked_reversals", "Could not be booked.", number(alarms["unbooked_reversals"])),
        single("codius_suspensions", "In force.", number(alarms["suspensions"])),
        Family("codius_refusals", "By limits, as settings are named.", "limit", totals.refusals),
    ]


def single(name: str, words: str, value: float) -> Family:
    return Family(name, words, "", {"": value})


def by(rows: list[Row], label: str, name: str) -> dict[str, float]:
    return {str(row[label]): number(row[name]) for row in rows}


def number(value: Value) -> int:
    return int(value or 0)
