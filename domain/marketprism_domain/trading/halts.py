"""What venues do with orders while an instrument is halted, and halts out of what venues say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

KEPT: Final = "kept"
CANCELLED: Final = "cancelled"
NO_END: Final = 1 << 62  # of a halt that is not over in the rows


class Halted(NamedTuple):
    """An instrument does not trade in [ts_from, ts_to), nanoseconds UTC. `resting`: what becomes of resting orders,
    kept or cancelled, where that halt's own notice says it; empty: as the venue's table has it."""

    ts_from: int
    ts_to: int = NO_END
    resting: str = ""


class HaltRule(NamedTuple):
    """From a trading day (YYYYMMDD) on: what becomes of resting orders. New ones are rejected everywhere."""

    venue: str
    since: str
    resting: str
    source: str


_CHINA = "assumed as the China Financial Futures Exchange has it: no other exchange's text was found"
_CRYPTO = "assumed: the venue's documents do not say that a halt cancels orders"
HALT_RULES: Final = (
    HaltRule(
        "cffex",
        "20160101",
        KEPT,
        "notice of the exchange of 2016-01-07 on the circuit breaker: orders and cancellations are not accepted in it",
    ),
    *(HaltRule(venue, "", KEPT, _CHINA) for venue in ("cffex", "czce", "dce", "gfex", "ine", "shfe")),
    *(HaltRule(venue, "", KEPT, _CRYPTO) for venue in ("binance", "deribit", "okx")),
)
_UNKNOWN = HaltRule("", "", KEPT, "assumed: no table has this venue")


def halt_rule(venue: str, day: str) -> HaltRule:
    """The rule of a venue on a trading day (YYYYMMDD): the latest that was in force."""
    found = [rule for rule in HALT_RULES if rule.venue == venue and rule.since <= day]
    return max(found, key=lambda rule: rule.since) if found else _UNKNOWN


def halts_of(words: Iterable[tuple[int, bool]]) -> tuple[Halted, ...]:
    """Halts by what was heard, in any order (of one instant the later word holds): an instant in nanoseconds UTC and
    whether the instrument is halted from it on. A word that changes nothing is none."""
    found: list[Halted] = []
    begun: int | None = None
    for ts, is_halted in sorted(words, key=lambda word: word[0]):
        if is_halted and begun is None:
            begun = ts
        elif not is_halted and begun is not None:
            found += [Halted(begun, ts)] if ts > begun else []
            begun = None
    return (*found, Halted(begun)) if begun is not None else tuple(found)


__all__ = ["CANCELLED", "HALT_RULES", "KEPT", "NO_END", "HaltRule", "Halted", "halt_rule", "halts_of"]
