"""`make operator ARGS="…"`: what `/operator` does, for a night when that page doesn't answer.

    suspend KIND NAME --reason TEXT    KIND is app, site, user, repository or owner
    restore KIND NAME --reason TEXT
    set NAME VALUE --reason TEXT       deploys on|off, sign-up open|list|closed, sign-up-list "NAMES",
                                       account-age DAYS
    suspensions                        what is suspended
    acts                               what operators did last

It needs neither the dashboard nor GitHub: it writes into D1 with wrangler's login to Cloudflare, which says
who may do that, and billing's cron trigger tells the objects within a minute. A token for it would be one
more secret that can stop everybody's apps. ENV=staging is the other environment.

Exit status: 0 if it is done, also where it couldn't be seen that all accounts know it; 1 if it isn't done or
that isn't known; 2 for what can't be asked for.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.api import Account
from deploy.configs import ENVIRONMENTS, Installation
from deploy.errors import DeployError
from deploy.wrangler import Wrangler

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "dashboard"))  # the statements are the dashboard's own

from model.suspension import KINDS, ActError, Operator, Target, reason_of, target_of  # noqa: E402
from model.switches import NAMES, value_of  # noqa: E402
from store.database import Statement, Value  # noqa: E402
from store.overrides import setting  # noqa: E402
from store.suspensions import LEFT, PLACES, restoring, suspending  # noqa: E402

PARAMETER = re.compile(r"\?(\d+)")
ACTS_SHOWN = 20
LOOK_SECONDS = 5
# Billing's cron trigger comes each minute, and may have to come again.
PATIENCE_SECONDS = 150


class Database:
    """The dashboard's, asked as `wrangler d1 execute --remote` asks it."""

    def __init__(self, installation: Installation) -> None:
        self._account = Account(Wrangler(installation))

    @cached_property
    def _path(self) -> str:
        id_ = self._account.database_id()
        if id_ is None:
            raise DeployError("The account has no database of this installation: was it ever deployed?")
        return f"d1/database/{id_}/query"

    def run(self, *statements: Statement, only_reads: bool = False) -> list[list[dict[str, Any]]]:
        """The rows of each; D1 runs them in one transaction.

        Raises DeployError, which says how to see whether what changes something was done all the same.
        """
        path = self._path
        sql = "; ".join(inlined(statement, values) for statement, values in statements)
        try:
            answer = self._account.required(path, {"sql": sql, "params": []}, only_reads)
        except DeployError as error:
            hint = "" if only_reads else "\nWhether it was done all the same, ARGS=acts says."
            raise DeployError(f"{error}{hint}") from error
        return [result["results"] for result in answer]

    def rows(self, sql: str, *values: Value) -> list[dict[str, Any]]:
        """Of a statement that only reads, which is asked again where D1 fails. Raises DeployError."""
        return self.run((sql, values), only_reads=True)[0]


def inlined(sql: str, values: Sequence[Value]) -> str:
    """A statement with its parameters, ?1 and so on, as literals: of several D1 takes none."""
    return PARAMETER.sub(lambda found: literal(values[int(found[1]) - 1]), sql)


def literal(value: Value) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def target_named(database: Database, kind: str, name: str) -> Target:
    """A user by id or login, as on the page: an id goes before a login. Raises ActError."""
    if kind == "user":
        sql = (
            "SELECT id, 0 AS turn, 0 AS since FROM users WHERE id = CAST(?1 AS INTEGER) "
            "AND CAST(id AS TEXT) = ?1 UNION ALL SELECT id, 1, -seen_at FROM users "
            "WHERE login = ?1 COLLATE NOCASE ORDER BY turn, since LIMIT 1"
        )
        found = database.rows(sql, name.strip())
        name = str(found[0]["id"]) if found else name
    target = target_of(kind, name)
    place = PLACES.get(target.kind)
    if place and not database.rows(f"SELECT 1 FROM {place} = ?1", target.name):  # noqa: S608
        raise ActError(f"There is no {kind} “{target.name}”.")
    return target


def by_and_now() -> tuple[Operator, int]:
    return Operator(f"{getpass.getuser()} (command line)"), time.time_ns() // 1_000_000


def switch(database: Database, arguments: argparse.Namespace) -> None:
    value, reason = value_of(arguments.name, arguments.value), reason_of(arguments.reason)
    changed, *_ = database.run(*setting(arguments.name, value, reason, *by_and_now()))
    print(f"{arguments.name}: {value or 'nobody'}{'' if changed else ', as before'}.", flush=True)


def act(database: Database, arguments: argparse.Namespace) -> None:
    reason = reason_of(arguments.reason)
    target = target_named(database, arguments.kind, arguments.name)
    statements = {"suspend": suspending, "restore": restoring}[arguments.do]
    changed, *_ = database.run(*statements(target, reason, *by_and_now()))
    if not changed:
        words = {"suspend": "is suspended already", "restore": "isn't suspended"}[arguments.do]
        raise ActError(f"The {target.kind} {target.name} {words}.")
    print(f"{arguments.do}: {target.kind} {target.name}. Deploys and pages know it.", flush=True)
    print(wait_until_told(database), flush=True)


def wait_until_told(database: Database) -> str:
    """What became of it, in a line. The act is done, whether or not that can be seen."""
    until = time.monotonic() + PATIENCE_SECONDS
    try:
        while left := database.rows(LEFT)[0]["accounts"]:
            if time.monotonic() > until:
                return (
                    f"Accounts that don't know it yet: {left}. Billing tells them each minute: see its log."
                )
            time.sleep(LOOK_SECONDS)
    except DeployError as error:
        return (
            "It is done; that all accounts know it could not be seen. Billing tells them each minute, and "
            f"/operator says how many are left. {error}"
        )
    return "All accounts know it: what was leased before is over within a minute."


def show(database: Database, sql: str) -> None:
    for row in database.rows(sql):
        at = datetime.fromtimestamp(row.pop("at") / 1000, UTC)
        print(f"{at:%Y-%m-%d %H:%M:%S} UTC  ", "  ".join(str(value) for value in row.values()))


def parser() -> argparse.ArgumentParser:
    parsed = argparse.ArgumentParser(
        prog="make operator ARGS=…", description=(__doc__ or "").partition("\n")[0]
    )
    commands = parsed.add_subparsers(dest="do", required=True)
    for name in ("suspend", "restore"):
        command = commands.add_parser(name)
        command.add_argument("kind", choices=KINDS)
        command.add_argument("name", help="an id, a name, a login, owner/name, or an owner")
        command.add_argument("--reason", required=True, help="the deployer and every visitor read it")
    command = commands.add_parser("set", help="a switch")
    command.add_argument("name", choices=NAMES)
    command.add_argument("value")
    command.add_argument("--reason", required=True)
    commands.add_parser("suspensions", help="what is suspended")
    commands.add_parser("acts", help="what operators did last")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    name = os.environ.get("ENV") or "production"
    environment = next((known for known in ENVIRONMENTS if known == name), None)
    if environment is None:
        print(f"ENV must be one of {', '.join(ENVIRONMENTS)}, not {name!r}.", file=sys.stderr)
        return 2
    database = Database(Installation(ROOT, environment))
    try:
        match asked.do:
            case "suspensions":
                show(database, "SELECT at, kind, name, reason FROM suspensions ORDER BY at DESC")
            case "acts":
                sql = "SELECT at, operator, act, kind, name, reason FROM acts ORDER BY at DESC LIMIT "
                show(database, f"{sql}{ACTS_SHOWN}")
            case "set":
                switch(database, asked)
            case _:
                act(database, asked)
    except (DeployError, ActError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
