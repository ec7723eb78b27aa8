"""What a run is asked for by words: texts and flags, as a command line or a request has them, as settings and terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

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


class Option(NamedTuple):
    """An option of a run: what holds without it, what it means, and texts that it may be (`choices`: no others)."""

    usual: str | bool | int
    text: str
    choices: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


# Every option by its name.
OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "fill": Option(
            "bar", "What fills orders: bar, quote, trade or queue.", choices=("bar", "quote", "trade", "queue")
        ),
        "capital": Option("1000000", "Money that the account begins with."),
        "fee_rate": Option("", "Fee as a share of the value; without, the tables of orders.", examples=("0.000045",)),
        "fee_per_lot": Option("", "Fee in money of each lot."),
        "multiplier": Option("", "Units of one lot; without, the product's own."),
        "margin_rate": Option("", "Margin as a share of the value; 0 asks for none."),
        "leverage": Option("", "Leverage of a crypto account, 1 without."),
        "price_tick": Option("", "Least step of a price, where the terms are not known."),
        "participation": Option("", "Most of a bar's volume that is filled: 0.1 of it.", examples=("0.1",)),
        "unlimited": Option(False, "Fill more than a quote shows."),
        "touch": Option(False, "A bar that only touches a limit fills it."),
        "detail": Option("", "tick: ticks decide between a stop and a target in one bar.", choices=("", "tick")),
        "slippage": Option(
            "none",
            "none, ticks:1, bps:2, spread:0.5, noise:2 (ticks, seeded) or sqrt_impact:0.5.",
            examples=(
                "none",
                "ticks:1",
                "bps:2",
                "spread:0.5",
                "noise:2",
                "sqrt_impact:0.5",
            ),
        ),
        "latency": Option(
            "0",
            "Until an order is there: 600ms, 09:00=5ms,21:00=20ms, measured or measured+2ms.",
            examples=(
                "600ms",
                "09:00=5ms,21:00=20ms",
                "measured",
                "measured+2ms",
            ),
        ),
        "queue": Option(
            "risk_averse",
            "Cancellations before us: risk_averse, proportional or power:2.",
            examples=(
                "risk_averse",
                "proportional",
                "power:2",
            ),
        ),
        "gap_policy": Option(
            "no_entry",
            "Gaps: ignore, no_entry, no_entry:MINUTES, flat_before_unknown or stop.",
            examples=(
                "no_entry",
                "no_entry:30",
                "flat_before_unknown",
                "stop",
                "ignore",
            ),
        ),
        "funding": Option(
            "strict",
            "A settlement without a rate: strict (an error), assume:RATE, stored or ignore.",
            examples=(
                "strict",
                "assume:0.0001",
                "stored",
                "ignore",
            ),
        ),
        "expiry": Option(
            "close",
            "On a contract's last day: close at its last price, settle in cash, or ignore.",
            choices=("close", "settle", "ignore"),
        ),
        "seed": Option(0, "Of ctx.random and of noise."),
        "strict": Option(False, "Refuse prices off the tick, clocks, chance, files and networks."),
        "clock": Option("event", "event, or recv: when rows were received.", choices=("event", "recv")),
        "roll": Option(
            "first_minutes",
            "When rolls are traded: first_minutes, close:MINUTES or twap:MINUTES.",
            examples=(
                "first_minutes",
                "close:15",
                "twap:15",
            ),
        ),
        "adjust": Option(
            "difference",
            "What a product's view is moved by at rolls: difference, ratio or none.",
            choices=("difference", "ratio", "none"),
        ),
        "rolls": Option("", "Files of contracts as one product: rb2405@20231220 leads from that day on."),
        "depth": Option(20, "Levels of a book that an order sweeps."),
        "impact": Option(0, "Ticks that each further size of the best quote is worse, 0: it is waited for."),
    }
)
DEFAULTS: Mapping[str, str | bool | int] = MappingProxyType({name: each.usual for name, each in OPTIONS.items()})
_ASKED_APART = ("fill", "capital")  # fields of a request
_OF_FILES = ("rolls",)


def options_schema() -> dict[str, object]:
    """The JSON Schema of the settings of a run over stored rows."""
    types = {bool: "boolean", int: "integer", str: "string"}
    properties = {
        name: {
            "type": types[type(each.usual)],
            "default": each.usual,
            "description": each.text,
            **({"enum": list(each.choices)} if each.choices else {}),
            **({"examples": list(each.examples)} if each.examples else {}),
        }
        for name, each in OPTIONS.items()
        if name not in (*_ASKED_APART, *_OF_FILES)
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


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


__all__ = ["DEFAULTS", "OPTIONS", "Option", "TermsGiven", "option_values", "options_schema", "settings_of", "terms_of"]
