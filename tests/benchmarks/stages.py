"""Costs of each step of the hot path in one process, on a recording where there is one."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.synthetic.plan import parse_plan
from marketprism_adapters.synthetic.source import SimulatedVenue
from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import PACKED_VERSION, Packed, decode_packed, encode_packed
from marketprism_application.gateway.packing import TickPacker
from marketprism_application.ports.sources import SourceBatch
from marketprism_application.ports.storage import StreamPlace, StreamRange
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarBuilder, BarSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from tests.conftest import FIXTURES

REPEATS = 3
SEVEN = BarSettings(("1m", "3m", "5m", "15m", "30m", "1h", "1d"))


def median_seconds(work: Callable[[], object], clock_s: Callable[[], float] = time.perf_counter) -> float:
    """Median of a few runs with the collector resting, by this clock."""
    seconds = []
    for _ in range(REPEATS):
        gc.collect()
        gc.disable()
        started = clock_s()
        work()
        seconds.append(clock_s() - started)
        gc.enable()
    return sorted(seconds)[REPEATS // 2]


def ticks_to_measure(calendar: MarketCalendar) -> tuple[list[Tick], float | None]:
    """Ticks, and seconds a row to parse them (None without recordings)."""
    path = FIXTURES / "ctp/ticks/ru1901_20181009.csv.gz"
    if not path.exists():
        return list(SimulatedVenue(parse_plan("rate=2,instruments=rb2505"), calendar).ticks()), None
    ticks = list(Recording(path, calendar).rows())
    return ticks, median_seconds(lambda: list(Recording(path, calendar).rows())) / len(ticks)


def measure() -> dict[str, float]:
    """Microseconds a tick of each step, and rates."""
    calendar = chinese_calendar_of_markets()
    ticks, parse = ticks_to_measure(calendar)
    count = len(ticks)
    result: dict[str, float] = {"ticks": count}
    if parse is not None:
        result["parse_us_per_tick"] = parse * 1e6
    raw = TickPacker(calendar, lambda _: 0).feed(SourceBatch(ticks, ticks[-1].ts_recv, {}))
    encoded = [encode_packed(packed) for _, packed in raw]

    def timed(name: str, work: Callable[[], object]) -> None:
        result[f"{name}_us_per_tick"] = median_seconds(work) / count * 1e6

    timed("ingest", lambda: TickPacker(calendar, lambda _: 0).feed(SourceBatch(ticks, ticks[-1].ts_recv, {})))
    timed("encode_packed", lambda: [encode_packed(packed) for _, packed in raw])
    timed("decode_packed", lambda: [decode_packed(data) for data in encoded])
    timed("encode_public", lambda: [encode(TICK, tick) for tick in ticks])

    def validate() -> list[Packed]:
        shard = ShardValidator(calendar, ValidationRules())
        out = [shard.process(packed, n, 0) for n, (_, packed) in enumerate(raw)]
        return [Packed(PACKED_VERSION, "", 0, 0, tuple(o.ticks), tuple(o.marks)) for o in out]

    timed("validate", validate)
    validated = validate()

    def aggregate() -> None:
        shard = ShardAggregator(calendar, SEVEN)
        for packed in validated:
            shard.process(packed)

    timed("aggregate_7_intervals", aggregate)
    schedule = calendar.schedule(ticks[0].venue, ticks[0].symbol)

    def bars() -> None:
        builder = BarBuilder(ticks[0].venue, ticks[0].symbol, schedule, SEVEN)
        for tick in ticks:
            builder.on_tick(tick)

    result["bars_7_intervals_ticks_per_s"] = count / median_seconds(bars)
    result["store_rows_per_s"] = count / asyncio.run(_insert(ticks))
    return {name: round(value, 3) for name, value in result.items()}


async def _insert(ticks: list[Tick]) -> float:
    """Seconds to write the ticks into chDB in blocks of 20 000, columns made in Python included."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(await ChdbEngine.open(Path(folder) / "db"))
        await store.migrate()
        seconds = []
        for run in range(REPEATS):
            started = time.perf_counter()
            for first in range(0, len(ticks), 20_000):
                part = [tick._replace(seq=tick.source_seq, symbol=f"x{run}") for tick in ticks[first : first + 20_000]]
                places = [StreamPlace(first + n, 0) for n in range(len(part))]
                await store.insert(TICK, part, places, StreamRange(f"S{run}", "c", first, first + len(part)), 1)
            seconds.append(time.perf_counter() - started)
        await store.close()
        return sorted(seconds)[REPEATS // 2]
