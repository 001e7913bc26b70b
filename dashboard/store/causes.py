"""What deployers are told of, as statements for the transactions of what changes.

So no death between two steps loses a notice, and each is there once, as its cause is its key: an app's
deploy, a run that failed, an act of the operator's, a difference since a time. D1 binds a number as one with
a fraction: where one is part of a text, that is made here, not in SQL. Times are milliseconds since 1970.
"""

from __future__ import annotations

from model.app import App
from model.notice import MAX_DETAIL
from store.database import Statement

INSERT = "INSERT INTO notices (user_id, cause, kind, about, name, detail, at) "
ONCE = " ON CONFLICT DO NOTHING"
# Whose apps and sites a target, ?1 and ?2, stands for, and the user that it is. Who has left isn't told.
OF_TARGET = (
    "(SELECT user_id FROM apps WHERE deleted_at IS NULL "
    "AND id IN (SELECT app_id FROM suspended_apps WHERE kind = ?1 AND name = ?2) "
    "UNION SELECT user_id FROM sites WHERE deleted_at IS NULL "
    "AND name IN (SELECT site FROM suspended_sites WHERE kind = ?1 AND name = ?2) "
    "UNION SELECT user_id FROM sessions WHERE ?1 = 'user' AND user_id = CAST(?2 AS INTEGER))"
)
# What a user, ?1, has here.
FORGETTING = (
    "DELETE FROM balances WHERE account IN (SELECT id FROM apps WHERE user_id = ?1 "
    "UNION ALL SELECT name FROM sites WHERE user_id = ?1)",
    "DELETE FROM notices WHERE user_id = ?1",
    "DELETE FROM notice_settings WHERE user_id = ?1",
)


def telling_of_deploy(app: App, changed: App, now: int) -> tuple[Statement, ...]:
    """Before an app is written that was deployed, or failed, if it is still as it was read."""
    run = (changed.run_id or 0, changed.run_attempt)
    if changed.status not in ("deployed", "failed"):
        return ()
    if (app.status, app.run_id or 0, app.run_attempt) == (changed.status, *run):
        return ()
    # A failed app can be tried again; it is deployed once.
    attempt = " ".join(map(str, ("", app.run_began_at, *run))) if changed.status == "failed" else ""
    detail = changed.reason if changed.status == "failed" else f"{app.name}, commit {app.source.commit_hash}"
    return (
        (
            f"{INSERT} SELECT user_id, ?1, ?2, 'app', id, ?3, ?4 FROM apps WHERE id = ?5 AND status = ?6 "  # noqa: S608
            f"AND run_id IS ?7 AND run_attempt = ?8 AND run_ended = ?9{ONCE}",
            (
                *(f"{changed.status} {app.id}{attempt}", changed.status, detail[:MAX_DETAIL], now),
                *(app.id, app.status, app.run_id, app.run_attempt, int(app.run_ended)),
            ),
        ),
    )


def telling_of_act(act: str, at: str, reason: str, condition: str) -> str:
    """What an operator did to a target, ?1 and ?2, once for each who has something of it.

    The others are SQL: when it was, why, and whether it is done, of the row in `suspensions`.
    """
    cause = f"'{act} ' || ?1 || ' ' || ?2 || ' ' || {at}"
    return (
        f"{INSERT} SELECT user_id, {cause}, '{act}', ?1, ?2, {reason}, {at} "  # noqa: S608
        f"FROM suspensions AS act, {OF_TARGET} WHERE act.kind = ?1 AND act.name = ?2 AND {condition}{ONCE}"
    )


def telling_of_difference(app_id: str, detail: str, now: int) -> Statement:
    """Before it is noted that an app is not what was signed, which it was until now."""
    return (
        f"{INSERT} SELECT user_id, ?2, 'differs', 'app', id, ?3, ?4 "  # noqa: S608
        "FROM apps JOIN checks ON checks.app_id = apps.id "
        f"WHERE id = ?1 AND deleted_at IS NULL AND differs_since IS NULL{ONCE}",
        (app_id, f"differs {app_id} {now}", detail[:MAX_DETAIL], now),
    )
