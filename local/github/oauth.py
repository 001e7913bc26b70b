"""The OAuth web application flow, with state and PKCE.

After GitHub's "Authorizing OAuth apps" and "Troubleshooting OAuth app access token request errors": errors of
the token's endpoint come with the status 200.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from local.github.accounts import ACCOUNTS, OPERATOR, Account, Tokens, account_of
from local.github.pages import not_found, page

CODE_SECONDS = 600
ERRORS = {
    "bad_verification_code": "The code passed is incorrect or expired.",
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "redirect_uri_mismatch": "The redirect_uri MUST match the registered callback URL for this application.",
    "access_denied": "The user has denied your application access.",
}


@dataclass(frozen=True, slots=True)
class Code:
    account: Account
    redirect_uri: str
    challenge: str
    ends_at: float


class OAuth:
    """One OAuth app, registered with one callback."""

    def __init__(self, tokens: Tokens, callback_url: str, documentation_url: str) -> None:
        self._tokens = tokens
        self._callback_url = callback_url
        self._documentation_url = documentation_url
        self._codes: dict[str, Code] = {}

    def routes(self) -> list[Route]:
        return [
            Route("/login/oauth/authorize", self.ask, methods=["GET"]),
            Route("/login/oauth/authorize", self.decide, methods=["POST"]),
            Route("/login/oauth/access_token", self.exchange, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        query = request.query_params
        if query.get("client_id") != self._tokens.client_id:
            return not_found()
        redirect_uri = query.get("redirect_uri", self._callback_url)
        if not redirect_uri.startswith(self._callback_url):
            return self._refuse("redirect_uri_mismatch", self._callback_url, query.get("state", ""))
        if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
            return page(
                "message.html", 400, title="Bad request", message="Only S256 challenges are supported."
            )
        return page(
            "authorize.html",
            redirect_uri=redirect_uri,
            state=query.get("state", ""),
            code_challenge=query.get("code_challenge", ""),
            accounts=ACCOUNTS,
            operator=OPERATOR,
        )

    async def decide(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        redirect_uri, state = form.get("redirect_uri", ""), form.get("state", "")
        if not redirect_uri.startswith(self._callback_url):
            return not_found()
        account = account_of(form.get("login", ""))
        if account is None:
            return self._refuse("access_denied", redirect_uri, state)
        code = secrets.token_hex(10)
        challenge = form.get("code_challenge", "")
        self._codes[code] = Code(account, redirect_uri, challenge, time.monotonic() + CODE_SECONDS)
        return RedirectResponse(f"{redirect_uri}?{urlencode({'code': code, 'state': state})}", 302)

    def _refuse(self, error: str, redirect_uri: str, state: str) -> Response:
        query = {
            "error": error,
            "error_description": ERRORS[error],
            "error_uri": self._documentation_url,
            "state": state,
        }
        return RedirectResponse(f"{redirect_uri}?{urlencode(query)}", 302)

    async def exchange(self, request: Request) -> Response:
        form = await read_form(request)
        known = (self._tokens.client_id, self._tokens.client_secret)
        if (form.get("client_id"), form.get("client_secret")) != known:
            return self._error(request, "incorrect_client_credentials")
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.ends_at < time.monotonic() or not is_verified(code, form):
            return self._error(request, "bad_verification_code")
        if form.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
            return self._error(request, "redirect_uri_mismatch")
        content = {"access_token": self._tokens.issue(code.account), "scope": "", "token_type": "bearer"}
        return answer(request, content)

    def _error(self, request: Request, error: str) -> Response:
        return answer(
            request,
            {"error": error, "error_description": ERRORS[error], "error_uri": self._documentation_url},
        )


def is_verified(code: Code, form: dict[str, str]) -> bool:
    """RFC 7636, section 4.6."""
    if not code.challenge:
        return True
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge


async def read_form(request: Request) -> dict[str, str]:
    body = (await request.body()).decode(errors="replace")
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            content = json.loads(body)
        except ValueError:
            return {}
        return {str(name): str(value) for name, value in content.items()} if isinstance(content, dict) else {}
    return dict(parse_qsl(body))


def answer(request: Request, content: dict[str, str]) -> Response:
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(content)
    return Response(urlencode(content), media_type="application/x-www-form-urlencoded")
