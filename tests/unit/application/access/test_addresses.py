"""Whose address a caller has where proxies stand between, and what somebody may have made up."""

from __future__ import annotations

import pytest

from marketprism_application.access.addresses import (
    caller_behind,
    forwarded,
    forwarded_for,
    forwarded_scheme,
    is_among,
    is_from,
    place_of,
)

TRUSTED = ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "header", "caller"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "1.1.1.1, 9.9.9.9", "9.9.9.9"),  # what the caller itself has written before
        ("10.0.0.1", "1.1.1.1, 9.9.9.9, 10.0.0.2", "9.9.9.9"),  # two proxies of ours
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("8.8.8.8", "9.9.9.9", "8.8.8.8"),  # no proxy of ours
        ("", "9.9.9.9", ""),
        ("10.0.0.1", "127.0.0.1, 9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "1.1.1.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, 1.2.3", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1,,", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, ", "10.0.0.1"),
        ("10.0.0.1", "9.9.9.9:1234", "9.9.9.9"),
        ("10.0.0.1", "[2001:DB8::1]:1234", "2001:db8::1"),
        ("10.0.0.1", "2001:db8:0::1", "2001:db8::1"),
        ("10.0.0.1", "fe80::1%eth0", "10.0.0.1"),
        ("10.0.0.1", "::ffff:9.9.9.9", "9.9.9.9"),
        ("::ffff:10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("fd00::1", "9.9.9.9\r\nx", "fd00::1"),
        ("10.0.0.1", "9.9.9.9, " + ", ".join(["10.0.0.2"] * 40), "10.0.0.2"),
    ],
)
def test_the_caller_is_the_nearest_who_is_no_proxy_of_ours(peer: str, header: str, caller: str) -> None:
    assert caller_behind(peer, forwarded_for([header]), TRUSTED) == caller
    halves = header.partition(",")  # in two lines it is the same header
    assert caller_behind(peer, forwarded_for([halves[0], *([halves[2]] if halves[1] else [])]), TRUSTED) == caller
    assert caller_behind(peer, forwarded_for([header]), ()) == peer.removeprefix("::ffff:")


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        ("for=9.9.9.9", "9.9.9.9"),
        ("FOR = 9.9.9.9 ;proto=https", "9.9.9.9"),
        ('by="[fd00::1]:80"; for="[2001:db8::1]:4711"', "2001:db8::1"),
        ("for=1.1.1.1, for=9.9.9.9;proto=http", "9.9.9.9"),
        ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
        ("for=1.1.1.1, by=10.0.0.1", "10.0.0.1"),
        ("for=1.1.1.1, for=9.9.9.9;for=8.8.8.8", "10.0.0.1"),
        ('for="1.1.1.1, for=9.9.9.9', "9.9.9.9"),  # a quotation mark left open
        ('for="1.1.1.1;x, for=9.9.9.9"', "10.0.0.1"),
        ("for=1.1.1.1, for=9.9.9.9, for=10.0.0.2", "9.9.9.9"),
        ('for="9.9.9.9:80"', "9.9.9.9"),
        ("", "10.0.0.1"),
    ],
)
def test_forwarded_says_the_same(header: str, caller: str) -> None:
    assert caller_behind("10.0.0.1", forwarded([header]), TRUSTED) == caller


def test_the_scheme_is_that_of_the_nearest() -> None:
    for header, scheme in (
        ("proto=http, for=1.1.1.1;Proto=HTTPS", "https"),
        ("proto=https, for=1.1.1.1", ""),
        ("proto=https;proto=http", ""),
        ("", ""),
    ):
        assert forwarded_scheme([header]) == scheme


def test_who_has_a_network_of_addresses_is_one_caller() -> None:
    assert place_of("2001:db8::1") == place_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert [place_of(each) for each in ("9.9.9.9", "::1", "", "x")] == ["9.9.9.9", "::1", "", "x"]
    assert is_from("9.9.9.9", ())
    assert not is_among("9.9.9.9", ())
    assert is_among("::ffff:10.1.1.1", TRUSTED)
