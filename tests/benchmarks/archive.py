"""The archive: rows a second into verified files, bytes a row, and how long the same questions take hot, cold and mixed."""

from __future__ import annotations

import asyncio
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_application.contracts.kinds import BAR, TICK, DataKind
from marketprism_application.contracts.questions import BarsOfTicks, Daily, Records, Statistics, StoreQuestion
from marketprism_application.ports.archive import Slice
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.values import NANOS_PER_MINUTE
from tests.benchmarks.stages import ticks_to_measure
from tests.contract.test_codec import SAMPLES
from tests.support.archive import DAY, Scene, put, scene_of

COPIES, REPEATS = 24, 7
MONTH = 30


async def _seconds(scene: Scene, question: StoreQuestion) -> float:
    found = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        await scene.reader.answer(question)
        found.append(time.perf_counter() - begun)
    return sorted(found)[REPEATS // 2]


def _as_another(tick: Tick, number: int) -> Tick:
    """The tick of another instrument: copies of one would be stored as one by whatever compresses."""
    times, more = Decimal(2 * number + 1), Decimal(number * 5)
    return tick._replace(
        symbol=f"ru{number:02d}",
        last=tick.last + more if tick.last is not None else None,
        volume=tick.volume * times if tick.volume is not None else None,
        turnover=tick.turnover * times if tick.turnover is not None else None,
        open_interest=tick.open_interest * times if tick.open_interest is not None else None,
        average_price=tick.average_price + more if tick.average_price is not None else None,
        bids=tuple(level._replace(price=level.price + more, quantity=level.quantity * times) for level in tick.bids),
        asks=tuple(level._replace(price=level.price + more, quantity=level.quantity * times) for level in tick.asks),
    )


async def _fill(scene: Scene) -> int:
    """A real day of ticks as many instruments on two days, and minute bars of them; the first day's midnight."""
    ticks, _ = ticks_to_measure(chinese_calendar_of_markets())
    midnight = ticks[len(ticks) // 2].ts_event // DAY * DAY
    ticks = [each for each in ticks if midnight <= each.ts_event < midnight + DAY]
    first = 1
    for day in range(2):
        for copy in range(COPIES):
            rows = [_as_another(each, copy + 1)._replace(ts_event=each.ts_event + day * DAY) for each in ticks]
            await put(scene.store, TICK, rows, first)
            first += len(rows)
    bars = []
    for copy in range(COPIES * 4):
        for number in range(MONTH * 345):
            opened = midnight - MONTH * DAY + number // 345 * DAY + (60 + number % 345) * NANOS_PER_MINUTE
            times = {"ts_open": opened, "ts_close": opened + NANOS_PER_MINUTE, "ts_event": opened + NANOS_PER_MINUTE}
            bars.append(SAMPLES["bar"]._replace(symbol=f"ru{copy:02d}", **times, revision=0, seq=number))
    for start in range(0, len(bars), 100_000):
        await put(scene.store, BAR, bars[start : start + 100_000], first + start)
    return midnight


async def _moved(scene: Scene, kind: DataKind, partition: str, staging: Path) -> dict[str, float]:
    """What the move of a unit costs: the export alone, and with everything that verifies it."""
    hot = next(each for each in await scene.hot.partitions() if (each.table, each.partition) == (kind.table, partition))
    begun, cpu = time.perf_counter(), time.process_time()
    await scene.hot.export(kind.table, partition, None, Slice("", "~"), "", staging / "only.parquet")
    export_s, export_cpu = time.perf_counter() - begun, time.process_time() - cpu
    begun, cpu = time.perf_counter(), time.process_time()
    record = await scene.mover.move(kind.table, partition, hot.bytes)
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    assert record.cold is not None
    rows = record.cold.rows
    return {
        "rows": rows,
        "export_rows_per_s": round(rows / export_s),
        "export_rows_per_core_s": round(rows / export_cpu),
        "verified_rows_per_s": round(rows / took),
        "verified_rows_per_core_s": round(rows / cpu),
        "hot_bytes_a_row": round(hot.bytes / rows, 2),
        "cold_bytes_a_row": round(record.cold.bytes / rows, 2),
    }


async def _measure(folder: Path) -> dict[str, object]:
    async with scene_of(folder, slice_rows=1_000_000) as scene:
        midnight = await _fill(scene)
        day = time.strftime("%Y%m%d", time.gmtime(midnight / 1e9))
        for table in (TICK.table, BAR.table):
            await scene.engine.execute(f"OPTIMIZE TABLE market.{table} FINAL")
        one = Records("tick", "ru07", ts_from=midnight, ts_to=midnight + DAY, limit=20_000)
        section = (midnight, midnight, midnight + DAY, 0, "20181009")
        questions: dict[str, StoreQuestion] = {
            "day_of_ticks": one,
            "newest_300_ticks": Records("tick", "ru07", limit=300, last=True),
            "month_of_bars": Records("bar", "ru07", interval="1m", limit=20_000),
            "statistics": Statistics("ru07"),
            "days": Daily("ru07"),
            "bars_of_ticks": BarsOfTicks("ru07", "shfe", (section,), 60 * 10**9),
        }
        hot = {name: await _seconds(scene, question) for name, question in questions.items()}
        found: dict[str, object] = {"ticks": await _moved(scene, TICK, day, folder)}
        mixed = {name: await _seconds(scene, question) for name, question in questions.items()}
        for unit in await scene.hot.partitions():
            if unit.table == BAR.table:
                found["bars"] = await _moved(scene, BAR, unit.partition, folder)
            else:
                await scene.mover.move(unit.table, unit.partition, unit.bytes)
        cold = {name: await _seconds(scene, question) for name, question in questions.items()}
        found["milliseconds"] = {
            name: {
                "hot": round(hot[name] * 1e3, 1),
                "first_day_cold": round(mixed[name] * 1e3, 1),
                "all_cold": round(cold[name] * 1e3, 1),
                "ratio": round(cold[name] / hot[name], 2),
            }
            for name in questions
        }
        return found


def measure_archive() -> dict[str, object]:
    """Rates, sizes and times."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))
