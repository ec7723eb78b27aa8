"""The record by which programs behind one address share a market's budgets, and what is done to it.

A budget is a bucket of tokens that fills at its rate. Whoever asks takes at once what it wants: where there is not so
much, the bucket is below nothing, and who took it waits until it would have been filled that far. So those that ask one
after the other have their turns one after the other, each by one write, and nobody starves.

Between two programs whose clocks differ the later clock counts: a record is filled up to the latest time that anybody
wrote, and from there on by whoever is later still.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import msgspec

_SKEW_NS = 10_000_000_000  # a time further ahead is of a clock that is wrong
_DEEPEST_S = 60.0
_LONGEST_WAIT_S = 3 * 86_400.0
_SHORTEST_S, _LONGEST_S = 0.05, 1.0


class Budget(msgspec.Struct, frozen=True):
    """A budget's `rate` of weights a second and its `burst`. What is granted is used within `horizon_s`: by so much the
    bucket is smaller than the burst, so that what was granted before and is used now is never too much together."""

    rate: float
    burst: float

    @property
    def horizon_s(self) -> float:
        """How long a grant is good for."""
        return min(_LONGEST_S, max(_SHORTEST_S, self.burst / (2 * self.rate)))

    @property
    def most(self) -> float:
        """What the bucket holds at most."""
        return self.burst - self.rate * self.horizon_s


class Level(msgspec.Struct, frozen=True, array_like=True):
    """How much a bucket had at a time, nanoseconds UTC."""

    tokens: float
    at: int


class BudgetRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """The buckets of a market by name, and until when everybody waits; `wait_s` is what the venue said then."""

    levels: Mapping[str, Level] = {}
    wait_until: int = 0
    wait_s: float = 0.0


def filled(record: BudgetRecord, name: str, budget: Budget, now: int) -> Level:
    """The level of a bucket now."""
    level = record.levels.get(name)
    if level is None:
        return Level(budget.most, now)
    if not isfinite(level.tokens):  # whoever can write into a bucket can write anything
        return Level(0.0, now)
    if level.at > now + _SKEW_NS:
        return Level(min(level.tokens, 0.0), now)
    later = max(level.at, now)
    return Level(min(budget.most, level.tokens + (later - level.at) / 1e9 * budget.rate), later)


def taken(record: BudgetRecord, name: str, budget: Budget, weight: float, now: int) -> tuple[BudgetRecord, float]:
    """The record after so much was taken (less than nothing gives it back), and how long who took it waits, seconds."""
    level = filled(record, name, budget, now)
    deepest = -_DEEPEST_S * budget.rate
    after = Level(max(deepest, min(budget.most, level.tokens - weight)), level.at)
    levels = {**record.levels, name: after}
    return msgspec.structs.replace(record, levels=levels), max(0.0, -after.tokens / budget.rate)


def put_off(record: BudgetRecord, wait_s: float, now: int) -> BudgetRecord:
    """The record after the venue said to wait; what it said before may be longer."""
    until = now + int(wait_s * 1e9)
    if until <= record.wait_until and waits_s(record, now) >= wait_s:
        return record
    return msgspec.structs.replace(record, wait_until=until, wait_s=wait_s)


def waits_s(record: BudgetRecord, now: int) -> float:
    """How long everybody waits: at most as long as the venue said, whatever the clock of who wrote it."""
    if not isfinite(record.wait_s):
        return 0.0
    return max(0.0, min((record.wait_until - now) / 1e9, record.wait_s, _LONGEST_WAIT_S))


__all__ = ["Budget", "BudgetRecord", "Level", "filled", "put_off", "taken", "waits_s"]
