"""Registry of sources: one row each. A source spec is `<name>` or `<name>:<arguments>`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.registry import MARKETS, budget_name
from marketprism_adapters.vnpy_gateway.loading import check_spec
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.errors import SourceError
from marketprism_application.ports.request_budget import RequestBudget
from marketprism_application.ports.sources import FrameTap, MarketSource
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.urls import Url

if TYPE_CHECKING:
    from marketprism_adapters.counters.api.library import Api
    from marketprism_adapters.counters.live.settings import Counter


class SourceSpec(NamedTuple):
    """A source that was asked for."""

    name: str
    arguments: str


# The budgets of a market that others behind this address use too: by its name, and their rates and bursts.
BudgetOf = Callable[[str, Mapping[str, tuple[float, float]]], RequestBudget]


class SourceContext(NamedTuple):
    """What a source is made with."""

    calendar: MarketCalendar
    speed: float | None
    checked: bool
    tap: FrameTap | None
    counter: Callable[[str], Counter] | None = None
    venue: VenueSettings | None = None
    budget: BudgetOf | None = None
    vnpy: VnpySettings | None = None


class ReplayArguments(NamedTuple):
    """What stands behind `replay:`; `market` and `partial` are those of a `VenueRecording`."""

    recordings: list[str]
    market: str
    partial: bool


_PART = re.compile(r"(?:\\[\\,]|[^,])+")
_ESCAPED = re.compile(r"\\([\\,])")


def replay_arguments(text: str) -> ReplayArguments:
    """Files, folders or patterns with commas between; `market=…` and `partial=yes` among them.

    A comma of a name is written `\\,`; it needs no sign where the pieces are no files and the whole is one.

    Raises:
        SourceError: no recording, or another word for `partial`.
    """
    pieces = [_ESCAPED.sub(r"\1", part) for part in _PART.findall(text)]
    found: list[str] = []
    options = {"market": "", "partial": "no"}
    while pieces:
        taken = _joined(pieces)
        part, pieces = ",".join(pieces[:taken]), pieces[taken:]
        name, sign, value = part.partition("=")
        if sign and name in options and not _is_there(Path(part)):
            options[name] = value
        else:
            found.append(part)
    if options["partial"] not in ("yes", "no"):
        raise SourceError(f"source replay, partial: expected yes or no, was {options['partial']!r}")
    if not found:
        raise SourceError("source replay: expected recordings, like replay:ticks/a.csv.gz,ticks/b.csv.gz")
    return ReplayArguments(found, options["market"], options["partial"] == "yes")


def replay_spec(recordings: Iterable[str]) -> str:
    """The spec that reads these files, whatever is in their names."""
    return "replay:" + ",".join(re.sub(r"([\\,])", r"\\\1", each) for each in recordings)


def _joined(pieces: Sequence[str]) -> int:
    """How many pieces are one name: several where the first is no file and they are one together."""
    from marketprism_adapters.venues.recordings.discovery import at_home  # noqa: PLC0415 (only replays)

    if not _is_there(at_home(pieces[0])):
        for count in range(len(pieces), 1, -1):
            if _is_there(at_home(",".join(pieces[:count]))):
                return count
    return 1


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a NUL
        return False


def _replay(arguments: str, given: SourceContext) -> MarketSource:
    from marketprism_adapters.counters.recordings.replay import ReplaySource, recording_paths  # noqa: PLC0415 (only this source)
    from marketprism_adapters.venues.recordings.archives import refuse_archive  # noqa: PLC0415 (only this source)
    from marketprism_adapters.venues.recordings.discovery import at_home, venue_files  # noqa: PLC0415 (only this source)
    from marketprism_adapters.venues.recordings.source import VenueReplay  # noqa: PLC0415 (only this source)

    try:
        asked = replay_arguments(arguments)
        asked = asked._replace(recordings=[str(at_home(part)) for part in asked.recordings])
        of_venues, found = venue_files(asked.recordings)
    except OSError as error:  # a name that no file can have
        raise SourceError(f"source replay: expected names of files: {error.strerror or error}") from error
    if not of_venues:
        paths = [path for part in asked.recordings for path in recording_paths(part)]
        for path in paths:
            refuse_archive(path)
        if asked.market:
            raise SourceError(f"source replay: expected market for recordings of venues, was {paths[0].name}")
        return ReplaySource(
            paths, given.calendar, speed=given.speed, checked=given.checked, tap=given.tap, whole_part=asked.partial
        )
    named = [path for part in asked.recordings if not Path(part).is_dir() for path in recording_paths(part)]
    others = [path for path in named if path not in of_venues]
    if others:
        refuse_archive(others[0])
        raise SourceError(f"source replay: expected recordings of one form, was {of_venues[0].name} beside CSV files")
    return VenueReplay(
        of_venues,
        speed=given.speed,
        checked=given.checked,
        tap=given.tap,
        market=asked.market,
        partial=asked.partial,
        found=found,
    )


def _sim(arguments: str, given: SourceContext) -> MarketSource:
    from marketprism_adapters.synthetic.plan import parse_plan  # noqa: PLC0415 (only this source)
    from marketprism_adapters.synthetic.source import SimulatedVenue  # noqa: PLC0415 (only this source)

    plan = parse_plan(arguments)
    return SimulatedVenue(plan, given.calendar, speed=given.speed, tap=given.tap)


def _capture(arguments: str, given: SourceContext) -> MarketSource:
    from marketprism_adapters.sources.captured import CaptureSource, capture_arguments  # noqa: PLC0415 (only this one)

    folder, run = capture_arguments(arguments)
    return CaptureSource(folder, given.calendar, run=run, speed=given.speed)


def _counter(venue: str, _: str, given: SourceContext) -> MarketSource:
    from marketprism_adapters.counters.api.library import load  # noqa: PLC0415 (only this source)
    from marketprism_adapters.counters.live.source import CtpSource  # noqa: PLC0415 (only this source)
    from marketprism_adapters.counters.simulated_front import simulated  # noqa: PLC0415 (only this source)

    if given.counter is None:
        raise SourceError(f"source {venue}: expected settings of a counter, there are none here")
    counter = given.counter(venue)

    def api_of(front: str) -> Api:
        return simulated(front, given.calendar, given.speed, venue) if front.startswith("sim:") else load(venue)

    return CtpSource(counter, given.calendar, api_of, tap=given.tap)


def _venue(market: str, arguments: str, given: SourceContext) -> MarketSource:
    from marketprism_adapters.venues.live.source import VenueSource  # noqa: PLC0415 (only this source)

    settings = given.venue or VenueSettings()
    for part in filter(None, arguments.split(",")):
        name, sign, value = part.partition("=")
        if not sign:
            settings = replace(settings, instruments=tuple(part.split("+")))
        elif name == "url":
            settings = replace(settings, ws_url=Url(f"ws://{value}"), rest_url=Url(f"http://{value}"))
        else:
            raise SourceError(f"source {market}: expected instruments with + between, or url=host:port, was {part!r}")
    if not settings.instruments:
        raise SourceError(f"source {market}: expected instruments, like {market}:BTC-USDT+ETH-USDT, or in [venue]")
    venue = MARKETS[market].make(settings.ws_url.reveal(), settings.rest_url.reveal())
    name = budget_name(market, settings.rest_url.reveal())
    shared = None if given.budget is None else given.budget(name, venue.limits.budgets)
    return VenueSource(venue, settings, tap=given.tap, shared=shared)


def _vnpy(arguments: str, given: SourceContext) -> MarketSource:
    from marketprism_adapters.vnpy_gateway.source import VnpySource  # noqa: PLC0415 (only this source)

    return VnpySource(arguments, given.vnpy or VnpySettings(), given.calendar, tap=given.tap)


SOURCES: dict[str, Callable[[str, SourceContext], MarketSource]] = {
    "capture": _capture,
    "ctp": partial(_counter, "ctp"),
    "sopt": partial(_counter, "sopt"),
    "replay": _replay,
    "sim": _sim,
    "vnpy": _vnpy,
    **{market: partial(_venue, market) for market in MARKETS},
}


def parse_source(text: str) -> SourceSpec:
    """`replay:a.csv.gz,b.csv.gz`, `capture:folder`, `sim:seed=7,days=1`, `ctp`, `sopt`, a gateway of VeighNa,
    `vnpy:vnpy_xtp.XtpGateway`, or a market of a crypto venue, `binance:BTC-USDT+ETH-USDT`.

    Raises:
        SourceError: an unknown source, or a replay without a recording.
    """
    name, _, arguments = text.partition(":")
    if name not in SOURCES:
        raise SourceError(f"source: expected one of {', '.join(SOURCES)}, was {text!r}{did_you_mean(name, SOURCES)}")
    if name == "replay" and not arguments:
        raise SourceError("source replay: expected recordings, like replay:ticks/a.csv.gz,ticks/b.csv.gz")
    if name == "capture" and not arguments:
        raise SourceError("source capture: expected a folder of captured frames, like capture:~/.marketprism/capture")
    if name in ("ctp", "sopt") and arguments:
        raise SourceError(f"source {name}: expected no arguments, its settings are in [{name}], was {arguments!r}")
    if name == "vnpy":
        check_spec(arguments)
    return SourceSpec(name, arguments)


def make_source(
    spec: SourceSpec,
    calendar: MarketCalendar,
    *,
    speed: float | None,
    checked: bool = False,
    tap: FrameTap | None = None,
    counter: Callable[[str], Counter] | None = None,
    venue: VenueSettings | None = None,
    budget: BudgetOf | None = None,
    vnpy: VnpySettings | None = None,
) -> MarketSource:
    """The source of a spec. `checked`: its input was read through already; `tap` gets its raw frames; `counter` knows
    a counter by its venue, `venue` has the settings of a crypto venue, whose `budget` others behind the address share,
    `vnpy` those of a gateway of VeighNa.

    Raises:
        SourceError: an argument is wrong or an input is missing.
    """
    return SOURCES[spec.name](
        spec.arguments, SourceContext(calendar, speed, checked, tap, counter, venue, budget, vnpy)
    )
