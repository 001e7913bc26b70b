"""Which names a site can have: DNS labels that no app's id can be, and that mislead nobody."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from model.app import ID_CHARACTERS, ID_LENGTH, ID_LETTERS

SHORTEST, LONGEST = 3, 40
SITE_NAME = re.compile(rf"[a-z0-9](?:[a-z0-9-]{{{SHORTEST - 2},{LONGEST - 2}}}[a-z0-9])")
APP_ID_FORM = re.compile(f"[{ID_LETTERS}][{ID_CHARACTERS}]{{{ID_LENGTH - 1}}}")
# What visitors, mail programs and browsers take for the operator's own, and this system's own words. Dispatch
# answers for `healthz` itself.
RESERVED_WORDS = """
abuse account accounts admin administrator admins api app apps assets attestation auth autoconfig
autodiscover billing blog cdn checkout cloudflare codius codius-workers contact console dashboard
dev dispatch dns docs download downloads email forum ftp git github healthz help home hostmaster
imap info legal local localhost login logout mail mta-sts news noc ns1 ns2 oauth operator operators
payment payments ping pop pop3 postmaster privacy public registry root secure security server
settings signin signup site sites smtp ssh ssl staging static status stripe support system terms
test verify vpn web webhook webhooks webmail webmaster wpad www www1 www2
"""
RESERVED = frozenset(RESERVED_WORDS.split())
LOOKALIKES = str.maketrans("013", "ole")


def refusal_of(name: str, apps_domain: str, dashboard_url: str) -> str | None:
    """Why no site can have a name, for who typed it; None if one can. Whether it is free isn't asked here."""
    if not SHORTEST <= len(name) <= LONGEST:
        return f"A name has {SHORTEST} to {LONGEST} characters."
    if not SITE_NAME.fullmatch(name):
        return "A name consists of a to z, 0 to 9 and hyphens, and has a hyphen neither first nor last."
    if name[2:4] == "--":  # RFC 5891, section 4.2.3.1: kept for names in other scripts
        return "A name can't have two hyphens after its second character."
    if APP_ID_FORM.fullmatch(name):
        return "This could be an app's id. Use a vowel, or another length."
    own = urlsplit(dashboard_url).hostname or ""
    if is_reserved(name) or f".{own}".endswith(f".{name}.{apps_domain.partition(':')[0]}"):
        return "This name is reserved."
    return None


def is_reserved(name: str) -> bool:
    """Also what reads like a reserved word, and all with the product's own name in it."""
    plain = name.replace("-", "")
    read = plain.translate(LOOKALIKES)
    return not RESERVED.isdisjoint((name, plain, read)) or "codius" in read


def is_site_name(name: str) -> bool:
    """Whether a name can be a site's, rather than an id that the dashboard gives an app."""
    return bool(SITE_NAME.fullmatch(name)) and not APP_ID_FORM.fullmatch(name)
