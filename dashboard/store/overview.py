"""The queries of the operator's lists: everything there is, a page at a time, and what a word finds.

Times are milliseconds since 1970. A word is an app's id, a site's name, a login, a repository or its owner.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.app import App
from model.site import Site
from store.apps import SELECT as SELECT_APPS
from store.apps import app_of
from store.database import Database
from store.sites import SELECT as SELECT_SITES
from store.sites import site_of
from store.suspensions import OWNER

# Of apps and of sites: what a word, ?2, finds by an index each.
FOUND = (
    "SELECT {key} FROM {table} WHERE {key} = ?2 "  # noqa: S608
    "UNION ALL SELECT {key} FROM {table} WHERE user_id IN "
    "(SELECT id FROM users WHERE login = ?2 COLLATE NOCASE) "
    "UNION ALL SELECT {key} FROM {table} WHERE lower(repository) = ?2 "
    f"UNION ALL SELECT {{key}} FROM {{table}} WHERE {OWNER} = ?2"
)
APPS, SITES = FOUND.format(key="id", table="apps"), FOUND.format(key="name", table="sites")


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user, when they came first and last, and how many live apps and sites are theirs."""

    id: int
    login: str
    name: str | None
    created_at: int
    seen_at: int
    apps: int
    sites: int
    suspension: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Each list has the newest first, of what was made before a time."""

    database: Database

    async def apps(self, before: int, limit: int) -> list[App]:
        rows = await self.database.execute(
            f"{SELECT_APPS} WHERE apps.created_at < ? ORDER BY apps.created_at DESC LIMIT ?", before, limit
        )
        return [app_of(row) for row in rows]

    async def apps_found(self, word: str, before: int, limit: int) -> list[App]:
        rows = await self.database.execute(
            f"{SELECT_APPS} WHERE apps.id IN ({APPS}) AND apps.created_at < ?1 "
            "ORDER BY apps.created_at DESC LIMIT ?3",
            *(before, word, limit),
        )
        return [app_of(row) for row in rows]

    async def sites(self, before: int, limit: int) -> list[Site]:
        rows = await self.database.execute(
            f"{SELECT_SITES} WHERE sites.created_at < ? ORDER BY sites.created_at DESC LIMIT ?", before, limit
        )
        return [site_of(row) for row in rows]

    async def sites_found(self, word: str, before: int, limit: int) -> list[Site]:
        rows = await self.database.execute(
            f"{SELECT_SITES} WHERE sites.name IN ({SITES}) AND sites.created_at < ?1 "
            "ORDER BY sites.created_at DESC LIMIT ?3",
            *(before, word, limit),
        )
        return [site_of(row) for row in rows]

    async def users(self, before: int, limit: int) -> list[UserRow]:
        return await self._users(
            "users.created_at < ?1 ORDER BY users.created_at DESC LIMIT ?2", before, limit
        )

    async def users_found(self, word: str, before: int, limit: int) -> list[UserRow]:
        """By login, or by GitHub's id."""
        return await self._users(
            "users.id IN (SELECT id FROM users WHERE login = ?3 COLLATE NOCASE "
            "UNION ALL SELECT id FROM users WHERE id = CAST(?3 AS INTEGER)) AND users.created_at < ?1 "
            "ORDER BY users.created_at DESC LIMIT ?2",
            *(before, limit, word),
        )

    async def _users(self, condition: str, *values: int | str) -> list[UserRow]:
        rows = await self.database.execute(
            "SELECT users.*, "  # noqa: S608
            "(SELECT count(*) FROM apps WHERE user_id = users.id AND deleted_at IS NULL) AS apps, "
            "(SELECT count(*) FROM sites WHERE user_id = users.id AND deleted_at IS NULL) AS sites, "
            "(SELECT reason FROM suspensions WHERE kind = 'user' "
            f"AND suspensions.name = CAST(users.id AS TEXT)) AS suspension FROM users WHERE {condition}",
            *values,
        )
        return [UserRow(**row) for row in rows]  # type: ignore[arg-type]
