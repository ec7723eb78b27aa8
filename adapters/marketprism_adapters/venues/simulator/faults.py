"""Faults of a simulated venue: which there are, a schedule of them that a seed makes, and those that wait."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
LEAST_CODE = 1000
_MAY_BE_SENT = (range(LEAST_CODE, 1004), range(1007, 1015), range(3000, 5000))  # RFC 6455, 7.4
_MOST = 1e9


class Fault(NamedTuple):
    """One fault `at_s` seconds after the first connection.

    `amount` is frames, requests or seconds, as the fault has it; of `close` its code, below 1000 any.
    """

    at_s: float
    name: str
    amount: float


def schedule(seed: int, seconds: float, faults: int = 4, names: Sequence[str] = tuple(FAULTS)) -> list[Fault]:
    """The same seed makes the same schedule."""
    chance = random.Random(seed)
    made = []
    for _ in range(faults):
        name = chance.choice(names)
        amount = _amount(chance, name)
        made.append(Fault(chance.uniform(0.2, seconds), name, amount))
    return sorted(made)


def random_faults(seed: int, per_minute: float, names: Sequence[str] = tuple(FAULTS)) -> Iterator[Fault]:
    """So many a minute on average, without an end, in the order of their times; the same seed makes the same."""
    chance = random.Random(seed)
    at_s = 0.0
    while per_minute > 0:
        at_s += chance.expovariate(per_minute / 60.0)
        name = chance.choice(names)
        yield Fault(at_s, name, _amount(chance, name))


def _amount(chance: random.Random, name: str) -> float:
    return chance.uniform(0.2, 1.2) if name in _SECONDS else chance.randint(1, 5)


def parse_faults(text: str) -> list[Fault]:
    """`gap@2:3,close@5` : three frames left out after two seconds, closed after five. `close@5:1008`: with that code.

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
            fault = Fault(float(at or 1), name, float(amount or 1))
        except ValueError:
            raise SourceError(f"faults: expected {name}@<seconds>:<amount>, was {part!r}") from None
        if not 0 <= fault.at_s <= _MOST:
            raise SourceError(f"faults: seconds: expected 0 or more, was {at!r} in {part!r}")
        expected = _expected(fault) if amount else ""
        if expected:
            raise SourceError(f"faults: {name}: expected {expected}, was {amount!r} in {part!r}")
        made.append(fault)
    return sorted(made)


def _expected(fault: Fault) -> str:
    """What its amount should have been; empty when it is that."""
    amount = fault.amount
    if fault.name == "close":
        sent = math.isfinite(amount) and any(amount in codes for codes in _MAY_BE_SENT)
        return "" if sent else "a close code that may be sent (1000 to 1003, 1007 to 1014, 3000 to 4999)"
    if fault.name in _SECONDS:
        return "" if 0 < amount <= _MOST else "seconds above 0"
    return "" if 1 <= amount <= _MOST and amount == int(amount) else "a whole number, 1 or more"


@dataclass
class _Waiting:
    fault: Fault
    left: int
    begun: bool = False


class Armed:
    """Faults that wait for something to hit: a frame, a request, a subscription. One that never hits is not counted."""

    def __init__(self, done: list[Fault]) -> None:
        self._done = done
        self._waiting: dict[str, deque[_Waiting]] = {}

    def add(self, fault: Fault, amount: int) -> None:
        """It hits so many times."""
        self._waiting.setdefault(fault.name, deque()).append(_Waiting(fault, amount))

    def take(self, name: str) -> bool:
        """Whether this one is hit."""
        waiting = self._waiting.get(name)
        if not waiting:
            return False
        first = waiting[0]
        if not first.begun:
            first.begun = True
            self._done.append(first.fault)
        first.left -= 1
        if first.left <= 0:
            waiting.popleft()
        return True

    @property
    def waiting(self) -> int:
        """How many have not hit anything yet."""
        return sum(not each.begun for kept in self._waiting.values() for each in kept)
