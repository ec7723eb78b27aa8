"""What a run is asked for by words: texts and flags, as a command line or a request has them, as settings and terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.latency import Latency
from marketprism_application.backtesting.market_rules import RollWindow
from marketprism_application.backtesting.settings import (
    FillMode,
    GapPolicy,
    QueueModel,
    RunSettings,
    Slippage,
    decimal_of,
)
from marketprism_application.contracts.nearest import did_you_mean

_DEFAULT_POWER = 2.0
# Every option by its name, with what holds without it.
DEFAULTS: Mapping[str, str | bool | int] = MappingProxyType(
    {
        "fill": "bar",
        "capital": "1000000",
        "fee_rate": "",
        "fee_per_lot": "",
        "multiplier": "",
        "margin_rate": "",
        "leverage": "",
        "price_tick": "",
        "participation": "",
        "unlimited": False,
        "touch": False,
        "detail": "",
        "slippage": "none",
        "latency": "0",
        "queue": "risk_averse",
        "gap_policy": "no_entry",
        "funding": "strict",
        "expiry": "close",
        "seed": 0,
        "strict": False,
        "clock": "event",
        "roll": "first_minutes",
        "adjust": "difference",
        "rolls": "",
        "depth": 20,
        "impact": 0,
    }
)


@dataclass(frozen=True)
class TermsGiven:
    """What whoever asks says of instruments; None for what the tables say."""

    multiplier: Decimal | None = None
    fee_rate: Decimal | None = None
    fee_per_lot: Decimal | None = None
    margin_rate: Decimal | None = None
    leverage: Decimal | None = None
    tick: Decimal | None = None


def option_values(given: Mapping[str, object]) -> dict[str, str | bool | int]:
    """Every option by its name, those that are not given as they are without.

    Raises:
        BacktestError: a name that is none, or a value of another kind.
    """
    found = dict(DEFAULTS)
    for name, value in given.items():
        if name not in DEFAULTS:
            text = f"settings.{name}: expected one of {', '.join(sorted(DEFAULTS))}, was {name!r}"
            raise BacktestError(f"{text}{did_you_mean(name, tuple(DEFAULTS))}")
        usual = DEFAULTS[name]
        if isinstance(usual, bool):
            if not isinstance(value, bool):
                raise BacktestError(f"settings.{name}: expected true or false, was {value!r}")
            found[name] = value
        elif isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise BacktestError(f"settings.{name}: expected a text or a number, was {value!r}")
        elif isinstance(usual, int):
            number = decimal_of(name, str(value))
            if number != int(number):
                raise BacktestError(f"settings.{name}: expected a whole number, was {value!r}")
            found[name] = int(number)
        else:
            found[name] = str(value)
    return found


def settings_of(values: Mapping[str, object]) -> RunSettings:
    """How a run fills and costs, by its options. Raises BacktestError: one cannot be; names it."""
    values = {**DEFAULTS, **values}
    text = {name: str(value) for name, value in values.items()}
    modes = tuple(mode.value for mode in FillMode)
    model, _, power = text["queue"].partition(":")
    models = tuple(each.value for each in QueueModel)
    if text["fill"] not in modes:
        near = did_you_mean(text["fill"], modes)
        raise BacktestError(f"fill: expected one of {', '.join(modes)}, was {text['fill']!r}{near}")
    if model not in models:
        near = did_you_mean(model, models)
        raise BacktestError(f"queue: expected one of {', '.join(models)}, was {text['queue']!r}{near}")
    latency = Latency.parse(text["latency"])
    return RunSettings(
        fill=FillMode(text["fill"]),
        capital=decimal_of("capital", text["capital"]),
        participation=decimal_of("participation", text["participation"]) if text["participation"] else None,
        limit_size=values["unlimited"] is not True,
        touch=values["touch"] is True,
        detail=text["detail"],
        slippage=Slippage.parse(text["slippage"]),
        latency_ns=latency.fixed,
        latency=latency._replace(fixed=0),
        depth=int(decimal_of("depth", text["depth"])),
        impact=int(decimal_of("impact", text["impact"])),
        queue_model=QueueModel(model),
        queue_power=float(decimal_of("queue", power)) if power else _DEFAULT_POWER,
        gap_policy=GapPolicy.parse(text["gap_policy"]),
        funding=text["funding"],
        expiry=text["expiry"],
        seed=int(text["seed"]),
        strict=values["strict"] is True,
        clock=text["clock"],
        roll=str(RollWindow.parse(text["roll"])),
    )


def terms_of(values: Mapping[str, object]) -> TermsGiven:
    """Terms of instruments as they are given. Raises BacktestError: one is no number, or cannot be."""
    given = {
        field: decimal_of(name, str(values[name])) if values[name] else None
        for field, name in (
            ("multiplier", "multiplier"),
            ("fee_rate", "fee_rate"),
            ("fee_per_lot", "fee_per_lot"),
            ("margin_rate", "margin_rate"),
            ("leverage", "leverage"),
            ("tick", "price_tick"),
        )
    }
    for name in ("multiplier", "leverage", "tick"):
        value = given[name]
        if value is not None and value <= 0:
            raise BacktestError(f"{name}: expected more than 0, was {value}")
    return TermsGiven(**given)


__all__ = ["DEFAULTS", "TermsGiven", "option_values", "settings_of", "terms_of"]
