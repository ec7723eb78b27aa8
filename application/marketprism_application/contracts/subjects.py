"""Subject names and the one escape rule for their tokens.

A symbol token keeps ASCII letters, digits, `-` and `_`; every other byte of its UTF-8 form becomes `=XX` (two
upper-case hex digits). `=` is allowed by NATS in subjects and in KV keys, and cannot occur unescaped, so the
rule round-trips. The empty string becomes `=`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from marketprism_application.contracts.kinds import DataKind

_PLAIN = re.compile(rb"[A-Za-z0-9_-]")
_TOKEN = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+")


@lru_cache(maxsize=65536)
def escape(token: str) -> str:
    """Subject token of any text."""
    if not token:
        return "="
    return "".join(
        chr(byte) if _PLAIN.match(bytes([byte])) else f"={byte:02X}" for byte in token.encode("utf-8", "surrogatepass")
    )


def unescape(token: str) -> str:
    """Text of a subject token.

    Raises:
        ValueError: the token is not one that `escape` makes.
    """
    if token == "=":  # noqa: S105 (a subject token, not a secret)
        return ""
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"subject token: expected letters, digits, - _ and =XX, was {token!r}")
    raw = re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), token.encode())
    return raw.decode("utf-8", "surrogatepass")


@lru_cache(maxsize=65536)
def tick_subject(symbol: str) -> str:
    """Public subject of an instrument's ticks."""
    return f"market.tick.{escape(symbol)}"


def subject_of(kind: DataKind, record: Any) -> str:
    """Subject a record is published under, from its kind's template."""
    values = {name: escape(str(getattr(record, name))) for name in _names(kind.subject)}
    return kind.subject.format(**values)


@lru_cache(maxsize=64)
def _names(template: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\{(\w+)\}", template))


def raw_subject(partition: int) -> str:
    """Gateway to validator, internal."""
    return f"market.raw.{partition}"


def packed_subject(partition: int) -> str:
    """Validator to aggregator and storage, internal."""
    return f"market.packed.{partition}"


def instrument_key(venue: str, symbol: str) -> str:
    """KV key of an instrument: `<symbol>.<venue>`."""
    return f"{escape(symbol)}.{venue}"
