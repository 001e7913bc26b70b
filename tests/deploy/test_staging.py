"""Staging, beside production in one account."""

from __future__ import annotations

from tests.deploy.support import STAGING_DOMAIN, Operator, lines_of


def test_staging_is_an_installation_of_its_own(operator: Operator) -> None:
    operator.set_up_staging()
    operator.put_secrets("--env", "staging")
    status, output = operator.deploy(ENV="staging")
    assert status == 0, output
    account = operator.account
    names = ("billing", "dashboard", "dispatch")
    assert account.workers.scripts.keys() == {f"codius-{name}-staging" for name in names}
    assert account.workers.namespaces == ["staging"]
    (route,) = account.workers.scripts["codius-dispatch-staging"].routes
    assert route["pattern"] == f"*.{STAGING_DOMAIN}/*"
    # Each is bound to staging's own.
    for name in names:
        metadata = account.workers.scripts[f"codius-{name}-staging"].active.metadata
        for binding in metadata["bindings"]:
            named = binding.get("service") or binding.get("script_name")
            assert named is None or named.endswith("-staging"), binding
            assert binding.get("namespace") in (None, "staging")
    (database,) = account.databases.by_id.values()
    assert database.name == "codius-staging"
    assert account.pages.uploads[-1]["branch"] == "staging"
    operator.take_changes()
    assert operator.deploy(ENV="staging")[0] == 0
    assert operator.take_changes() == []
    # And a single step of it.
    status, output = operator.deploy(ENV="staging", STEP="billing")
    assert list(lines_of(output)) == ["billing"], output


def test_staging_never_takes_a_domain_from_production(operator: Operator) -> None:
    path, host = "dashboard/wrangler.toml", "dashboard.codius.test"
    own = f'routes = [{{ pattern = "{host}", custom_domain = true }}]'
    operator.change(path, "workers_dev = false\n", f"workers_dev = false\n{own}\n")
    operator.set_up_staging()
    for environment in ("production", "staging"):
        for step in ("database", "billing", "dashboard"):
            assert operator.is_done(step, ENV=environment) is False
    scripts = operator.account.workers.scripts
    assert {"codius-dashboard", "codius-dashboard-staging"} < scripts.keys()
    assert operator.account.domains.owners == {host: "codius-dashboard"}
    # Without a line of its own, or with the same domain, nothing is deployed, whole or in steps.
    operator.take_changes()
    for routes, words in (
        ("", "dashboard/wrangler.toml (staging) has production's routes; write its own, or `routes = []`"),
        (own.replace(host, host.upper()), f"(staging) has the route {host}, which is also"),
        (f'route = "{host}/*"', f"(staging) has the route {host}, which is also"),
    ):
        operator.change(path, "[env.staging]\nroutes = []", f"[env.staging]\n{routes}")
        for settings in ({"ENV": "staging"}, {"ENV": "production"}, {"ENV": "staging", "STEP": "dashboard"}):
            status, output = operator.deploy(**settings)
            assert status == 1, output
            assert words in output
        operator.change(path, f"[env.staging]\n{routes}", "[env.staging]\nroutes = []")
    assert operator.take_changes() == []
