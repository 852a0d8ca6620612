"""Which addresses and hosts webhooks may be sent to."""

from __future__ import annotations

import pytest

from tallygate.domain.delivery.addresses import permitted, permitted_host

PUBLIC = ("1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1")
PRIVATE = (
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
)
NEVER = (
    "169.254.169.254",
    "169.254.170.2",
    "0.0.0.0",
    "0.1.2.3",
    "192.0.0.192",
    "192.0.2.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:1.1.1.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "100::1",
    "",
    "localhost",
    "0177.0.0.1",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert permitted(address, allow_private=False)
    assert permitted(address, allow_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_permitted_where_the_operator_allows_them(address: str) -> None:
    assert not permitted(address, allow_private=False)
    assert permitted(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_metadata_multicast_reserved_and_embedding_addresses_never_are(address: str) -> None:
    assert not permitted(address, allow_private=False)
    assert not permitted(address, allow_private=True)


@pytest.mark.parametrize("host", ["example.com", "1e100.net", "0x.org", "8.8.8.8", "a-1.2.3.4.example", "face"])
def test_names_and_public_addresses_may_be_registered(host: str) -> None:
    assert permitted_host(host, allow_private=False)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "10.1.2.3", "::1"])
def test_private_hosts_may_be_registered_where_allowed(host: str) -> None:
    assert not permitted_host(host, allow_private=False)
    assert permitted_host(host.lower(), allow_private=True)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "0x7f.0.0.1", "1.2.3.4.5", "", "."]
)
def test_numbers_that_resolvers_read_as_addresses_never_may(host: str) -> None:
    assert not permitted_host(host, allow_private=False)
    assert not permitted_host(host, allow_private=True)
