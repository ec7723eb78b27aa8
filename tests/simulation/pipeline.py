"""Scenario `pipeline`: a venue, two gateways, validators and aggregators that share partitions, two storage pods.

The product's own services from the gateway on, as `marketprism run` makes them; only the venue and the store are
simulated. What must be true: the raw log has one writer a fence; every tick of it is validated once and in order, and
stored once; every bar is the one that a plain rebuild makes of the ticks, with all of its revisions in their order, and
its last one in the store; of a recording nothing is missing, and of a live market what a gap names, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from marketprism_adapters.nats import streams
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks.gaps import JOINED
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import logs
from tests.simulation.failing_store import FailingStore
from tests.simulation.faults import Faults
from tests.simulation.leading import LeaderWatch
from tests.simulation.owning import OwnerWatch
from tests.simulation.passing import Passing
from tests.simulation.rebuild import Key, Plain, bars_of
from tests.simulation.services import LENGTHS, PARTITIONS, Stops, gateway, program, settings_of, stage
from tests.simulation.storing import storage, store_faults
from tests.simulation.storing_all import Storing
from tests.simulation.streams import Stored, Stream
from tests.simulation.venue import BEHIND_NS, BREAK_TO, Venue
from tests.simulation.world import Report, World

_STAGES = ("validator", "aggregator")
_SETTLE_S = 90.0
_MORE_S = 3.0  # so long a live market goes on behind the last fault: what stands still then is found
_GRACE_NS = 10 * 10**9
_AROUND_NS = 10**9


class Truth:
    """Everything that is compared, and when it is done."""

    def __init__(self, world: World, venue: Venue, passing: Passing, storing: Storing) -> None:
        self._world, self._venue, self._passing, self._storing = world, venue, passing, storing
        self._end_s = 0.0

    def missing(self) -> str:
        """What is still to be done, in words; asked when the last fault is over."""
        venue, passing = self._venue, self._passing
        self._end_s = self._end_s or self._world.loop.now_s + _MORE_S
        if venue.live and self._world.loop.now_s < self._end_s:
            return "the market is open"
        venue.end()
        if not venue.live and passing.raw < len(venue.said):
            return f"the raw log has {passing.raw} of {len(venue.said)} ticks"
        if venue.live and venue.now_ts() < venue.said[-1].ts_recv + BEHIND_NS:
            return "the last minutes have not closed yet"
        return (
            passing.missing()
            or self._unclosed()
            or self._storing.missing()
            or next((text for name in _STAGES if (text := owners(self._world, name))), "")
        )

    def _unclosed(self) -> str:
        for symbol, ticks in self._passing.ticks.items():
            key = symbol, "1m", max(bars_of(symbol, ticks, (), (1,)))[2]
            if key not in self._passing.bars:
                return f"the last bar of {symbol} has not closed"
        return ""

    def wrong_at_end(self) -> str:
        """What the end must show beside that."""
        passing = self._passing
        said: dict[str, list[Tick]] = {}
        for tick in self._venue.said:
            said.setdefault(tick.symbol, []).append(tick)
        rebuilt: dict[Key, Plain] = {}
        for symbol, ticks in passing.ticks.items():
            gaps = passing.gaps[symbol]
            if text := self._gaps_are_right(symbol, said[symbol], ticks, gaps):
                return text
            rebuilt |= bars_of(symbol, ticks, gaps, LENGTHS, self._venue.opens.get(ticks[0].venue, BREAK_TO))
        for key, wanted in rebuilt.items():
            if key not in passing.bars and wanted.ts_close + _GRACE_NS < passing.ticks[key[0]][-1].ts_event:
                return f"bar {key}: expected one, was none"
        for key, found in passing.bars.items():
            text = rebuilt[key].differs(found[-1]) if key in rebuilt else "expected none"
            if text:
                return f"bar {key}, revision {found[-1].revision}: {text}"
        named = {(gap.symbol, gap.ts_from, gap.ts_to, gap.cause) for gaps in passing.gaps.values() for gap in gaps}
        if named != passing.told.keys() or any(count > 1 for count in passing.told.values()):
            return f"gaps: expected {sorted(named)} once in the stream of events, was {dict(passing.told)}"
        return self._storing.wrong_at_end(passing)

    def _gaps_are_right(self, symbol: str, said: Sequence[Tick], ticks: Sequence[Tick], gaps: Sequence[Gap]) -> str:
        """Every tick that is not there is named, and what is named was not read."""
        there = {tick.source_seq for tick in ticks}
        lost = [tick for tick in said if tick.source_seq not in there and tick.source_seq < ticks[-1].source_seq]
        joined = [gap for gap in gaps if gap.cause == JOINED]
        if len(joined) != 1 or joined[0].ts_to != ticks[0].ts_event:
            return f"{symbol}: expected one gap from the opening to {ticks[0].ts_event}, was {joined}"
        others = [gap for gap in gaps if gap.cause != JOINED]
        if not self._venue.live:
            if lost or others:
                return f"{symbol}: expected every tick and no gap, was {len(lost)} lost and {others}"
            return ""
        for tick in lost:
            if not any(gap.ts_from <= tick.ts_recv and tick.ts_event <= gap.ts_to for gap in gaps):
                return f"{symbol}: tick {tick.source_seq} of {tick.ts_event} is lost, and no gap names it: {others}"
        sessions = self._passing.sessions_of(symbol)
        for gap in others:
            if not any(gap.ts_from <= since <= gap.ts_to + _AROUND_NS for since in sessions):
                return f"{symbol}: {gap} is named, and the source was read all the while, since {sessions}"
        return ""


def owners(world: World, name: str) -> str:
    """Whether every partition of a stage is worked on by one member, in words what is wrong."""
    working: dict[int, list[str]] = {number: [] for number in range(PARTITIONS)}
    for machine in world.machines.values():
        service = machine.state
        if machine.alive and machine.name.startswith(name) and hasattr(service, "stage"):
            if apart := service.status()["apart"]:
                return f"{machine.name}: records and work differ: {apart}"
            for partition in service.stage.parts:
                working[partition].append(machine.name)
    for partition, names in working.items():
        if len(names) != 1:
            return f"partition {partition} of {name} is worked on by {names or 'nobody'}"
    return ""


def schedule(seed: int, kinds: Sequence[str] = (), *, suffer_s: float = 0.0) -> Report:
    """One schedule of this scenario."""
    logs.log_as("world")
    world = World(seed, "pipeline")
    dice = world.loop.dice
    settings = settings_of(world.replicas, dice.choice((60.0, 300.0)))
    live = dice.random() < 0.5
    venue = Venue(world, live=live, exclusive=live and dice.random() < 0.5, late_s=settings.bars.revision_window_s)
    store, stops = FailingStore(world), Stops(world)
    passing, storing = Passing(world, settings.bars), Storing(world, store)
    truth = Truth(world, venue, passing, storing)

    def stored(stream: Stream, message: Stored) -> None:
        storing.stored(stream, message)  # first: what it is compared with must know of it
        passing.stored(stream, message)

    world.server.jetstream.on_stored = stored
    more, mend_store = store_faults(world, store)
    faults = Faults(
        world,
        kinds,
        more={**more, "venue": venue.lose, "stop": stops.stop},
        on_heal=mend_store,
        mean_s=dice.choice((0.3, 0.6, 1.2)),
    )

    async def prepare(connection: NatsConnection) -> None:
        await streams.ensure_streams(connection, settings.layout())

    LeaderWatch(world, [world.machine(f"gateway-{name}", program(gateway, stops, settings, venue)) for name in "ab"])
    for name in _STAGES:
        members = [
            world.machine(f"{name}-{n}", program(stage, stops, settings, name))
            for n in range(dice.choice((1, 2, 2, 3)))
        ]
        OwnerWatch(world, members, PARTITIONS)
    pods = [world.machine(f"storage-{name}", program(storage, store, storing.hooks, prepare)) for name in "ab"]
    LeaderWatch(world, pods)

    async def before() -> None:
        return None

    async def suffer(_: World) -> None:
        await asyncio.sleep(dice.uniform(0.0, 1.0))
        await faults.suffer(suffer_s or dice.choice((4.0, 8.0, 12.0)))

    report = world.run(suffer, truth.missing, before=before, settle_s=_SETTLE_S, at_end=truth.wrong_at_end)
    report.counts = {
        "live": int(venue.live),
        "ticks": passing.raw,
        "bars": len(passing.bars),
        "revisions": sum(len(each) - 1 for each in passing.bars.values()),
        "gaps": len(passing.told),
    }
    return report
