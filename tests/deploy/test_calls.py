"""How Cloudflare's API is asked with a token: what is asked again, and that the token goes nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from deploy import operate
from deploy.api import Account, bearer, question
from deploy.configs import Installation
from deploy.errors import DeployError
from deploy.read_back import answer_of
from deploy.read_token import problems_of_read_token
from deploy.wrangler import Wrangler
from local.staging import ROOT
from pipeline import api
from pipeline.cloudflare import DeployedScript
from pipeline.errors import PipelineError
from tests.pipeline.support import served

ACCOUNT, TOKEN = "a" * 32, "a-token-of-the-operator"
CONFIG = f"""
[[d1_databases]]
database_name = "codius"
[vars]
CLOUDFLARE_ACCOUNT_ID = "{ACCOUNT}"
CLOUDFLARE_READ_TOKEN = "{TOKEN}"
"""
REDIRECTS = (301, 302, 303, 307, 308)


class Server:
    """Answers what it is to, in order and then 200; `asked` is what came."""

    def __init__(self, *answers: Response) -> None:
        self.answers, self.asked = list(answers), list[Request]()

    async def answer(self, request: Request) -> Response:
        self.asked.append(request)
        await request.body()
        return self.answers.pop(0) if self.answers else JSONResponse({"result": "here"})

    @property
    def application(self) -> Starlette:
        return Starlette(
            routes=[Route("/{rest:path}", self.answer, methods=["GET", "POST", "PUT", "DELETE"])]
        )


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited for."""
    waited: list[float] = []
    monkeypatch.setattr(api.time, "sleep", waited.append)
    return waited


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "wrangler.toml").write_text(CONFIG)
    monkeypatch.delenv("CLOUDFLARE_API_KEY", raising=False)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    return Installation(tmp_path, "production")


def asked(monkeypatch: pytest.MonkeyPatch, installation: Installation, server: Server, **how: Any) -> Any:
    with served(server.application) as address:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", address)
        return Account(Wrangler(installation)).result("d1", **how)


@pytest.mark.parametrize("how", [{}, {"content": {}, "only_reads": True}])
def test_what_only_reads_is_asked_again_where_cloudflare_fails(
    monkeypatch: pytest.MonkeyPatch, installation: Installation, at_once: list[float], how: dict[str, Any]
) -> None:
    server = Server(JSONResponse({}, 429, {"retry-after": "7"}), JSONResponse({}, 503))
    assert asked(monkeypatch, installation, server, **how) == "here"
    assert (len(server.asked), at_once) == (3, [7, 5])


def test_what_fails_for_long_is_not_asked_for_ever(
    monkeypatch: pytest.MonkeyPatch, installation: Installation, at_once: list[float]
) -> None:
    server = Server(*(JSONResponse({}, 429, {"retry-after": "86400"}) for _ in range(9)))
    with pytest.raises(DeployError, match="asked for d1, said 429"):
        asked(monkeypatch, installation, server)
    assert (len(server.asked), at_once) == (3, [30, 30])


@pytest.mark.parametrize(("status", "times"), [(500, 1), (429, 2), (403, 1)])
def test_what_changes_something_is_done_again_only_where_nothing_was_done(
    monkeypatch: pytest.MonkeyPatch, installation: Installation, status: int, times: int
) -> None:
    server = Server(JSONResponse({}, status))
    if times == 1:
        with pytest.raises(DeployError, match=f"said {status}"):
            asked(monkeypatch, installation, server, content={})
    else:
        assert asked(monkeypatch, installation, server, content={}) == "here"
    assert len(server.asked) == times


def test_an_act_that_nothing_is_known_of_is_not_called_done(
    monkeypatch: pytest.MonkeyPatch, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(operate, "Installation", lambda *_: installation)
    server = Server(JSONResponse({"result": {"uuid": "1", "name": "codius"}}), JSONResponse({}, 500))
    with served(server.application) as address:
        monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", address)
        assert operate.main(["set", "deploys", "off", "--reason", "A flood."]) == 1
    said = capsys.readouterr()
    assert (said.out, len(server.asked)) == ("", 2)
    assert said.err.splitlines()[-1] == "Whether it was done all the same, ARGS=acts says."


CALLS: dict[str, Callable[[Installation], object]] = {
    "read": lambda installation: Account(Wrangler(installation)).result("d1"),
    "write": lambda installation: Account(Wrangler(installation)).result("d1", {"sql": "SELECT 1"}),
    "read back": lambda installation: answer_of(installation, "workers/scripts/x/settings"),
    "token": lambda installation: list(problems_of_read_token(installation)),
    "tag": lambda installation: script(installation).tag(["x"]),
    "delete": lambda installation: script(installation).delete(),
}


def script(installation: Installation) -> DeployedScript:
    return DeployedScript(question(installation, bearer(TOKEN), "x").full_url, TOKEN)


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("call", CALLS)
def test_a_redirect_takes_no_token_to_another_server(
    monkeypatch: pytest.MonkeyPatch, installation: Installation, status: int, call: str
) -> None:
    other = Server()
    with served(other.application) as elsewhere:
        first = Server(*(RedirectResponse(f"{elsewhere}/x", status) for _ in range(9)))
        with served(first.application) as address:
            monkeypatch.setenv("CLOUDFLARE_API_BASE_URL", address)
            with pytest.raises((DeployError, PipelineError)) as error:
                CALLS[call](installation)
    assert elsewhere.removeprefix("http://") in str(error.value)
    assert TOKEN not in str(error.value)
    assert [request.headers["authorization"] for request in first.asked] == [f"Bearer {TOKEN}"]
    assert other.asked == []


def test_only_what_carries_no_token_is_asked_by_urllib_itself() -> None:
    """urllib sends the headers of a request along wherever it is redirected to."""
    folders = ("deploy", "pipeline")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert {path.name for path in files if "urlopen(" in path.read_text()} == {"health.py", "operators.py"}
