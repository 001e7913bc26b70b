"""Call the running Workers of a local stack: the billing objects and the dispatch namespace.

A running stack leaves its port and token in its state folder, so that tests and tools on the same machine
can look into the books and top up apps without a payment.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from local.plain_http import NO_CERTIFICATES

TIMEOUT_SECONDS = 30


class ControlError(Exception):
    """The call was refused or failed; the message is what the Worker raised."""


@dataclass(frozen=True)
class Control:
    port: int
    token: str

    @classmethod
    def of(cls, state: Path) -> Control:
        return cls(**json.loads((state / "control.json").read_text()))

    def save(self, state: Path) -> None:
        path = state / "control.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    def call(self, target: str, name: str, method: str, *parameters: Any) -> Any:
        """Call a method of the `billing` object of an app, of the `namespace`, or of a Worker."""
        response = httpx.post(
            f"http://127.0.0.1:{self.port}/.local/control",
            headers={"authorization": f"Bearer {self.token}"},
            json={"target": target, "name": name, "method": method, "parameters": parameters},
            timeout=TIMEOUT_SECONDS,
            verify=NO_CERTIFICATES,
        )
        if not response.is_success:
            raise ControlError(response.text)
        return response.json()

    def run_cron(self) -> None:
        """Do now what the cron triggers of billing and of the dashboard do."""
        for worker in ("billing-worker", "dashboard"):
            result = self.call(worker, "", "scheduled", {"cron": "* * * * *"})
            if result["outcome"] != "ok":
                raise ControlError(f"the cron trigger of {worker} ended with {result['outcome']!r}")
