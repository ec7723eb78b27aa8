"""Hashes that every member computes alike: partitions of keys, and weights of members."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def partition_of(key: str, count: int) -> int:
    """FNV-1a (32 bit) of the key, modulo `count`: what the NATS `partition` transform computes."""
    value = 0x811C9DC5
    for byte in key.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value % count


def weight(key: str, member: str) -> bytes:
    """Random weight of a member for a key, the same everywhere."""
    return hashlib.blake2b(f"{key}/{member}".encode(), digest_size=8).digest()


def rendezvous(partition: int, members: Iterable[str]) -> str | None:
    """The member with the highest random weight for a partition."""
    return max(members, key=lambda member: weight(str(partition), member), default=None)
