"""`codius verify`: check which source code an app or a site runs.

Exit status: 0 if every check passes, 1 if one fails, 2 if one could not be made.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence

from codius.arguments import parser_of, read
from codius.bundles import bundles_of
from codius.checks import check_bundles
from codius.described import described, described_all
from codius.errors import CheckFailedError, UncheckableError, one_line
from codius.jsontext import parse
from codius.printing import OutputError, give_up_output, keep_apart, say, warn
from codius.report import Options, Report
from codius.saved import SavedCheck, read_content, save
from codius.trust import Trust
from codius.verify import NAMES, run_checks
from codius.web import Web
from codius.words import app_row, print_check, print_version, summary

VERIFIED, FAILED, UNCHECKED = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    keep_apart()
    # What libraries log and warn of has others' words in it, as they came.
    logging.captureWarnings(True)
    logging.getLogger().addHandler(logging.NullHandler())
    given, apps = read(parser_of(), arguments)
    try:
        return verify_all(apps, given) if given.policy else verify(apps[0], given)
    except OutputError as error:
        give_up_output()
        warn(f"The result could not be written: {error}.")
    except Exception as error:  # what fails here says nothing of an app
        warn(f"codius itself failed, please report it: {type(error).__name__}: {one_line(error)}")
    except KeyboardInterrupt:
        warn("Interrupted.")
    return UNCHECKED


def verify(options: Options, given: argparse.Namespace) -> int:
    web = Web(options.url, keeps_answers=given.save is not None)
    report = Report(options, web, Trust(given.trusted_root))
    if not given.json:
        report.on_check, report.on_version = print_check, print_version
    if given.offline is None:
        run_checks(report)
    else:
        repeat(report, given)
    is_saved = given.save is None or save_check(report, given)
    say(json.dumps(described(report), indent=2) if given.json else summary(report))
    return status_of(report) if is_saved else UNCHECKED


def verify_all(apps: list[Options], given: argparse.Namespace) -> int:
    """Check the apps of a policy, in a table. What fails of any fails."""
    reports = []
    for options in apps:
        report = Report(options, Web(options.url), Trust(given.trusted_root))
        run_checks(report)
        reports.append(report)
        if not given.json:
            say(app_row(report, is_first=len(reports) == 1))
    statuses = {status_of(report) for report in reports}
    if given.json:
        say(json.dumps(described_all(reports), indent=2))
    return FAILED if FAILED in statuses else max(statuses)


def repeat(report: Report, given: argparse.Namespace) -> None:
    """Do the checks of a file, and ask nobody; of attestations alone there is only who signed them."""
    report.trust.is_offline = True
    try:
        content = read_content(given.offline)
        saved = SavedCheck.of(given.offline, parse(content))
        if saved is not None:
            report.web, report.as_of = saved.web(), saved.saved_at
            if given.trusted_root is None:
                report.trust.contents = saved.roots
            run_checks(report)
            return
        bundles = bundles_of(given.offline, content)
        words = f"{given.offline} has attestations alone, and nobody is asked (see --bundle and --save)"
        report.add("document", "error", words)
        check_bundles(report, None, bundles)
    except CheckFailedError as error:
        report.add("attestation", "failed", str(error))
    except UncheckableError as error:
        report.add("attestation", "error", str(error))
    report.add_unchecked(*NAMES)


def save_check(report: Report, given: argparse.Namespace) -> bool:
    try:
        save(given.save, report.options.url, report.web.answers, report.trust.contents)
    except OSError as error:
        warn(f"{given.save} could not be written: {error.strerror}.")
        return False
    return True


def status_of(report: Report) -> int:
    if report.is_verified:
        return VERIFIED
    return FAILED if report.has_failed else UNCHECKED


if __name__ == "__main__":
    sys.exit(main())
