"""Resume tokens: a place in a stream that every instance understands, `MARKET_TICKS/hzo6kr2t8wow/48210`."""

from __future__ import annotations

import re
from typing import NamedTuple

from marketprism_sdk.nats.direct import nanoseconds

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"([A-Z][A-Z_]{0,63})/([0-9a-z]{1,16})/(0|[1-9][0-9]{0,18})")


class TokenError(ValueError):
    """Text that is no resume token."""


class Token(NamedTuple):
    """Behind the message `seq` of a stream that was made at one time: another of its name is another `incarnation`."""

    stream: str
    incarnation: str
    seq: int

    def __str__(self) -> str:
        return f"{self.stream}/{self.incarnation}/{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """The token of a text. Raises TokenError."""
        found = _TOKEN.fullmatch(text)
        if found is None:
            raise TokenError(f"after: expected a token like MARKET_TICKS/hzo6kr2t8wow/48210, was {text[:80]!r}")
        return cls(found[1], found[2], int(found[3]))


def incarnation_of(created: str) -> str:
    """The time at which a stream was made, as the server writes it, in base 36: streams of one name differ in it."""
    return incarnation_at(nanoseconds(created))


def incarnation_at(number: int) -> str:
    """Nanoseconds in base 36."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"
