"""Rows in whatever order services send them: the decisions are those of the backtest, or a remark says why not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from marketprism_adapters.sources.registry import replay_spec
from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.backtesting.columns import InstrumentData, Selection
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TickView
from marketprism_application.backtesting.result import RunResult, decision_bytes
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.tables import bars_of_records, settlements_of, ticks_of_records
from marketprism_application.contracts.packed import Packed
from marketprism_application.paper_trading.series import Record
from marketprism_application.paper_trading.session import PaperOptions, PaperSession
from marketprism_application.replay.rebuild import rebuild
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.sources import source_of
from tests.support.backtests import IGNORE, RU, calendar
from tests.support.paper import CASES, Case, check_equal, terms
from tests.support.recordings import part_of

pytestmark = pytest.mark.timeout(120)
SEEDS = range(2)
DAY = date(2018, 10, 8)
Published: TypeAlias = tuple[tuple[Record, ...], ...]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours and more of a day; whole days are in tests/chaos."""
    return part_of(RU[0], tmp_path_factory.mktemp("recording"), slice(16_000))


@pytest.fixture(scope="module")
def published(recording: Path) -> Published:
    """What stages publish of it, message by message: ticks, then the bars that they end."""
    found: list[tuple[Record, ...]] = []
    settings = Settings.model_validate({"source": {"spec": replay_spec([str(recording)]), "checked": True}})
    source = source_of(settings, calendar())
    made = replace(settings.bars, intervals=("1m",))
    aggregator = ShardAggregator(calendar(), made)

    def keep(packed: Packed) -> None:
        parts = (packed.ticks, tuple(gap for _, gap in packed.gaps), tuple(aggregator.process(packed)))
        found.extend(part for part in parts if part)

    async def read() -> None:
        await source.connect()
        rules = ValidationRules.of(settings.rules)
        await rebuild(source.stream({}), calendar(), bars=made, rules=rules, on_validated=keep)

    asyncio.run(read())
    return tuple(found)


def arrive(messages: Sequence[Sequence[Record]], spec: RunSpec, options: PaperOptions, *symbols: str) -> RunResult:
    """A run of what comes, a second a message by the clock of waiting."""
    instruments = [terms("shfe", symbol, DAY) for symbol in symbols or ("ru1901",)]
    session = PaperSession(instruments, calendar(), spec, options)
    for now, message in enumerate(messages):
        session.take(message, float(now))
        session.release(float(now))
    session.release(float(len(messages)), ended=True)
    return session.result()


def late_bars(messages: Sequence[Sequence[Record]], most: int, seed: int) -> list[Sequence[Record]]:
    """The same, with bars up to so many messages behind the ticks that end them, in their order."""
    dice = random.Random(seed)
    ticks, bars = [], []
    place = 0.0
    for number, message in enumerate(messages):
        if isinstance(message[0], Bar):
            place = max(place, number + dice.uniform(0, most))
            bars.append((place, message))
        else:
            ticks.append((float(number), message))
    return [message for _, message in sorted(ticks + bars, key=lambda each: each[0])]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bars_may_come_long_after_the_ticks_that_end_them(
    recording: Path, published: Published, case: Case, seed: int
) -> None:
    options = PaperOptions(case.interval, hold_s=1e3, patience_s=1e3)
    found = arrive(late_bars(published, 20, seed), case.spec, options)
    check_equal(found, case.backtest((recording,)))


def test_a_bar_that_does_not_come_holds_nothing_up(published: Published) -> None:
    case = CASES["ticks-and-bars"]
    bars = [message for message in published if isinstance(message[0], Bar)]
    messages = [message for message in published if message is not bars[40]]
    for patience in (1e3, 0.5):  # the next bar says that it comes no more; or nothing does
        found = arrive(messages, case.spec, PaperOptions("1m", hold_s=1e3, patience_s=patience))
        assert found.remarks[-1].endswith("that ticks had ended did not come in time; ticks went on without them")
        assert found.state == "done"
        assert len(found.decisions) > 3


def test_ticks_that_come_again_count_once_and_those_that_are_missing_are_a_gap(
    recording: Path, published: Published
) -> None:
    case = CASES["ticks"]
    ticks = [message for message in published if not isinstance(message[0], Bar)]
    again = [
        each for number, message in enumerate(ticks) for each in ([message, message] if number % 7 == 3 else [message])
    ]
    check_equal(arrive(again, case.spec, PaperOptions()), case.backtest((recording,)))
    cut = [message[10:] if number == 30 else message for number, message in enumerate(ticks)]
    found = arrive(cut, case.spec, PaperOptions())
    assert found.remarks == ("10 ticks of ru1901 did not come here; gaps say when",)
    assert found.gaps.minutes_missing >= 0
    assert "gaps shfe.ru1901" in found.digests


# Two instruments: the second one is the first again, a quarter of a second later.


class Pair(Strategy):
    """Buys whichever has just gone up more often than the other, so that the order of rows decides."""

    def __init__(self, params: object = None) -> None:
        super().__init__(params)  # type: ignore[arg-type]
        self.last = {"ru1901": 0, "ru1905": 0}
        self.score = 0

    @property
    def lookback(self) -> timedelta:
        return timedelta(0)

    def on_tick(self, ctx: Context, tick: TickView) -> None:
        self._on_price(ctx, tick.symbol, tick.last_ticks)

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        self._on_price(ctx, bar.symbol, bar.close_ticks)

    def _on_price(self, ctx: Context, symbol: str, price: int) -> None:
        if price > self.last[symbol]:
            self.score = self.score * 3 % 1_000_003 + (1 if symbol == "ru1901" else 2)
            if self.score % 50 == 1:
                ctx.target(symbol, self.score % 3 - 1)
        self.last[symbol] = price


def other(record: Record) -> Record:
    """A row of the second instrument."""
    shift = 250_000_000
    if isinstance(record, Tick):
        return record._replace(symbol="ru1905", ts_event=record.ts_event + shift, ts_recv=record.ts_recv + shift)
    return record._replace(symbol="ru1905")


def two(messages: Sequence[Sequence[Record]], kind: type, most: int, seed: int) -> list[Sequence[Record]]:
    """Both instruments, each in its order, one up to so many messages behind the other."""
    dice = random.Random(seed)
    mine = [message for message in messages if isinstance(message[0], kind)]
    found: list[tuple[float, Sequence[Record]]] = []
    for change in (lambda record: record, other):
        place = 0.0
        for number, message in enumerate(mine):
            place = max(place, number + dice.uniform(0, most))
            found.append((place, [change(record) for record in message]))
    return [message for _, message in sorted(found, key=lambda each: each[0])]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fill", [FillMode.QUOTE, FillMode.BAR])
def test_instruments_may_come_one_behind_the_other(published: Published, fill: FillMode, seed: int) -> None:
    spec = RunSpec(Pair, Pair.Params(), RunSettings(fill=fill, gap_policy=IGNORE))
    by_bars = fill is FillMode.BAR
    messages = two(published, Bar if by_bars else Tick, 8, seed)
    data = []
    for symbol in ("ru1901", "ru1905"):
        rows = [row for message in messages for row in message if row.symbol == symbol]
        instrument = terms("shfe", symbol, DAY)
        if by_bars:
            bars = bars_of_records(instrument, "1m", rows)  # type: ignore[arg-type]
            data.append(InstrumentData(instrument, *bars.steps, {"1m": bars.columns}))
        else:
            columns, steps = ticks_of_records(instrument, rows)  # type: ignore[arg-type]
            settled, before = settlements_of(rows)  # type: ignore[arg-type]
            known = InstrumentData(instrument, *steps, {}, columns, settlements=settled, settled_before=before)
            data.append(known)
    wanted = run_backtest(Selection(tuple(data)), calendar(), spec)
    options = PaperOptions("1m" if by_bars else "", hold_s=1e3)
    check_equal(arrive(messages, spec, options, "ru1901", "ru1905"), wanted)
    # Without a hold rows are given as they come: what was late is said.
    hasty = arrive(messages, spec, replace(options, hold_s=0), "ru1901", "ru1905")
    assert "came after later ones of others" in " ".join(hasty.remarks)
    assert decision_bytes(hasty.decisions) != decision_bytes(wanted.decisions)
