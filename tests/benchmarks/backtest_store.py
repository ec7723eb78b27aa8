"""From the store to a result: the ticks of three recordings asked for as a worker asks, made into rows, and run."""

from __future__ import annotations

import tempfile
import time
from datetime import date
from pathlib import Path

import msgspec
import pyarrow as pa
from examples.double_average import DoubleAverage

from marketprism_adapters.clickhouse.embedded import ChdbEngine
from marketprism_adapters.clickhouse.reader import SqlReader
from marketprism_adapters.clickhouse.store import SqlStore
from marketprism_adapters.sources.registry import replay_spec
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, GapPolicy, RunSettings
from marketprism_application.backtesting.stored_rows import RowsAsked, stored_rows
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import Packed
from marketprism_application.contracts.questions import Question, decode_answer, encode_answer
from marketprism_application.ports.storage import EncodedRows, StreamRange
from marketprism_application.queries.answering import answer_question
from marketprism_application.queries.derived_bars import ReadRules
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_services.cli.backtest_data import TermsGiven, calendar_of, instrument_of
from marketprism_services.cli.options import settings_of
from marketprism_services.wiring.sources import source_of

_RUNS = 3


async def measure_store(files: tuple[Path, ...]) -> dict[str, float]:
    """Seconds from the first question to the result, of the wall and of the processor, the least of some runs."""
    calendar = calendar_of(None)
    ticks = await _ticks(files, calendar)
    with tempfile.TemporaryDirectory() as folder:
        engine = await ChdbEngine.open(Path(folder) / "db")
        try:
            store, reader = SqlStore(engine), SqlReader(engine)
            await store.migrate()
            encode = msgspec.msgpack.Encoder().encode
            rows = [EncodedRows(1, [encode(tick) for tick in ticks])]
            await store.insert_encoded(TICK, rows, StreamRange("T", "x", 1, 1), 1)

            async def ask(question: Question) -> pa.Table:
                table = await answer_question(reader, question, ReadRules(calendar, ("1m",)))
                return decode_answer(encode_answer(table))

            runs = [await _run(ask, calendar, len(ticks)) for _ in range(_RUNS)]
        finally:
            await engine.close()
    wall, cpu, read = (min(each) for each in zip(*runs, strict=True))
    return {"rows": len(ticks), "wall_s": round(wall, 3), "cpu_s": round(cpu, 3), "wall_s_until_read": round(read, 3)}


async def _run(ask: object, calendar: MarketCalendar, count: int) -> tuple[float, float, float]:
    def terms(venue: str, symbol: str, on: date) -> Instrument:
        return instrument_of(venue, symbol, on, TermsGiven())

    wall, cpu = time.perf_counter(), time.process_time()
    selection = await stored_rows(ask, ("ru1901",), RowsAsked("", FillMode.QUOTE), terms)  # type: ignore[arg-type]
    read = time.perf_counter() - wall
    settings = RunSettings(fill=FillMode.QUOTE, gap_policy=GapPolicy("ignore"))
    result = run_backtest(
        selection, calendar, RunSpec(DoubleAverage, DoubleAverage.Params(fast=120, slow=480), settings)
    )
    took, used = time.perf_counter() - wall, time.process_time() - cpu
    assert (result.rows, result.sent) == (count, 362), (result.rows, result.sent)
    return took, used, read


async def _ticks(files: tuple[Path, ...], calendar: MarketCalendar) -> list[Tick]:
    """The recordings as the pipeline validates them."""
    spec = {"spec": replay_spec([str(path) for path in files]), "checked": True}
    settings = settings_of(None, source=spec)
    source, found = source_of(settings, calendar), list[Tick]()

    def keep(packed: Packed) -> None:
        found.extend(packed.ticks)

    await source.connect()
    await rebuild(
        source.stream({}), calendar, bars=settings.bars, rules=ValidationRules.of(settings.rules), on_validated=keep
    )
    return found
