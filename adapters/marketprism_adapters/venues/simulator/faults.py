"""Faults of a simulated venue: which there are, and a schedule of them that a seed makes."""

from __future__ import annotations

import random
from typing import NamedTuple

from marketprism_application.errors import SourceError

FAULTS = {
    "gap": "book updates left out",
    "trade_gap": "trades left out",
    "reorder": "two frames change places",
    "duplicate": "frames sent twice",
    "silence": "a connection stays open and says nothing",
    "mute": "subscriptions are taken and nothing comes",
    "close": "the venue closes, with a code",
    "abort": "the connection breaks off",
    "slow": "frames come late, in bursts",
    "garbage": "frames that are no messages",
    "stale_snapshot": "snapshots from the past",
    "checksum": "wrong checksums",
    "rate_limit": "requests refused with Retry-After",
    "maintenance": "a notice, closed connections, requests refused",
}
_SECONDS = ("silence", "mute", "slow", "maintenance")
CLOSE_CODES = (1000, 1001, 1008, 1011, 1012, 4000)


class Fault(NamedTuple):
    """One fault `at_s` seconds after the start; `amount` is frames, requests or seconds, as the fault has it."""

    at_s: float
    name: str
    amount: float


def schedule(seed: int, seconds: float, faults: int = 4, names: tuple[str, ...] = tuple(FAULTS)) -> list[Fault]:
    """The same seed makes the same schedule."""
    chance = random.Random(seed)
    made = []
    for _ in range(faults):
        name = chance.choice(names)
        amount = chance.uniform(0.2, 1.2) if name in _SECONDS else chance.randint(1, 5)
        made.append(Fault(chance.uniform(0.2, seconds), name, amount))
    return sorted(made)


def parse_faults(text: str) -> list[Fault]:
    """`gap@2:3,close@5` : three frames left out after two seconds, closed after five.

    Raises:
        SourceError: no such fault, or no such form.
    """
    made = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, rest = part.partition("@")
        at, _, amount = rest.partition(":")
        if name not in FAULTS:
            raise SourceError(f"faults: expected some of {', '.join(FAULTS)}, was {name!r}")
        try:
            made.append(Fault(float(at or 1), name, float(amount or 1)))
        except ValueError:
            raise SourceError(f"faults: expected {name}@<seconds>:<amount>, was {part!r}") from None
    return sorted(made)
