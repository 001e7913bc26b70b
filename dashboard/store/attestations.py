"""The queries on what was signed of apps, and on checks of what is deployed.

Times are milliseconds since 1970.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from model.left_out import LeftOut, left_out_in
from store.causes import telling_of_difference
from store.database import Database

IS_LIVE = "(SELECT deleted_at FROM apps WHERE apps.id = app_id) IS NULL"


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed of an app: the manifest's digest, and the manifest where it is known.

    `log_index` is the signature's entry in Sigstore's log, where that is known.
    """

    manifest_sha256: str
    manifest: dict[str, Any] | None
    log_index: int | None


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check, as an HTTP status and a document in JSON; when the latest one began."""

    began_at: int
    status: int | None
    encoded: str | None

    def document(self) -> dict[str, Any]:
        """Read it once: of an app of many modules it is long."""
        found: dict[str, Any] = json.loads(self.encoded or "{}")
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the latest check came to, without its document; `agrees` is None where it came to nothing.

    One that died has left what was found before: that is of `found_at`.
    """

    began_at: int
    agrees: bool | None
    found_at: int


@dataclass(frozen=True, slots=True)
class Budget:
    """How many checks may begin: one of an app in `app_ms`, and `checks` in each period of `period_ms`."""

    app_ms: int
    period_ms: int
    checks: int


@dataclass(frozen=True, slots=True)
class Attestations:
    database: Database

    async def set_digest(self, app_id: str, manifest_sha256: str) -> None:
        """Note what the latest deploy signed."""
        await self.database.execute(
            "INSERT INTO attestations (app_id, manifest_sha256) VALUES (?, ?) "
            "ON CONFLICT (app_id) DO UPDATE SET manifest_sha256 = excluded.manifest_sha256, manifest = NULL, "
            "log_index = NULL WHERE manifest_sha256 <> excluded.manifest_sha256",
            *(app_id, manifest_sha256),
        )

    async def set_manifest(self, app_id: str, signed: Signed) -> None:
        assert signed.manifest is not None
        await self.database.execute(
            "UPDATE attestations SET manifest = ?, log_index = ? "  # noqa: S608
            f"WHERE app_id = ? AND manifest_sha256 = ? AND {IS_LIVE}",
            *(encoded(signed.manifest), signed.log_index, app_id, signed.manifest_sha256),
        )

    async def signed(self, app_id: str) -> Signed | None:
        rows = await self.database.execute("SELECT * FROM attestations WHERE app_id = ?", app_id)
        if not rows:
            return None
        sha256, manifest, log_index = (rows[0][name] for name in ("manifest_sha256", "manifest", "log_index"))
        return Signed(
            str(sha256),
            None if manifest is None else json.loads(str(manifest)),
            None if log_index is None else int(log_index),
        )

    async def left_out(self, app_id: str) -> LeftOut:
        """What the manifest says that an app doesn't get, as far as it is known."""
        rows = await self.database.execute(
            "SELECT manifest -> '$.leftOut' AS listed FROM attestations WHERE app_id = ?", app_id
        )
        listed = rows[0]["listed"] if rows else None
        return left_out_in(None if listed is None else json.loads(str(listed)))

    async def check(self, app_id: str) -> Check | None:
        rows = await self.database.execute("SELECT * FROM checks WHERE app_id = ?", app_id)
        if not rows:
            return None
        began_at, status, document = (rows[0][name] for name in ("began_at", "status", "document"))
        found = None if document is None else str(document)
        return Check(int(began_at or 0), None if status is None else int(status), found)

    async def verdict(self, app_id: str) -> Verdict | None:
        rows = await self.database.execute(
            "SELECT began_at, status, document -> '$.agrees' AS agrees, "
            "unixepoch(document ->> '$.checkedAt') AS found_at FROM checks WHERE app_id = ?",
            app_id,
        )
        if not rows:
            return None
        agrees = rows[0]["agrees"] == "true" if rows[0]["status"] == 200 else None
        return Verdict(int(rows[0]["began_at"] or 0), agrees, 1_000 * int(rows[0]["found_at"] or 0))

    async def want_check(self, app_id: str, now: int, budget: Budget) -> None:
        """Let an app wait for a check that is due; one that waits keeps its place."""
        await self.database.execute(
            "INSERT INTO checks (app_id, began_at, wanted_at) VALUES (?1, 0, ?2) "
            "ON CONFLICT (app_id) DO UPDATE SET wanted_at = ?2 "
            "WHERE wanted_at IS NULL AND began_at <= ?2 - ?3",
            *(app_id, now, budget.app_ms),
        )

    async def begin_check(self, now: int, budget: Budget) -> str | None:
        """Claim the check of the app that has waited longest; None if none waits, or the budget is spent."""
        rows = await self.database.execute(
            "UPDATE checks SET began_at = ?1, wanted_at = NULL, period = ?2, "
            "made = CASE period WHEN ?2 THEN made + 1 ELSE 1 END WHERE app_id = (SELECT app_id FROM checks "
            "WHERE wanted_at IS NOT NULL ORDER BY wanted_at, app_id LIMIT 1) "
            "AND (SELECT coalesce(sum(made), 0) FROM checks WHERE period = ?2) < ?3 RETURNING app_id",
            *(now, now // budget.period_ms, budget.checks),
        )
        return str(rows[0]["app_id"]) if rows else None

    async def finish_check(
        self, app_id: str, status: int, document: dict[str, Any], agrees: bool | None, now: int
    ) -> None:
        """Keep the result of a check, unless the app was deleted meanwhile.

        `agrees` is None where it could not be found out: then what was found before still counts.
        """
        found = {True: "agrees", False: "differs", None: None}[agrees]
        told = []
        if agrees is False:
            told.append(telling_of_difference(app_id, "; ".join(document["differences"]), now))
        await self.database.batch(
            *told,
            (
                "UPDATE checks SET status = ?1, document = ?2, differs_since = CASE ?3 "  # noqa: S608
                "WHEN 'agrees' THEN NULL WHEN 'differs' THEN coalesce(differs_since, ?4) "
                f"ELSE differs_since END WHERE app_id = ?5 AND {IS_LIVE}",
                (status, encoded(document), found, now, app_id),
            ),
        )

    async def differing(self, limit: int) -> list[tuple[str, int]]:
        """Apps that are not what was signed, as far as is known, and since when, the latest first."""
        rows = await self.database.execute(
            "SELECT app_id, differs_since FROM checks WHERE differs_since IS NOT NULL "
            "ORDER BY differs_since DESC LIMIT ?",
            limit,
        )
        return [(str(row["app_id"]), int(row["differs_since"] or 0)) for row in rows]

    async def forget(self, app_id: str) -> None:
        """Keep of a deleted app neither manifest nor document, each of which may have megabytes."""
        # The row of the checks stays: those that were begun count in their period.
        checks = (
            "UPDATE checks SET status = NULL, document = NULL, wanted_at = NULL, differs_since = NULL "
            "WHERE app_id = ?"
        )
        manifest = "UPDATE attestations SET manifest = NULL WHERE app_id = ?"
        await self.database.batch((checks, (app_id,)), (manifest, (app_id,)))


def encoded(content: dict[str, Any]) -> str:
    """As short as JSON gets: a value in D1 has at most 2,000,000 bytes ("Limits" of D1)."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
