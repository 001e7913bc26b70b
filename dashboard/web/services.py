"""What a request is answered with: the settings, and a client for each outside party."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from attestation.checks import Checks, Published
from clients.billing import Billing
from clients.cloudflare import Namespace
from clients.github_actions import GitHubActions
from clients.github_api import GitHubApi, app_authorization, token_authorization
from clients.github_attestations import GitHubAttestations
from clients.github_login import GitHubLogin
from clients.github_repositories import GitHubRepositories
from clients.http import Fetch
from hosting.deployments import Deployments
from hosting.following import Following
from hosting.leaving import Leaving
from hosting.notices import Notifying
from hosting.presence import Presence
from hosting.refusing import Refusing
from hosting.removals import Removals
from hosting.signatures import Signatures
from hosting.signing_up import SigningUp
from hosting.site_making import SiteMaking
from hosting.sites import SiteHosting
from hosting.suspending import Suspending
from hosting.usage import Counting
from model.checkout import PaymentsNotConfiguredError
from model.rates import Rates
from model.refusals import Tally
from payments.fulfilment import Fulfilment
from payments.taking_back import TakingBack
from store.accounts import Accounts
from store.apps import Apps
from store.attestations import Attestations
from store.database import Database
from store.deploys import Deploys
from store.failures import Failures
from store.looks import Looks
from store.measures import Measures
from store.notices import Notices
from store.overrides import Overrides
from store.overview import Overview
from store.payments import Payments
from store.refusals import Refusals
from store.reversals import Reversals
from store.site_versions import SiteVersions
from store.sites import Sites
from store.sums import Sums
from store.suspensions import Suspensions
from store.users import Users
from upkeep import Upkeep
from web.settings import Settings

if TYPE_CHECKING:
    from clients.stripe_api import StripeApi

WORKFLOW = "deploy-worker.yml"
CALLBACK_PATH = "/login/github/callback"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Services:
    """`now` gives the time in milliseconds since 1970."""

    settings: Settings
    users: Users
    apps: Apps
    deploys: Deploys
    failures: Failures
    sites: Sites
    site_versions: SiteVersions
    billing: Billing
    login: GitHubLogin
    repositories: GitHubRepositories
    actions: GitHubActions
    namespace: Namespace
    deployments: Deployments
    site_hosting: SiteHosting
    site_making: SiteMaking
    following: Following
    checks: Checks
    presence: Presence
    measures: Measures
    overview: Overview
    sums: Sums
    accounts: Accounts
    overrides: Overrides
    signing_up: SigningUp
    suspensions: Suspensions
    suspending: Suspending
    removals: Removals
    leaving: Leaving
    notices: Notices
    notifying: Notifying
    payments: Payments
    reversals: Reversals
    fulfilment: Fulfilment
    taking_back: TakingBack
    stripe: Callable[[], StripeApi]
    upkeep: Upkeep
    rates: Rates
    refusing: Refusing
    now: Callable[[], int]

    @classmethod
    def make(
        cls,
        settings: Settings,
        database: Database,
        objects: Any,
        billing_worker: Any,
        fetch: Fetch,
        rates: Rates,
        tally: Tally,
        now: Callable[[], int] = now_ms,
    ) -> Services:
        """`objects` is the binding to the billing objects, `billing_worker` the one to their Worker.

        `tally` has what this instance refused.
        """
        users, apps, billing = Users(database), Apps(database), Billing(objects, billing_worker)
        secrets = settings.secrets
        api_url = settings.github_api_url
        as_app = GitHubApi(
            fetch, api_url, app_authorization(settings.github_client_id, secrets.github_client)
        )
        as_operator = GitHubApi(fetch, api_url, token_authorization(secrets.github_token))
        actions = GitHubActions(
            as_operator, as_app, settings.github_repository, WORKFLOW, settings.github_branch
        )
        namespace = Namespace(
            fetch,
            settings.cloudflare_api_url,
            settings.cloudflare_account_id,
            secrets.cloudflare_token,
            settings.dispatch_namespace,
        )
        payments, reversals, suspensions = Payments(database), Reversals(database), Suspensions(database)

        def stripe() -> StripeApi:
            return connect_to_stripe(settings, fetch)

        fulfilment = Fulfilment(payments, billing, stripe)
        taking_back = TakingBack(payments, reversals, fulfilment, billing, stripe)
        attestations, overrides = Attestations(database), Overrides(database)
        signatures = Signatures(attestations, GitHubAttestations(as_operator, settings.github_repository))
        presence = Presence(apps, Looks(database), namespace)
        deploys, failures = Deploys(database), Failures(database)
        refusing = Refusing(tally, Refusals(database))
        sites, site_versions = Sites(database), SiteVersions(database)
        deployments = Deployments(
            apps,
            deploys,
            site_versions,
            suspensions,
            overrides,
            signatures,
            billing,
            actions,
            refusing,
            settings.dispatch_namespace,
            settings.limits,
        )
        repositories = GitHubRepositories(as_app)
        site_hosting = SiteHosting(
            sites, site_versions, apps, deployments, billing, repositories, settings.github_url, now
        )
        following = Following(sites, site_versions, site_hosting, repositories)
        site_making = SiteMaking(
            sites,
            apps,
            site_hosting,
            deployments,
            billing,
            repositories,
            settings.github_url,
            settings.apps_domain,
            settings.dashboard_url,
        )
        checks = Checks(
            apps,
            attestations,
            deployments,
            signatures.github,
            namespace,
            presence,
            billing,
            Published(
                settings.github_url,
                settings.github_repository,
                signer_of(settings),
                settings.app_url,
                settings.cloudflare_access,
            ),
        )
        removals = Removals(apps, attestations, billing, actions, namespace)
        sums, accounts = Sums(database), Accounts(database)
        notices = Notices(database)
        notifying = Notifying(
            notices,
            billing,
            fetch,
            secrets.github_webhook,
            settings.dashboard_url,
            settings.apps_domain,
            now,
        )
        login = GitHubLogin(
            fetch,
            settings.github_url,
            api_url,
            settings.github_client_id,
            secrets.github_client,
            settings.dashboard_url + CALLBACK_PATH,
        )
        return cls(
            settings=settings,
            users=users,
            apps=apps,
            deploys=deploys,
            failures=failures,
            sites=sites,
            site_versions=site_versions,
            billing=billing,
            login=login,
            repositories=repositories,
            actions=actions,
            namespace=namespace,
            deployments=deployments,
            site_hosting=site_hosting,
            site_making=site_making,
            following=following,
            checks=checks,
            presence=presence,
            measures=Measures(database),
            overview=Overview(database),
            sums=sums,
            accounts=accounts,
            overrides=overrides,
            signing_up=SigningUp(users, overrides, as_app),
            suspensions=suspensions,
            suspending=Suspending(suspensions, payments, billing, billing.tell_suspensions),
            removals=removals,
            leaving=Leaving(users, apps, sites, site_hosting, removals),
            notices=notices,
            notifying=notifying,
            payments=payments,
            reversals=reversals,
            fulfilment=fulfilment,
            taking_back=taking_back,
            stripe=stripe,
            upkeep=Upkeep(
                apps,
                deploys,
                failures,
                users,
                payments,
                deployments,
                removals,
                fulfilment,
                taking_back,
                checks,
                site_hosting,
                following,
                notifying,
                Counting(accounts, billing),
                sums,
                refusing,
            ),
            rates=rates,
            refusing=refusing,
            now=now,
        )


def services_of(request: Request) -> Services:
    services: Services = request.state.services
    return services


def signer_of(settings: Settings) -> str:
    """The deploy workflow, as Sigstore's certificates name it."""
    repository = f"{settings.github_url}/{settings.github_repository}"
    return f"{repository}/.github/workflows/{WORKFLOW}@refs/heads/{settings.github_branch}"


def connect_to_stripe(settings: Settings, fetch: Fetch) -> StripeApi:
    """Raises PaymentsNotConfiguredError."""
    if not settings.has_payments:
        raise PaymentsNotConfiguredError
    # Not at the top: the SDK takes long to import, and few requests need it.
    from clients.stripe_api import StripeApi

    secrets = settings.secrets
    assert secrets.stripe_key is not None
    return StripeApi(fetch, settings.stripe_api_url, secrets.stripe_key, secrets.stripe_webhooks)
