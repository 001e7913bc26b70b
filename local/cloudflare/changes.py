"""What a client of the stand-in asked to change, and changes that a test has fail."""

from __future__ import annotations

from dataclasses import dataclass, field

from starlette.requests import Request

from local.cloudflare.answers import ApiError


@dataclass(slots=True)
class Changes:
    """`made` are those of an account in order ("PUT workers/scripts/api"), refused ones as well."""

    account_id: str
    made: list[str] = field(default_factory=list)
    # The beginning of a change that is refused.
    failing: str | None = None

    def note(self, request: Request) -> None:
        path = request.url.path.partition(f"/accounts/{self.account_id}/")[2]
        change = f"{request.method} {path}"
        self.made.append(change)
        if self.failing is not None and change.startswith(self.failing):
            raise ApiError(500, 10013, "An unknown error occurred.")
