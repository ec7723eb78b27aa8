"""Rules of markets that a run chooses by a text: when contracts roll, what becomes of those that end, funding."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.contracts.nearest import did_you_mean

_RULES = ("first_minutes", "close", "twap")
_USUAL = {"first_minutes": 1, "close": 1, "twap": 5}


class RollWindow(NamedTuple):
    """When orders of a roll are sent: at once when the next contract leads (`first_minutes`), before the close of that
    day (`close:1`, minutes), or in equal parts a minute apart (`twap:5`)."""

    rule: str
    minutes: int

    @classmethod
    def parse(cls, text: str) -> RollWindow:
        """The window that a text names. Raises BacktestError: none that is known."""
        rule, _, number = text.partition(":")
        if rule not in _RULES or (number and (not number.isdecimal() or not 0 < int(number) <= 240)):
            near = did_you_mean(rule, _RULES)
            raise BacktestError(f"roll: expected first_minutes, close:MINUTES or twap:MINUTES, was {text!r}{near}")
        return cls(rule, int(number or _USUAL[rule]))

    def __str__(self) -> str:
        return self.rule if self.rule == "first_minutes" else f"{self.rule}:{self.minutes}"


_FUNDING = ("strict", "stored", "assume", "ignore")


class FundingRule(NamedTuple):
    """What perpetuals pay: the rates that there are, where one is missing at a settlement over which something is held
    an error (`strict`), nothing (`stored`) or a rate (`assume:0.0001`); or nothing at all (`ignore`)."""

    rule: str
    rate: Decimal | None = None

    @classmethod
    def parse(cls, text: str) -> FundingRule:
        """The rule that a text names. Raises BacktestError: none that is known."""
        rule, _, number = text.partition(":")
        try:
            rate = Decimal(number) if number else None
        except InvalidOperation:
            rate = Decimal("nan")
        if rule not in _FUNDING or (rule == "assume") != (rate is not None) or (rate and not rate.is_finite()):
            near = did_you_mean(rule, _FUNDING)
            raise BacktestError(f"funding: expected strict, assume:RATE, stored or ignore, was {text!r}{near}")
        return cls(rule, rate)


_EXPIRY = ("close", "settle", "ignore")


def expiry_of(text: str) -> str:
    """What becomes of a position on a contract's last trading day: closed at its last price (`close`), settled in cash
    at the delivery price (`settle`), or nothing (`ignore`). Raises BacktestError: none of them."""
    if text not in _EXPIRY:
        raise BacktestError(f"expiry: expected one of {', '.join(_EXPIRY)}, was {text!r}{did_you_mean(text, _EXPIRY)}")
    return text


__all__ = ["FundingRule", "RollWindow", "expiry_of"]
