"""Trials of venues: random faults by seed, against a simulated venue on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from marketprism_adapters.venues.live.settings import VenueSettings
from marketprism_adapters.venues.live.source import VenueSource
from marketprism_adapters.venues.registry import MARKETS
from marketprism_adapters.venues.simulator.faults import FAULTS, Fault, schedule
from marketprism_adapters.venues.simulator.registry import DIALECTS
from marketprism_adapters.venues.simulator.server import SimulatedVenueServer
from marketprism_application.venues.protocol import Venue
from marketprism_sdk.resilience import Backoff
from marketprism_services.chaos.venues.audit import VenueAudit
from marketprism_services.chaos.venues.room import Room

SECONDS = 2.0
_RECOVERY_S = 20.0
_RATE = 20.0
TRIED = tuple(MARKETS)


@dataclass
class Trial:
    """One schedule and what came of it."""

    seed: int
    market: str
    faults: list[Fault]
    wrong: list[str] = field(default_factory=list)
    checked: int = 0
    resyncs: int = 0
    gaps: int = 0
    fetched: int = 0
    recovery_s: float = 0.0

    def line(self, number: int, of: int) -> str:
        """What came of it, in one line."""
        names = ", ".join(fault.name for fault in self.faults) or "no fault"
        verdict = f"wrong: {'; '.join(self.wrong[:5])}" if self.wrong else "right"
        return (
            f"{number}/{of} seed {self.seed} {self.market}: {names}; {self.checked} book messages checked, "
            f"well again after {self.recovery_s:.1f} s, {verdict}"
        )


async def trial(
    seed: int, market: str, faults: list[Fault] | None = None, make: Callable[[str, str], Venue] | None = None
) -> Trial:
    """Faults for two seconds, then peace: everything that was published is true, every hole is named, and the books
    come back without help. `make` makes the venue instead of the market's own row."""
    made = schedule(seed, SECONDS) if faults is None else faults
    found = Trial(seed, market, made)
    make = make or MARKETS[market].make
    settings = VenueSettings(
        kinds=("trade", "orderbook", "quote"), audit_s=4.0, silent_s=0.8, hold_s=2.0, top_ms=100, snapshot_s=1.0
    )
    server = SimulatedVenueServer(DIALECTS[market](("BTC", "ETH")), seed=seed, rate=_RATE, levels=60, faults=made)
    async with server:
        settings = replace(settings, instruments=tuple(server.books))
        source = VenueSource(make(server.ws_url, server.rest_url), settings, backoff=Backoff(0.05, 0.5))
        audit = VenueAudit(server)
        try:
            await _run(source, audit, found, server)
        finally:
            await source.close()
    audit.conclude()
    found.wrong += audit.wrong
    found.checked, found.gaps = audit.checked, audit.gaps
    found.fetched = source.refill.filled
    found.resyncs = sum(tracked.sync.resyncs for _, tracked in source.feed.books.items())
    if source.keeper.failed_audits:
        found.wrong.append(f"{source.keeper.failed_audits} audits found a wrong book")
    return found


async def _run(source: VenueSource, audit: VenueAudit, found: Trial, server: SimulatedVenueServer) -> None:
    await _connected(source)
    started = time.monotonic()
    until = started + SECONDS + max([fault.amount for fault in found.faults if fault.amount < 2], default=0.0)
    stream = source.stream({})
    well_since, turns_at_end = 0.0, 0
    try:
        async for batch in stream:
            audit.on_batch(batch)
            now = time.monotonic()
            if now < until + 0.5:
                continue
            broken = audit.invalid()
            trading = audit.trading_since(until + 0.5)
            if not broken and trading and server.sessions:
                well_since = well_since or now
                found.recovery_s = max(0.0, well_since - until - 0.5)
                if now > well_since + 1.0:
                    return
                continue
            well_since = 0.0
            # On a machine that does not keep up the market is slow as well: it has to have gone on for as long.
            turns_at_end = turns_at_end or server.turns
            if now > until + _RECOVERY_S and server.turns - turns_at_end > _RECOVERY_S * _RATE:
                found.wrong.append(_not_well(broken, audit.silent_since(until + 0.5), server, source))
                return
    finally:
        await stream.aclose()  # type: ignore[attr-defined]


def _not_well(broken: list[str], silent: list[str], server: SimulatedVenueServer, source: VenueSource) -> str:
    """What has not come back, by name."""
    said = []
    if broken:
        why = {symbol: source.feed.books.needed.get(symbol, "nobody asks for it") for symbol in broken}
        said.append("books not valid: " + ", ".join(f"{symbol} ({each})" for symbol, each in why.items()))
    if silent:
        said.append(f"no trade since: {', '.join(silent)}")
    if not server.sessions:
        said.append("no connection")
    return f"not well again after {_RECOVERY_S:g} s: {'; '.join(said)}"


async def _connected(source: VenueSource) -> None:
    """The instruments may be asked for while the venue is down."""
    while True:
        try:
            await source.connect()
            return
        except Exception as error:
            if not getattr(error, "retryable", False):
                raise
            await asyncio.sleep(0.1)


async def trials(
    count: int,
    first_seed: int,
    parallel: int,
    markets: tuple[str, ...] = TRIED,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """`count` schedules, up to `parallel` at a time as far as the machine keeps up.

    What comes back names every seed with something wrong.

    `say` gets a line for each trial when it has ended.
    """
    room = Room(parallel)
    done: list[Trial] = []
    memory: list[int] = []
    process = psutil.Process()

    async def one(number: int) -> None:
        async with room.place():
            found = await trial(first_seed + number, markets[number % len(markets)])
            done.append(found)
            say(found.line(len(done), count))
            if len(done) % 50 == 0:
                memory.append(process.memory_info().rss >> 20)

    watching = asyncio.ensure_future(room.watch())
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(one(number))
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    injected = Counter(fault.name for each in done for fault in each.faults)
    recovery = sorted(each.recovery_s for each in done)
    return {
        "trials": count,
        "first_seed": first_seed,
        "at_a_time": room.most,
        "by_market": dict(Counter(each.market for each in done)),
        "faults": {name: injected[name] for name in FAULTS},
        "book_messages_checked": sum(each.checked for each in done),
        "resyncs": sum(each.resyncs for each in done),
        "gaps": sum(each.gaps for each in done),
        "missing_trades_fetched": sum(each.fetched for each in done),
        "recovery_s": {"p50": _at(recovery, 0.5), "p99": _at(recovery, 0.99), "max": round(recovery[-1], 2)},
        "memory_mb": memory,
        "wrong": [{"seed": each.seed, "market": each.market, "wrong": each.wrong[:5]} for each in done if each.wrong],
    }


def _at(values: list[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(len(values) * share))], 2)
