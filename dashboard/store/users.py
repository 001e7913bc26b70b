"""The queries on users and their sessions."""

from __future__ import annotations

from dataclasses import dataclass

from model.app import User
from store.causes import FORGETTING
from store.database import Database, Statement
from store.sums import USERS, summed


@dataclass(frozen=True, slots=True)
class Session:
    """Who is logged in, until when (milliseconds since 1970)."""

    user: User
    expires_at: int


@dataclass(frozen=True, slots=True)
class Users:
    database: Database

    async def log_in(self, user: User, token_hash: str, now: int, expires_at: int) -> None:
        """Take the user's name over from GitHub and open a session.

        Who had the login before has renamed their account, and has to log in under their new name.
        """
        known: Statement = (
            "INSERT INTO users (id, login, name, created_at, seen_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET login = excluded.login, name = excluded.name, "
            "seen_at = excluded.seen_at",
            (user.id, user.login, user.name, now, now),
        )
        await self.database.batch(
            # Who is known has another time: a login writes no sum.
            *summed(USERS, "id = ?1 AND created_at = ?2", (user.id, now), known),
            (
                "DELETE FROM sessions WHERE user_id IN "
                "(SELECT id FROM users WHERE login = ? COLLATE NOCASE AND id <> ?)",
                (user.login, user.id),
            ),
            (
                "INSERT INTO sessions (token_hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (token_hash, user.id, now, expires_at),
            ),
        )

    async def session(self, token_hash: str, now: int) -> Session | None:
        rows = await self.database.execute(
            "SELECT users.id, login, name, expires_at FROM sessions JOIN users ON users.id = user_id "
            "WHERE token_hash = ? AND expires_at > ?",
            *(token_hash, now),
        )
        if not rows:
            return None
        row = rows[0]
        return Session(User(row["id"], row["login"], row["name"]), row["expires_at"])  # type: ignore[arg-type]

    async def extend_session(self, token_hash: str, expires_at: int) -> None:
        await self.database.execute(
            "UPDATE sessions SET expires_at = ? WHERE token_hash = ?", expires_at, token_hash
        )

    async def log_out(self, token_hash: str) -> None:
        await self.database.execute("DELETE FROM sessions WHERE token_hash = ?", token_hash)

    async def forget_expired_sessions(self, now: int) -> None:
        await self.database.execute("DELETE FROM sessions WHERE expires_at <= ?", now)

    async def get(self, user_id: int) -> User | None:
        rows = await self.database.execute("SELECT id, login, name FROM users WHERE id = ?", user_id)
        return User(**rows[0]) if rows else None  # type: ignore[arg-type]

    async def id_of(self, login: str) -> int | None:
        """Of who had a login last; None if nobody had it."""
        rows = await self.database.execute(
            "SELECT id FROM users WHERE login = ? COLLATE NOCASE ORDER BY seen_at DESC LIMIT 1", login
        )
        return int(rows[0]["id"] or 0) if rows else None

    async def forget(self, user_id: int) -> None:
        """End all sessions and notices of a user, and forget the name, also of what they have paid.

        The row stays, as apps and sites belong to it. Its login is the one that GitHub shows of accounts
        which are gone.
        """
        await self.database.batch(
            ("DELETE FROM sessions WHERE user_id = ?", (user_id,)),
            *((sql, (user_id,)) for sql in FORGETTING),
            ("UPDATE payments SET user_id = NULL WHERE user_id = ?", (user_id,)),
            ("UPDATE users SET login = 'ghost', name = NULL WHERE id = ?", (user_id,)),
        )
