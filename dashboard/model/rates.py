"""Who asks, as far as a request's address tells, and what counts how often.

Cloudflare counts, by its rate limiting bindings ("Rate Limiting" of the Workers' runtime APIs): quickly, and
roughly, as each of its locations counts for itself. What must be exact is decided in the database
(`store/deploys.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Protocol

# Cloudflare writes it into each request from outside, whatever was sent ("Cloudflare HTTP headers"), and
# `pages/_worker.js` passes it on. What dispatch asks itself has none.
ADDRESS = "cf-connecting-ip"
LONGEST_ADDRESS = 45
# Whatever Workers of other zones ask comes from one address, with the name of their zone in a header that
# nobody else can send ("CF-Connecting-IP in Worker subrequests" and "CF-Worker" of the same page).
WORKERS, WORKERS_ZONE, LONGEST_ZONE = "2a0698c036000000/64", "cf-worker", 64
OF_WORKERS = "Workers of "
PERIOD_SECONDS = 60  # of both bindings, in wrangler.toml
# A provider gives each customer at least so much of IPv6 (RFC 6177).
NETWORK_BITS = 64


class UncountedError(Exception):
    """Cloudflare could not count."""


class Rate(Protocol):
    async def has_room(self, key: str) -> bool:
        """Count something under a key; False when there was too much of it already in this period.

        Raises UncountedError.
        """


@dataclass(frozen=True, slots=True)
class Rates:
    """`requests` counts all that a network asks for, `costly` each kind of what costs something."""

    requests: Rate
    costly: Rate


def network_of(headers: Mapping[str, str]) -> str | None:
    """Where a request comes from: an address of IPv4, a network of IPv6, or the zone of a Worker.

    None without an address.
    """
    try:
        address = ip_address(headers.get(ADDRESS, "")[: LONGEST_ADDRESS + 1])
    except ValueError:
        return None
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    network = f"{int(address) >> (128 - NETWORK_BITS):016x}/{NETWORK_BITS}"
    return f"{OF_WORKERS}{headers.get(WORKERS_ZONE, '')[:LONGEST_ZONE]}" if network == WORKERS else network


def kind_of(network: str) -> str:
    """What can be told of a network without telling whose it is."""
    if network.startswith(OF_WORKERS):
        return "Workers"
    return "IPv6" if "/" in network else "IPv4"
