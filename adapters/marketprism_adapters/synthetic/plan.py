"""What to simulate, and which faults to put in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from marketprism_application.errors import SourceError


@dataclass(frozen=True, slots=True)
class SimulatedInstrument:
    """Terms of an instrument: settlement price of the day before, price tick, multiplier."""

    venue: str
    symbol: str
    settlement: Decimal
    price_tick: Decimal
    multiplier: int


INSTRUMENTS = {
    item.symbol: item
    for item in (
        SimulatedInstrument("shfe", "rb2505", Decimal(3300), Decimal(1), 10),
        SimulatedInstrument("shfe", "ag2506", Decimal(8000), Decimal(1), 15),
        SimulatedInstrument("dce", "m2505", Decimal(2800), Decimal(1), 10),
        SimulatedInstrument("czce", "AP505", Decimal(7000), Decimal(1), 10),
        SimulatedInstrument("cffex", "IF2503", Decimal("3900.0"), Decimal("0.2"), 300),
        SimulatedInstrument("gfex", "lc2505", Decimal(76000), Decimal(20), 1),
    )
}

# How many of each are put in; `gap` is minutes of silence in the middle of a section.
FAULTS = ("duplicate", "time_back", "volume_fall", "crossed", "missing", "huge", "stale", "limit", "gap")


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """`days` 0 goes on for ever. `rate` is snapshots a second of each instrument."""

    seed: int = 7
    start: str = "20250303"
    days: int = 1
    rate: float = 2.0
    instruments: tuple[str, ...] = tuple(INSTRUMENTS)
    faults: dict[str, int] = field(default_factory=dict)


def parse_plan(text: str) -> SimulationPlan:
    """`seed=7,days=2,instruments=rb2505+m2505,faults=duplicate:5+gap:3`.

    Raises:
        SourceError: an unknown name or a value out of range.
    """
    plan = SimulationPlan()
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        plan = _with(plan, name.strip(), value.strip())
    return plan


def _with(plan: SimulationPlan, name: str, value: str) -> SimulationPlan:
    if name in ("seed", "days"):
        if not value.isdecimal():
            raise SourceError(f"sim {name}: expected a whole number, was {value!r}")
        return replace(plan, seed=int(value)) if name == "seed" else replace(plan, days=int(value))
    if name == "start":
        if not (value.isdecimal() and len(value) == 8):
            raise SourceError(f"sim start: expected a trading day as YYYYMMDD, was {value!r}")
        return replace(plan, start=value)
    if name == "rate":
        try:
            rate = float(value)
        except ValueError:
            rate = 0
        if not 0 < rate <= 100:
            raise SourceError(f"sim rate: expected snapshots a second from 0 to 100, was {value!r}")
        return replace(plan, rate=rate)
    if name == "instruments":
        chosen = tuple(value.split("+"))
        for symbol in chosen:
            if symbol not in INSTRUMENTS:
                raise SourceError(f"sim instruments: expected some of {', '.join(INSTRUMENTS)}, was {symbol!r}")
        return replace(plan, instruments=chosen)
    if name == "faults":
        return replace(plan, faults=_faults(value))
    raise SourceError(f"sim: expected seed, start, days, rate, instruments or faults, was {name!r}")


def _faults(text: str) -> dict[str, int]:
    if text == "all":
        return dict.fromkeys(FAULTS, 3)
    found: dict[str, int] = {}
    for part in text.split("+"):
        name, _, count = part.partition(":")
        if name not in FAULTS:
            raise SourceError(f"sim faults: expected some of {', '.join(FAULTS)} or all, was {name!r}")
        if count and not count.isdecimal():
            raise SourceError(f"sim faults: expected {name}:<count>, was {part!r}")
        found[name] = int(count or 1)
    return found
