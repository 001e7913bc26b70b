"""Single steps of `make deploy`, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.cloudflare.permissions import READ_TOKEN
from tests.deploy.support import Operator


def test_a_secret_that_changed_deploys_nothing_anew(operator: Operator) -> None:
    assert operator.is_done("billing") is False
    operator.put_secret("billing", "NAME", "--env=")
    billing = operator.account.workers.scripts["codius-billing"]
    assert billing.active.annotations == {"workers/triggered_by": "secret"}
    operator.take_changes()
    assert operator.is_done("billing") is True
    assert operator.take_changes() == []
    # What serves was uploaded by somebody else; the secret that came after it doesn't hide that.
    billing.versions[-1].parts = []
    assert operator.is_done("billing") is False


def test_a_pages_deployment_that_failed_is_not_done(operator: Operator) -> None:
    assert operator.is_done("pages") is False
    (deployment,) = operator.account.pages.deployments["codius-workers"]
    deployment["latest_stage"]["status"] = "failure"
    assert operator.is_done("pages") is False
    # One that fails later doesn't undo the one that serves.
    failed = {**deployment, "id": "later", "latest_stage": {"name": "build", "status": "failure"}}
    operator.account.pages.deployments["codius-workers"].insert(0, failed)
    assert operator.is_done("pages") is True


def test_what_wrangler_warns_of_is_shown_once(operator: Operator) -> None:
    operator.change("billing/wrangler.toml", "workers_dev = false", "workers_dev = false\nworkers_prod = 1")
    status, output = operator.deploy(STEP="billing")
    assert status == 0, output
    assert output.count('Unexpected fields found in top-level field: "workers_prod"') == 1


def test_a_login_among_the_operators_is_refused_and_its_id_is_told(operator: Operator) -> None:
    path = "dashboard/wrangler.toml"
    operator.change(path, "https://api.github.com", f"{operator.address}/github")
    whole, _, staging = (operator.root / path).read_text().partition("[env.staging]")
    for value, words in (
        ("alice", "OPERATORS has 'alice'; write the account's numeric id in its place: 1001\n"),
        ("1001, nobody", f"in its place (`id` in {operator.address}/github/users/nobody)"),
        ("1001 a/b", "OPERATORS has 'a/b'; write the account's numeric id in its place\n"),
    ):
        changed = whole.replace('OPERATORS = ""', f'OPERATORS = "{value}"')
        (operator.root / path).write_text(f"{changed}[env.staging]{staging}")
        status, output = operator.deploy(STEP="check")
        assert status == 1, output
        assert words in output
        assert output.count("OPERATORS has") == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ENV": "test"}, "ENV must be one of production, staging, not 'test'."),
        ({"STEP": "all"}, "STEP must be one of check, database, migrations,"),
    ],
)
def test_what_is_not_known_is_named(operator: Operator, settings: dict[str, str], words: str) -> None:
    status, output = operator.deploy(**settings)
    assert status == 2
    assert words in output


def test_without_a_login_it_says_how_to_log_in(operator: Operator) -> None:
    status, output = operator.deploy(CLOUDFLARE_API_BASE_URL="http://127.0.0.1:9/client/v4")
    assert status == 1
    assert "npx wrangler login`, or set CLOUDFLARE_API_TOKEN." in output


def test_wranglers_own_login_is_taken_and_what_it_may_not_do_is_told(
    operator: Operator, tmp_path: Path
) -> None:
    login = tmp_path / "home" / ".config" / ".wrangler" / "config" / "default.toml"
    login.parent.mkdir(parents=True)
    login.write_text(f'oauth_token = "{READ_TOKEN}"\nexpiration_time = "2999-01-01T00:00:00Z"\n')
    settings = {"CLOUDFLARE_API_TOKEN": "", "HOME": str(tmp_path / "home"), "DRY_RUN": "1"}
    status, output = operator.deploy(STEP="billing", **settings)
    assert status == 0, output
    status, output = operator.deploy(STEP="database", **settings)
    assert status == 1
    assert "asked for d1/database/codius?fields=uuid,name, said 403: Authentication error (10000)" in output


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("token-of-the-operator\n", "These secrets are missing"),
        ("token-of-the\n-operator", "has a character that none has: set it once more."),
    ],
)
def test_a_token_that_was_pasted_with_a_line_break_is_not_told(
    operator: Operator, token: str, words: str
) -> None:
    status, output = operator.deploy(STEP="check", CLOUDFLARE_API_TOKEN=token)
    assert status == 1
    assert words in output
    assert "token-of-the" not in output


def test_a_path_that_leads_nowhere_is_not_taken_for_what_is_not_there_yet(operator: Operator) -> None:
    status, output = operator.deploy(STEP="check", CLOUDFLARE_API_BASE_URL=f"{operator.address}/client/v5")
    assert status == 1
    assert "Cloudflare can't be asked." in output
    assert "(7003)" in output


def test_a_database_that_the_config_names_by_its_id_is_looked_for_by_it(operator: Operator) -> None:
    assert operator.is_done("database") is False
    (database,) = operator.account.databases.by_id.values()
    database.name = "another"
    operator.change(
        "dashboard/wrangler.toml",
        'name = "codius"\nmigrations',
        f'name = "codius"\ndatabase_id = "{database.id}"\nmigrations',
    )
    assert operator.is_done("database") is True


def test_an_address_under_pages_dev_that_is_not_the_projects_is_refused(operator: Operator) -> None:
    for path in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(path, operator.address, "https://codius-workers.pages.dev")
    status, output = operator.deploy(STEP="smoke")
    assert status == 1
    assert "DASHBOARD_URL, codius-workers.pages.dev, leads nowhere: the Pages project" in output
    assert "is at no address yet" in output
    operator.account.pages.taken_subdomains.add("codius-workers")
    assert operator.deploy(STEP="pages")[0] == 0
    status, output = operator.deploy(STEP="smoke")
    assert status == 1
    assert "is at codius-workers-1ab.pages.dev. Put its address into DASHBOARD_URL" in output


def test_a_dashboard_on_a_domain_of_its_own_needs_a_route(operator: Operator) -> None:
    for path in ("wrangler.toml", "dashboard/wrangler.toml"):
        operator.change(path, operator.address, "https://codius.test")
    status, output = operator.deploy(STEP="smoke")
    assert status == 1
    assert 'routes = [{ pattern = "codius.test", custom_domain = true }]' in output
