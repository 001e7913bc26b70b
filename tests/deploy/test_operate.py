"""`make operator` while there is no dashboard: D1, billing's cron trigger and the objects are all it needs.

Here D1 is SQLite; that wrangler sends the same to a running system is tested in `tests/system`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from deploy import operate
from deploy.errors import DeployError
from ledger import LEASE_MS, Lease, Suspended
from model.app import Source
from store.database import Statement, Value
from tests.dashboard.dashboard_site import ALICE, BOB, Site

APP, OTHER = "bcdfghjkmnpq", "bcdfghjkmnpr"
REASON = "It imitates O'Neill's \"bank\"; ?1 -- DROP TABLE apps;\N{RIGHT-TO-LEFT OVERRIDE}"
# As the log and the pages have it: in one line, without what can't be seen.
SHOWN = REASON.replace("\N{RIGHT-TO-LEFT OVERRIDE}", "")


class Night:
    """An installation without its dashboard: D1, the objects and billing's cron trigger go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        site = asyncio.run(installation())
        self.database, self.billing, self.now = site.database, site.billing, site.now
        self.failing = "nothing"  # a word of the statements that D1 doesn't answer
        monkeypatch.setattr(site, "application", None)
        monkeypatch.setattr(site, "services", None)
        monkeypatch.setattr(operate, "Database", lambda _: self)
        monkeypatch.setattr(operate, "LOOK_SECONDS", 0)
        monkeypatch.setattr(operate, "PATIENCE_SECONDS", 0)

    def run(self, *statements: Statement, only_reads: bool = False) -> list[list[dict[str, Any]]]:
        """As wrangler has D1 run them: as texts, in one transaction. A minute passes after each call."""
        if self.failing in statements[0][0]:
            raise DeployError("Cloudflare's API, asked for d1, said 500: Internal Server Error")
        texts = [(operate.inlined(sql, values), ()) for sql, values in statements]
        rows = asyncio.run(self.database.batch(*texts))
        if not self.billing.is_down:
            asyncio.run(self.billing.tell_suspensions())
        return rows

    def rows(self, sql: str, *values: Value) -> list[dict[str, Any]]:
        return self.run((sql, values), only_reads=True)[0]

    def take(self, app_id: str) -> Lease | Suspended | str:
        return self.billing.getByName(app_id).take(2)

    def acts(self) -> list[tuple[object, ...]]:
        rows = asyncio.run(self.database.execute("SELECT act, kind, name, reason FROM acts ORDER BY at"))
        return [tuple(row.values()) for row in rows]


async def installation() -> Site:
    site = Site()
    await site.deployed_app(APP, ALICE, Source("Alice/Hello", "main", "a" * 40, ""))
    await site.deployed_app(OTHER, BOB, Source("bob/hello", "main", "b" * 40, ""))
    return site


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> Night:
    return Night(monkeypatch)


@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [
        ("app", APP, APP),
        ("user", "ALICE", "1"),
        ("user", "1", "1"),
        ("repository", "alice/hello", "alice/hello"),
        ("owner", "Alice", "alice"),
    ],
)
def test_what_is_suspended_by_the_command_gets_no_lease_and_does_when_it_is_restored(
    night: Night, kind: str, name: str, known: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = night.take(APP)
    assert isinstance(before, Lease)
    assert before.milliseconds <= LEASE_MS  # so dispatch serves nothing after that
    assert operate.main(["suspend", kind, name, "--reason", REASON]) == 0
    assert "All accounts know it" in capsys.readouterr().out
    assert night.take(APP) == Suspended(SHOWN)
    assert isinstance(night.take(OTHER), Lease)
    assert operate.main(["suspend", kind, name, "--reason", "Again"]) == 1
    assert "is suspended already" in capsys.readouterr().err
    assert operate.main(["restore", kind, name, "--reason", "A mistake."]) == 0
    assert isinstance(night.take(APP), Lease)
    assert night.acts() == [("suspend", kind, known, SHOWN), ("restore", kind, known, "A mistake.")]


def test_an_act_holds_and_is_told_later_where_the_objects_do_not_answer(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    night.billing.is_down = True
    assert operate.main(["suspend", "app", APP, "--reason", REASON]) == 0
    assert "Accounts that don't know it yet: 1." in capsys.readouterr().out
    assert night.acts() == [("suspend", "app", APP, SHOWN)]
    night.billing.is_down = False
    assert operate.main(["suspensions"]) == 0
    assert SHOWN in capsys.readouterr().out
    assert night.take(APP) == Suspended(SHOWN)


def test_an_act_is_done_though_what_became_of_it_can_not_be_seen(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    night.failing = "untold_suspensions"
    assert operate.main(["suspend", "app", APP, "--reason", REASON]) == 0
    said, look = capsys.readouterr().out.splitlines()
    assert said == f"suspend: app {APP}. Deploys and pages know it."
    assert look.startswith("It is done; that all accounts know it could not be seen")
    assert "said 500" in look
    assert night.take(APP) == Suspended(SHOWN)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["app", "nothere"], "There is no app “nothere”."),
        (["user", "nobody"], "nobody"),
        (["app", "x'; DELETE FROM apps; --"], "is no app's name"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_done(
    night: Night, arguments: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operate.main(["suspend", *arguments, "--reason", "Why"]) == 1
    assert said in capsys.readouterr().err
    assert night.acts() == []
    assert isinstance(night.take(APP), Lease)


def test_a_switch_is_set_and_both_are_in_the_log(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    assert operate.main(["set", "deploys", "off", "--reason", "A flood."]) == 0
    assert operate.main(["set", "deploys", "off", "--reason", "A flood."]) == 0
    assert capsys.readouterr().out.splitlines() == ["deploys: off.", "deploys: off, as before."]
    assert operate.main(["acts"]) == 0
    assert "(command line)  set  deploys  off  A flood." in capsys.readouterr().out
