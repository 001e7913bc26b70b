"""The token that an operator publishes: `make deploy` refuses one that can do more than read scripts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from deploy.configs import Installation
from deploy.errors import DeployError
from deploy.read_token import problems_of_read_token
from local.cloudflare.account import CloudflareAccount
from local.cloudflare.permissions import READ_TOKEN
from pipeline import api
from tests.pipeline.support import served

ACCOUNT = "a" * 32


def installation(folder: Path, token: str) -> Installation:
    config = folder / "dashboard" / "wrangler.toml"
    config.parent.mkdir()
    config.write_text(f'[vars]\nCLOUDFLARE_ACCOUNT_ID = "{ACCOUNT}"\nCLOUDFLARE_READ_TOKEN = "{token}"\n')
    return Installation(folder, "production")


@pytest.fixture
def cloudflare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with served(CloudflareAccount(ACCOUNT).application()) as address:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", f"{address}/client/v4")
        yield


@pytest.mark.parametrize("token", ["", READ_TOKEN])
def test_none_and_one_that_only_reads_scripts_are_taken(cloudflare: None, tmp_path: Path, token: str) -> None:
    assert list(problems_of_read_token(installation(tmp_path, token))) == []


def test_one_that_can_write_is_refused(cloudflare: None, tmp_path: Path) -> None:
    problems = list(problems_of_read_token(installation(tmp_path, "one-that-can-write")))
    assert any("is published, and can change workers/scripts: " in problem for problem in problems)
    assert any("can change d1/database" in problem for problem in problems)
    assert all("one-that-can-write" not in problem for problem in problems)


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "is not a valid token of the account itself"), (429, "isn't known"), (500, "isn't")],
)
def test_what_it_can_do_must_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    async def answer(request: object) -> JSONResponse:
        return JSONResponse({}, status)

    with served(Starlette(routes=[Route("/{rest:path}", answer)])) as address:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", address)
        monkeypatch.setattr(api, "RETRY_SECONDS", (0, 0))
        try:
            found = "".join(problems_of_read_token(installation(tmp_path, READ_TOKEN)))
        except DeployError as error:
            found = str(error)
    assert words in found
