"""The command line of `codius verify`: docs in cli/README.md."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from codius.addresses import web_address
from codius.certificate import TrustedSigner
from codius.document import COMMIT, REPOSITORY
from codius.policy import AppParser, PolicyError, read_policy
from codius.printing import printable
from codius.report import Options, Required

DESCRIPTION = """Check which source code an app or a site runs.

Exit status: 0 if every check passes, 1 if one fails, 2 if one could not be made."""

# What a policy file says of each app, and what is of one app alone.
NOT_WITH_POLICY = (
    *("signer_repo", "signer_commit", "trust_any_signer", "source", "commit", "ref", "dashboard", "rebuild"),
    *("history", "bundle", "save", "offline", "require_cloudflare", "cloudflare_api"),
    *("platform", "release"),
)

OF_APPS = ("source", "commit", "ref", "bundle", "rebuild", "history", "dashboard", "require_cloudflare")


class Parser(argparse.ArgumentParser):
    """What it says of arguments and of files has their words in it."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def parser_of(kind: type[argparse.ArgumentParser] = Parser) -> argparse.ArgumentParser:
    parser = kind(prog="codius", description="Check which source code an app runs.")
    verify = parser.add_subparsers(required=True, metavar="verify").add_parser(
        "verify", help="check an app", description=DESCRIPTION
    )
    add = verify.add_argument
    add("url", nargs="?", help="the address of an app or a site: https://<id>.<apps domain>")
    add("--policy", metavar="FILE", type=Path, help="check all apps of a policy file, codius.toml")
    add(
        "--signer-repo",
        metavar="OWNER/NAME[@BRANCH]",
        type=trusted_signer,
        help="the operator's repository that you trust, and its branch if that isn't main",
    )
    add("--signer-commit", metavar="COMMIT", type=commit, help="the commit of the operator's workflow")
    add("--trust-any-signer", action="store_true", help="take anyone's word who signed by such a workflow")
    add("--source", metavar="OWNER/NAME", type=repository, help="the repository that the app must be from")
    add("--commit", metavar="COMMIT", type=commit, help="the commit that the app must be of")
    add("--ref", metavar="NAME", type=ref, help="the branch or tag that the app must be of")
    add("--bundle", metavar="FILE", type=Path, help="read the attestation from a file, not from GitHub")
    add("--trusted-root", metavar="FILE", type=Path, help="use a Sigstore other than the public one")
    add("--save", metavar="FILE", type=Path, help="write what was asked and answered into a file")
    add("--offline", metavar="FILE", type=Path, help="ask nobody: repeat the check that was saved in a file")
    add("--rebuild", action="store_true", help="build it again here, and compare the bytes")
    add("--history", action="store_true", help="check the attestation of every version of a site, too")
    add("--dashboard", metavar="URL", type=dashboard, help="the dashboard that a site's history must be of")
    add("--require-cloudflare", action="store_true", help="Cloudflare itself must say what is deployed")
    add("--cloudflare-api", metavar="URL", type=api, help="ask this API, not Cloudflare's own")
    add("--platform", action="store_true", help="check the platform's own Workers, not the app")
    add("--release", metavar="OWNER/NAME@TAG", type=release, help="the release to compare the platform with")
    add("--json", action="store_true", help="print one JSON object")
    return parser


def read(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> tuple[argparse.Namespace, list[Options]]:
    """What is given, and the options of each app. The parser tells of arguments that don't go together."""
    given = parser.parse_args(arguments)
    require_together(parser, given)
    if given.policy is None:
        return given, [options_of(parser, given)]
    try:
        lines = read_policy(given.policy)
    except PolicyError as error:
        parser.error(str(error))
    return given, [app_of(parser, f"{given.policy}, app {n}", line) for n, line in enumerate(lines, 1)]


def app_of(parser: argparse.ArgumentParser, place: str, line: list[str]) -> Options:
    try:
        (options,) = read(parser_of(AppParser), line)[1]
    except PolicyError as error:
        parser.error(f"{place}: {error}")
    return options


def require_together(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    if (given.url is None) == (given.policy is None):
        parser.error("give the address of an app, or --policy FILE")
    if given.policy is not None and any(vars(given)[name] for name in NOT_WITH_POLICY):
        parser.error(
            "--policy goes with --trusted-root and --json alone: what else is required is in the file"
        )
    if given.rebuild and given.signer_repo is None:
        parser.error("--rebuild runs the signer's build on this machine: --signer-repo must name it")
    if given.signer_commit and given.signer_repo is None:
        parser.error("--signer-commit is of the signer's repository: --signer-repo must name it")
    if given.history and given.bundle is not None:
        parser.error("--history asks for the attestation of each version, --bundle has one: use either")
    if given.platform and any(getattr(given, name) for name in OF_APPS):
        parser.error(
            "--platform is not of an app: it goes with none of the options that require something of it"
        )
    if given.release and not given.platform:
        parser.error("--release is what the platform is compared with: it goes with --platform")
    if given.offline is not None and (given.bundle or given.save or given.rebuild):
        parser.error("--offline asks nobody: it goes with none of --bundle, --save and --rebuild")


def options_of(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Options:
    signer, url = given.signer_repo, origin(given.url)
    if url is None:
        form = "https://<id>.<apps domain>" if given.url.isascii() else "write it in ASCII, as xn--…"
        parser.error(f"{printable(given.url)} is not the address of an app: {form}")
    return Options(
        url=url,
        signer=signer and TrustedSigner(signer.repository, signer.branch, given.signer_commit),
        is_any_signer_trusted=given.trust_any_signer,
        required=Required(given.source, given.commit, given.ref),
        bundle=given.bundle,
        rebuild=given.rebuild,
        history=given.history,
        dashboard=given.dashboard,
        is_cloudflare_required=given.require_cloudflare,
        platform=given.platform,
        release=given.release,
        cloudflare_api=given.cloudflare_api,
    )


def trusted_signer(value: str) -> TrustedSigner:
    name, at, branch = value.partition("@")
    if not REPOSITORY.fullmatch(name) or (at and not branch):
        raise argparse.ArgumentTypeError(f"{printable(value)} is not OWNER/NAME or OWNER/NAME@BRANCH")
    return TrustedSigner(name, branch) if branch else TrustedSigner(name)


def repository(value: str) -> str:
    if not REPOSITORY.fullmatch(value):
        raise argparse.ArgumentTypeError(f"{printable(value)} is not OWNER/NAME")
    return value


def release(value: str) -> str:
    name, _, tag = value.partition("@")
    if not REPOSITORY.fullmatch(name) or not tag:
        raise argparse.ArgumentTypeError(f"{printable(value)} is not OWNER/NAME@TAG")
    return value


def commit(value: str) -> str:
    if not COMMIT.fullmatch(value):
        raise argparse.ArgumentTypeError(f"{printable(value)} is not a commit's full hash")
    return value


def ref(value: str) -> str:
    name = value.removeprefix("refs/heads/").removeprefix("refs/tags/")
    if not name:
        raise argparse.ArgumentTypeError("the name of a branch or tag is missing")
    return name


def dashboard(value: str) -> str:
    found = origin(value)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{printable(value)} is not the address of a dashboard: https://<host>"
        )
    return found.lower()


def api(value: str) -> str:
    parts = web_address(value)
    if parts is None or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(
            f"{printable(value)} is not the address of an API: https://<host>/<path>"
        )
    return value.rstrip("/")


def origin(url: str) -> str | None:
    """The origin of an address as it was typed, None for what is none."""
    parts = web_address(url if "://" in url else f"https://{url}")
    host = "" if parts is None else parts.hostname or ""
    if parts is None or host != host.strip(".") or not host.isascii():
        return None
    return f"{parts.scheme}://{parts.netloc}"
