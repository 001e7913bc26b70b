"""What an operator can switch without a deploy: whether apps are deployed at all, and who may sign up.

Who has signed up can log in whatever these say; a suspension is what stops them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from model.limits import DAY_MS
from model.suspension import LOGIN, ActError

SignUp = Literal["open", "list", "closed"]
SIGN_UPS: tuple[SignUp, ...] = ("open", "list", "closed")
NAMES = ("deploys", "sign-up", "sign-up-list", "account-age")
MOST_DAYS, MOST_NAMES = 3_650, 200
DAYS = re.compile(r"[0-9]{1,4}")
SEPARATOR = re.compile(r"[\s,]+")

CLOSED = "Nobody new can sign up here now."
NOT_LISTED = (
    "Only those whom the operator has listed, and public members of listed organisations, can sign up here."
)


class SignUpRefusedError(Exception):
    """Who logged in for the first time may not; the message says why."""


@dataclass(frozen=True, slots=True)
class Switches:
    """`sign_up_list` are logins and organisations in lower case; an account at GitHub is to be so old."""

    deploys: bool = True
    sign_up: SignUp = "open"
    sign_up_list: tuple[str, ...] = ()
    account_age_days: int = 0

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Switches:
        """From what was set, as `value_of` gave it."""
        sign_up: SignUp = next((one for one in SIGN_UPS if one == values.get("sign-up")), "open")
        names = tuple(values.get("sign-up-list", "").split())
        return cls(values.get("deploys") != "off", sign_up, names, int(values.get("account-age", "0")))

    def require_age(self, created_at: int | None, now: int) -> None:
        """Raises SignUpRefusedError for an account that is too young, or of an unknown age."""
        days = self.account_age_days
        if days and (created_at is None or now - created_at < days * DAY_MS):
            raise SignUpRefusedError(f"An account at GitHub must be {days} days old to sign up here.")


def value_of(name: str, text: str) -> str:
    """What a switch is set to. Raises ActError."""
    words = SEPARATOR.sub(" ", text.strip().lower())
    match name:
        case "deploys" if words in ("on", "off"):
            return words
        case "sign-up" if words in SIGN_UPS:
            return words
        case "account-age" if DAYS.fullmatch(words) and int(words) <= MOST_DAYS:
            return str(int(words))
        case "sign-up-list":
            names = words.split()
            wrong = [one for one in names if not LOGIN.fullmatch(one)]
            if wrong or len(names) > MOST_NAMES:
                raise ActError(f"“{wrong[0][:50]}” is no login." if wrong else f"At most {MOST_NAMES} names.")
            return words
    choices = {"deploys": "on or off", "sign-up": "open, list or closed", "account-age": "a number of days"}
    if name in choices:
        raise ActError(f"{name} can be {choices[name]}.")
    raise ActError(f"Switches are {', '.join(NAMES)}.")
