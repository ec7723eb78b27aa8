"""Which machine and which server a URL means, however it is spelled."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 8123, "https": 8443, "clickhouse": 9000, "clickhouses": 9440}
_LOOPBACK = "localhost"


def is_loopback(url: str) -> bool:
    """Whether a URL, or `host:port`, is of this machine."""
    return _host_of(_split(url)) == _LOOPBACK


def may_be_one_server(one: str, other: str) -> bool:
    """Whether two URLs of ClickHouse can mean one server: their hosts are the same and no port says otherwise.

    Ports are compared where the schemes are the same: one server has a port for each. User, password, database and
    query are of whoever asks, not of the server.
    """
    first, second = _split(one), _split(other)
    if _host_of(first) != _host_of(second):
        return False
    return first.scheme != second.scheme or _port_of(first) == _port_of(second)


def _split(url: str) -> SplitResult:
    return urlsplit(url if "//" in url else f"http://{url}")


def _host_of(parts: SplitResult) -> str:
    """In lower case; all names and addresses of this machine are one."""
    host = (parts.hostname or "").rstrip(".")
    if host == _LOOPBACK or host.endswith(f".{_LOOPBACK}"):
        return _LOOPBACK
    try:
        address = ip_address(host)
    except ValueError:
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    return _LOOPBACK if address.is_loopback or address.is_unspecified else str(address)


def _port_of(parts: SplitResult) -> int | None:
    try:
        return parts.port or _PORTS.get(parts.scheme)
    except ValueError:  # no number; whoever connects says so
        return None
