"""Who may sign up: asked once, when somebody logs in who never did before."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from clients.github_api import GitHubApi, items
from clients.github_login import Profile
from model.switches import CLOSED, NOT_LISTED, SignUpRefusedError
from store.overrides import Overrides
from store.users import Users


@dataclass(frozen=True, slots=True)
class SigningUp:
    """`github` sees public data only. Times are milliseconds since 1970."""

    users: Users
    overrides: Overrides
    github: GitHubApi

    async def require_allowed(self, profile: Profile, now: int) -> None:
        """Raises SignUpRefusedError, and GitHubError where GitHub can't be asked for organisations."""
        if await self.users.get(profile.user.id) is not None:
            return
        switches = await self.overrides.switches()
        if switches.sign_up == "closed":
            raise SignUpRefusedError(CLOSED)
        switches.require_age(profile.created_at, now)
        names, login = switches.sign_up_list, profile.user.login
        if switches.sign_up == "list" and not await self._is_listed(login, names):
            raise SignUpRefusedError(NOT_LISTED)

    async def _is_listed(self, login: str, names: tuple[str, ...]) -> bool:
        """By login, or as a public member of an organisation: the first hundred that GitHub lists."""
        if login.lower() in names:
            return True
        answer = await self.github.get(f"/users/{quote(login)}/orgs?per_page=100")
        return any(str(item.get("login")).lower() in names for item in items(answer))
