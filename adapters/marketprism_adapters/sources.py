"""Registry of sources: one row each. A source spec is `<name>` or `<name>:<arguments>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from marketprism_adapters.recordings.replay import ReplaySource, recording_paths
from marketprism_adapters.simulated.plan import SimulationPlan, parse_plan
from marketprism_adapters.simulated.venue import SimulatedVenue
from marketprism_application.errors import SourceError
from marketprism_application.ports import MarketSource
from marketprism_domain.calendar import MarketCalendar


class SourceSpec(NamedTuple):
    """A source that was asked for."""

    name: str
    arguments: str


def _replay(arguments: str, calendar: MarketCalendar, speed: float | None, checked: bool) -> MarketSource:
    paths = [path for part in arguments.split(",") if part for path in recording_paths(part)]
    return ReplaySource(paths, calendar, speed=speed, checked=checked)


def _sim(arguments: str, calendar: MarketCalendar, speed: float | None, _: bool) -> MarketSource:
    plan: SimulationPlan = parse_plan(arguments)
    return SimulatedVenue(plan, calendar, speed=speed)


SOURCES: dict[str, Callable[[str, MarketCalendar, float | None, bool], MarketSource]] = {
    "replay": _replay,
    "sim": _sim,
}


def parse_source(text: str) -> SourceSpec:
    """`replay:a.csv.gz,b.csv.gz` or `sim:seed=7,days=1`.

    Raises:
        SourceError: an unknown source, or a replay without a recording.
    """
    name, _, arguments = text.partition(":")
    if name not in SOURCES:
        raise SourceError(f"source: expected one of {', '.join(SOURCES)}, was {text!r}")
    if name == "replay" and not arguments:
        raise SourceError("source replay: expected recordings, like replay:ticks/a.csv.gz,ticks/b.csv.gz")
    return SourceSpec(name, arguments)


def make_source(
    spec: SourceSpec, calendar: MarketCalendar, *, speed: float | None, checked: bool = False
) -> MarketSource:
    """The source of a spec. `checked`: its input was read through already.

    Raises:
        SourceError: an argument is wrong or an input is missing.
    """
    return SOURCES[spec.name](spec.arguments, calendar, speed, checked)
