"""Addresses: the IP addresses to which webhooks may be sent. Pure.

The ranges are listed here, so the result does not depend on the Python version. Public unicast addresses are allowed.
Private and loopback addresses are allowed if the operator allows them. Other addresses are never allowed: link-local
(metadata services), multicast, reserved, documentation, and IPv6 addresses that embed an IPv4 address (mapped, 6to4,
Teredo, NAT64). An embedded address would bypass the check.
"""

from __future__ import annotations

import ipaddress
import re

_NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "169.254.0.0/16",  # link-local, where metadata services answer
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays to IPv6
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments, Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "fd00:ec2::/32",  # metadata services
    )
)
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "::1/128",
        "fc00::/7",
    )
)
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
"""All global unicast IPv6 addresses. Mapped, translated, link-local, site-local and multicast ones are outside."""
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)


def permitted(address: str, *, allow_private: bool) -> bool:
    """Return whether webhooks may be sent to this literal address. Text that is not an address is refused."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if any(parsed in network for network in _NEVER if network.version == parsed.version):
        return False
    if any(parsed in network for network in _PRIVATE if network.version == parsed.version):
        return allow_private
    return isinstance(parsed, ipaddress.IPv4Address) or (parsed in _GLOBAL_IPV6 and not parsed.scope_id)


def permitted_host(host: str, *, allow_private: bool) -> bool:
    """Return whether a URL with this host may be registered.

    Names are checked at every attempt, when they are resolved. Literal addresses are checked here. Numeric forms that
    resolvers accept as addresses (`127.1`, `0x7f000001`) are refused.
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return allow_private
    if ":" in name:
        return permitted(name, allow_private=allow_private)
    if not _NUMERIC.fullmatch(name):
        return bool(name)
    return permitted(name, allow_private=allow_private)
