"""Addresses of callers: which is theirs where proxies stand between, and in which networks one lies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_HOPS = 32
_LONGEST = 45  # letters of an address


def parsed(text: str) -> Address | None:
    """The address, of one of IPv4 within IPv6 the former; None where it is none, or has a zone."""
    return _parsed(text) if len(text) <= _LONGEST else None  # what is long may be anything, and is not kept


@lru_cache(4_096)
def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return None if found.scope_id is not None else found.ipv4_mapped or found
    return found


@lru_cache(4_096)
def normal(address: str) -> str:
    """The address in the one way of writing it; what is none as it is."""
    found = parsed(address)
    return address if found is None else str(found)


@lru_cache(4_096)
def network(cidr: str) -> Network:
    """The network. Raises ValueError: it is none."""
    return ipaddress.ip_network(cidr, strict=False)


def is_from(address: str, cidrs: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks; no networks is any."""
    return not cidrs or is_among(address, cidrs)


def is_among(address: str, cidrs: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks."""
    found = parsed(address) if cidrs else None
    return found is not None and any(found in network(cidr) for cidr in cidrs)


def place_of(address: str) -> str:
    """The address, or its network where whoever has one has 2**64 of them: by which callers are counted."""
    found = parsed(address)
    if found is None or isinstance(found, ipaddress.IPv4Address) or found.is_loopback:
        return address
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


def caller_behind(peer: str, hops: Iterable[str], trusted: tuple[str, ...]) -> str:
    """The address of whoever asks through proxies that are trusted: the nearest that is none of theirs.

    `hops` are what the proxies wrote, the nearest first. What stands behind the nearest that is no proxy of ours, or
    no address at all, anybody may have written: it is not looked at.
    """
    caller = normal(peer)
    if not is_among(caller, trusted):
        return caller
    for number, hop in enumerate(hops):
        found = parsed(hop)
        if found is None or number >= _MOST_HOPS:
            break
        caller = str(found)
        if not is_among(caller, trusted):
            break
    return caller


def forwarded_for(lines: Iterable[str]) -> Iterator[str]:
    """The hops of `X-Forwarded-For`, the nearest first."""
    for part in _elements(lines):
        yield _without_port(part)


def forwarded(lines: Iterable[str]) -> Iterator[str]:
    """The hops of `Forwarded` (RFC 7239), the nearest first; empty for an element that names none, or several."""
    for part in _elements(lines):
        yield _without_port(_one_of("for", part))


def forwarded_scheme(lines: Iterable[str]) -> str:
    """The scheme by which the nearest proxy was asked, by `Forwarded`."""
    return _one_of("proto", next(_elements(lines), "")).lower()


def _one_of(name: str, element: str) -> str:
    pairs = (each.partition("=") for each in element.split(";"))
    found = [value.strip() for key, _, value in pairs if key.strip().lower() == name]
    if len(found) != 1:
        return ""
    (value,) = found
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _elements(lines: Iterable[str]) -> Iterator[str]:
    # No address has a comma: a quotation mark that somebody left open swallows nothing of what a proxy put behind it.
    rest = ",".join(lines)
    while rest:
        rest, _, part = rest.rpartition(",")
        yield part.strip()
