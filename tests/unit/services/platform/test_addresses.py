"""Which machine and which server a URL means, however it is spelled."""

from __future__ import annotations

import pytest

from marketprism_services.wiring.addresses import is_loopback, may_be_one_server


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("localhost:1", True),
        ("ws://LocalHost./ws", True),
        ("venue.localhost:80", True),
        ("127.8.9.1", True),
        ("[::1]:9443", True),
        ("0.0.0.0:1", True),
        ("[::]", True),
        ("[::ffff:127.0.0.1]:1", True),
        ("127.evil.example:1", False),
        ("localhost.example", False),
        ("10.0.0.1:1", False),
        ("", False),
    ],
)
def test_this_machine_has_many_names(url: str, *, here: bool) -> None:
    assert is_loopback(url) == here


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ("http://h", "http://H:8123/", True),
        ("https://h", "https://h:8443", True),
        ("clickhouse://h/market", "clickhouse://u:p@h:9000", True),
        ("clickhouses://h:9440", "clickhouses://h", True),
        ("http://h:18123", "clickhouse://h:19000", True),
        ("http://[fe80:0::1]", "http://[fe80::1]:8123", True),
        ("http://h:1", "http://h:2", False),
        ("http://h", "http://g", False),
        ("http://h:no", "http://h", False),
    ],
)
def test_a_server_is_its_host_and_between_two_urls_of_one_scheme_its_port(one: str, other: str, *, may: bool) -> None:
    assert may_be_one_server(one, other) == may
    assert may_be_one_server(other, one) == may
