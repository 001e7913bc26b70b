"""The people of the local GitHub, and the tokens they and the operator hold."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from typing import Literal

# What an authorization lets one do: public data as an OAuth app, as a user, or the operator's repository.
Grant = Literal["anonymous", "app", "user", "operator"]


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    login: str
    name: str | None


OPERATOR = Account(1003, "operator", "The Operator")
ACCOUNTS = (
    Account(1001, "alice", "Alice Adams"),
    Account(1002, "bob", None),
    OPERATOR,
)
OWNER = Account(1000, "codius", "Codius")


def account_of(login: str) -> Account | None:
    return next((account for account in (OWNER, *ACCOUNTS) if account.login == login.lower()), None)


def owner_of(full_name: str) -> Account:
    """The owner of a repository; a name that isn't known is an account without a login here."""
    login = full_name.partition("/")[0]
    return account_of(login) or Account(2000 + sum(login.encode()), login, None)


class BadCredentialsError(Exception):
    """GitHub answers 401 to an authorization that isn't valid."""


@dataclass(slots=True)
class Tokens:
    """Who an Authorization header speaks for."""

    client_id: str
    client_secret: str
    operator: str
    _of_users: dict[str, Account] = field(default_factory=dict)

    def issue(self, account: Account) -> str:
        token = f"gho_{secrets.token_hex(18)}"
        self._of_users[token] = account
        return token

    def read(self, authorization: str | None) -> tuple[Grant, Account | None]:
        """Raises BadCredentialsError."""
        if not authorization:
            return "anonymous", None
        kind, _, value = authorization.partition(" ")
        if kind.lower() == "basic":
            return self._app(value), None
        if kind.lower() in ("bearer", "token"):
            if secrets.compare_digest(value, self.operator):
                return "operator", account_of("operator")
            if value in self._of_users:
                return "user", self._of_users[value]
        raise BadCredentialsError

    def _app(self, value: str) -> Grant:
        try:
            client_id, _, client_secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise BadCredentialsError from None
        if (client_id, client_secret) != (self.client_id, self.client_secret):
            raise BadCredentialsError
        return "app"
