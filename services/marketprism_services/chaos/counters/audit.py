"""What is in the log after a counter's trial, against the recording that its front played."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.counters.recordings.replay import ReplaySource, recording_paths
from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR, GAP
from marketprism_application.contracts.packed import Packed, decode_packed
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_services.chaos.report import Report
from marketprism_services.settings.settings import Settings

Holes = list[tuple[int, int]]
_CAUSES = ("interrupted", "disconnected", "queue_full")


async def audit(connection: NatsConnection, settings: Settings, recordings: list[str], report: Report) -> None:
    """Lost: a tick that is nowhere and in no gap. Doubled: a tick that is there twice. Wrong: a bar that differs from
    that of the whole recording and does not say so."""
    wanted: Counter[Any] = Counter()
    paths = [path for text in recordings for path in recording_paths(text)]
    calendar = chinese_calendar_of_markets(settings.calendar)

    def keep(packed: Packed) -> None:
        wanted.update(_identity(tick) for tick in packed.ticks if tick.verdict != "stale")

    source = await asyncio.to_thread(ReplaySource, paths, calendar, checked=True)
    await source.connect()
    expected = await rebuild(
        source.stream({}), calendar, bars=settings.bars, rules=ValidationRules.of(settings.rules), on_validated=keep
    )
    found: Counter[Any] = Counter()
    epochs: dict[str, int] = {}
    for message in await read_stream(connection, streams.RAW, ["market.raw.*"]):
        epoch = decode_packed(message.data).epoch
        report.stale_writes_accepted += epoch < epochs.get(message.subject, 0)
        epochs[message.subject] = max(epoch, epochs.get(message.subject, 0))
    for message in await read_stream(connection, streams.TICKS, ["market.packed.*"]):
        found.update(_identity(tick) for tick in decode_packed(message.data).ticks if tick.verdict != "stale")
    gaps = [decode(GAP, m.data) for m in await read_stream(connection, streams.EVENTS, ["market.gap.>"])]
    holes: dict[str, Holes] = defaultdict(list)
    for gap in gaps:
        if gap.cause in _CAUSES:
            holes[gap.symbol].append((gap.ts_from, gap.ts_to))
    ends = {symbol: max((key[1] for key in found if key[0] == symbol), default=0) for symbol in {k[0] for k in found}}
    starts = {symbol: min(key[1] for key in found if key[0] == symbol) for symbol in ends}
    within = [key for key in wanted if starts.get(key[0], 1 << 62) <= key[1] <= ends.get(key[0], 0)]
    missing = [key for key in within if wanted[key] > found[key]]
    outside = [key for key in missing if not any(a <= key[1] <= b for a, b in holes[key[0]])]
    report.records = sum(found.values())
    report.lost = len(outside)
    report.duplicated = sum(count - max(wanted[key], 1) for key, count in found.items() if count > max(wanted[key], 1))
    bars = [decode(BAR, m.data) for m in await read_stream(connection, streams.BARS, ["market.bar.>"])]
    _compare(
        expected.bars,
        bars,
        lambda bar: bar.ts_close < ends.get(bar.symbol, 0) and bar.ts_open >= starts.get(bar.symbol, 1 << 62),
        holes,
        report,
    )
    count = sum(map(len, holes.values()))
    report.notes.append(
        f"{len(within)} ticks played; {len(missing)} of them missed, all but {report.lost} in {count} gaps"
    )


def _compare(
    expected: list[Bar], made: list[Bar], complete: Callable[[Bar], bool], holes: Mapping[str, Holes], report: Report
) -> None:
    """A bar that is not there was wholly in a gap; one that differs says that it meets one."""
    latest = {(bar.venue, bar.symbol, bar.interval, bar.ts_open): bar for bar in made}
    flagged = same = swallowed = 0
    for bar in expected:
        key = (bar.venue, bar.symbol, bar.interval, bar.ts_open)
        if not complete(bar):
            continue
        ours = latest.get(key)
        if ours is not None and ours.gap:
            flagged += 1
        elif ours is not None and _values(ours) == _values(bar):
            same += 1
        elif ours is None and any(start <= bar.ts_open and bar.ts_close <= end for start, end in holes[bar.symbol]):
            swallowed += 1
        else:
            report.wrong += 1
            report.notes.append(f"wrong: {key}: {ours and _values(ours)} instead of {_values(bar)}")
    report.notes.append(
        f"bars: {same} equal to those of the whole recording, {flagged} flagged with a gap, {swallowed} wholly in one"
    )


def _values(bar: Bar) -> tuple[Any, ...]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover


def _identity(tick: Tick) -> Any:
    return tick.symbol, tick.ts_event, tick.last, tick.volume, tick.turnover, tick.bids[:1], tick.asks[:1]
