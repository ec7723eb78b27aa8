"""What a strategy on paper is called for beside rows: sessions, gaps, revisions, timers; and how a run ends."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from marketprism_application.backtesting.columns import Hole
from marketprism_application.backtesting.context import Context
from marketprism_application.backtesting.cursors import BarView, TickView
from marketprism_application.backtesting.engine import Engine
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.result_tables import ended_at, run_document
from marketprism_application.backtesting.runs import RunSpec
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.backtesting.strategy import Strategy
from marketprism_application.backtesting.verification import verify_fills
from marketprism_application.paper_trading.session import PaperOptions, PaperSession
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.marketdata.gap import Gap
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.trading.contracts import ContractTerms
from marketprism_domain.values import BookLevel
from tests.support.backtests import IGNORE, calendar, ns

RU1901 = Instrument("shfe", "ru1901", ContractTerms(Decimal(10)), Decimal(5))
MINUTE = 60_000_000_000


class Seen(Strategy):
    """Writes down whatever it is called for."""

    lookback = timedelta(minutes=30)  # type: ignore[assignment]

    def __init__(self, params: object = None) -> None:
        super().__init__(params)  # type: ignore[arg-type]
        self.calls: list[tuple[object, ...]] = []

    def on_tick(self, ctx: Context, tick: TickView) -> None:
        self.calls.append(("tick", tick.seq))

    def on_bar(self, ctx: Context, bar: BarView) -> None:
        self.calls.append(("bar", bar.revision, bar.close, len(ctx.bars(bar.symbol, "1m", 30))))

    def on_gap(self, ctx: Context, symbol: str, gap: Hole) -> None:
        self.calls.append(("gap", gap.cause))

    def on_session(self, ctx: Context, symbol: str, phase: str) -> None:
        self.calls.append(("session", phase))

    def on_timer(self, ctx: Context, name: str) -> None:
        self.calls.append(("timer", name))


class Timed(Seen):
    def on_start(self, ctx: Context) -> None:
        ctx.timer("soon", timedelta(seconds=30))


class Buys(Seen):
    def on_tick(self, ctx: Context, tick: TickView) -> None:
        if tick.seq == 1:
            ctx.buy("ru1901", 2)


class BuysOnBar(Seen):
    def on_bar(self, ctx: Context, bar: BarView) -> None:
        if bar.close == 12_345:
            ctx.buy("ru1901", 2)
        super().on_bar(ctx, bar)


class Raises(Seen):
    def on_tick(self, ctx: Context, tick: TickView) -> None:
        if tick.seq == 2:
            raise ValueError("it does that")


def tick(seq: int, ts: int, price: int = 12_345) -> Tick:
    level = BookLevel(Decimal(price), Decimal(3))
    return Tick(
        *("shfe", "ru1901", "test", 1, seq, ts, ts, ts, seq, "20181008"),
        last=Decimal(price),
        volume=Decimal(2 * seq),
        turnover=Decimal(20 * seq * price),
        bids=(level,),
        asks=(level,),
        phase="continuous",
        verdict="valid",
    )


def bar(ts_open: int, close: int, revision: int = 0) -> Bar:
    four = [Decimal(close)] * 4
    close_at = ts_open + MINUTE
    head = ("shfe", "ru1901", "test", 1, 1, close_at, close_at, close_at, "1m", ts_open, close_at, "20181008")
    return Bar(*head, *four, Decimal(2), Decimal(20), revision=revision)


def session(strategy: type[Strategy] = Seen, fill: FillMode = FillMode.QUOTE, **options: object) -> PaperSession:
    spec = RunSpec(strategy, strategy.Params(), RunSettings(fill=fill, gap_policy=IGNORE))
    return PaperSession([RU1901], calendar(), spec, PaperOptions(**options))  # type: ignore[arg-type]


def calls(of: PaperSession) -> list[tuple[object, ...]]:
    strategy = of.engine.strategy
    assert isinstance(strategy, Seen)
    return strategy.calls


def test_a_tick_is_given_as_soon_as_it_is_there() -> None:
    run = session()
    for seq in (1, 2, 3):
        run.take([tick(seq, ns(f"10:00:0{seq}"))], float(seq))
        run.release(float(seq))
        assert calls(run)[-1] == ("tick", seq)
    assert run.wakes_at(4.0) is None


def test_of_a_replay_a_row_waits_for_the_next_time() -> None:
    run = session(sent_in_order=True)
    run.take([tick(1, ns("10:00:01"))], 0.0)
    run.release(0.0)
    assert calls(run) == []
    run.take([tick(2, ns("10:00:02"))], 0.0)
    run.release(0.0)
    assert calls(run)[-1] == ("tick", 1)
    run.release(0.0, ended=True)
    assert calls(run)[-1] == ("tick", 2)


def test_a_revised_bar_comes_again_with_its_revision() -> None:
    run = session(fill=FillMode.BAR)
    for number, close in enumerate((12_300, 12_305)):
        run.take([bar(ns("10:00:00") + number * MINUTE, close)], 0.0)
        run.release(0.0)
    run.take([bar(ns("10:00:00"), 12_310, revision=1), bar(ns("10:02:00"), 12_315)], 0.0)
    run.release(0.0)
    found = [each for each in calls(run) if each[0] == "bar"]
    assert found == [
        ("bar", 0, Decimal(12_300), 1),
        ("bar", 0, Decimal(12_305), 2),
        ("bar", 1, Decimal(12_310), 2),
        ("bar", 0, Decimal(12_315), 3),
    ]
    result = run.result()
    assert result.remarks == ("1 bars of ru1901 came again, revised",)
    assert [str(each.price(int(each.data.bars["1m"].close[0]))) for each in run.engine.markets] == ["12310"]


def test_a_gap_is_noticed_when_it_is_known() -> None:
    run = session()
    at = ns("10:00:10")
    gap = Gap(*("shfe", "ru1901", "test", 1, 0, at, at, at, ns("10:00:02"), at, "silence", "20181008"))
    run.take([tick(1, ns("10:00:01")), tick(2, ns("10:00:02")), gap, gap, tick(3, at)], 0.0)
    run.release(0.0)
    assert calls(run)[-4:] == [("tick", 1), ("tick", 2), ("gap", "silence"), ("tick", 3)]
    assert run.engine.markets[0].hole is not None


def test_sessions_and_timers_come_without_a_row_where_rows_are_of_now() -> None:
    run = session(Timed)
    last = ns("11:29:50")
    run.take([tick(1, last)], 0.0, wall_ns=last)
    run.release(0.0, wall_ns=last)
    assert calls(run)[-1] == ("tick", 1)
    run.release(20.0, wall_ns=last + 20_000_000_000)  # event time follows five and more seconds behind
    assert calls(run)[-1] == ("session", "break")
    run.release(60.0, wall_ns=last + 60_000_000_000)
    assert calls(run)[-1] == ("timer", "soon")


def test_of_a_recording_the_clock_moves_nothing() -> None:
    run = session(Timed)
    run.take([tick(1, ns("11:29:50"))], 0.0, wall_ns=ns("12:00:00", "2026-01-05"))
    run.release(0.0, wall_ns=ns("12:00:00", "2026-01-05"))
    assert calls(run)[-1] == ("tick", 1)


def test_a_strategy_that_raises_ends_its_run_and_keeps_what_there_is() -> None:
    run = session(Raises)
    run.take([tick(1, ns("10:00:01")), tick(2, ns("10:00:02")), tick(3, ns("10:00:03"))], 0.0)
    run.release(0.0)
    assert run.over
    result = run.result()
    assert (result.state, result.rows) == ("failed", 3)
    assert result.failed is not None
    assert result.failed.code == "STRATEGY_FAILED"
    assert "ValueError: it does that" in result.failed.text
    assert "2018-10-08T02:00:02" in result.failed.text


@pytest.mark.parametrize("fill", [FillMode.QUOTE, FillMode.BAR], ids=str)
def test_what_is_held_when_it_ends_is_proved_at_what_was_known_then(fill: FillMode) -> None:
    """The rows that are there when it is proved go on behind the end."""
    prices = (12_345, 12_350, 12_355, 12_400)
    ticks = [tick(n, ns(f"10:00:0{n}"), price) for n, price in enumerate(prices, 1)]
    bars = [bar(ns(f"10:0{n}:00"), price) for n, price in enumerate(prices, 1)]

    def after(count: int) -> RunResult:
        run = session(BuysOnBar if fill is FillMode.BAR else Buys, fill)
        run.take(bars[:count] if fill is FillMode.BAR else ticks[:count], 0.0)
        run.release(0.0, ended=True)
        selections.append(run.engine)
        return run.result()

    selections: list[Engine] = []
    result, whole = after(3), after(4)
    settings, later = RunSettings(fill=fill, gap_policy=IGNORE), selections[1].selection
    active = {order.number: order.ts for order in result.orders}
    ended = ended_at(run_document(result))
    assert (result.fills, result.gross) == (whole.fills, whole.gross - 2 * 10 * 45)
    found = verify_fills(result.fills, later, settings, active, ended)
    assert (found.unproved, found.gross) == ([], result.gross)
    assert verify_fills(whole.fills, later, settings, active).gross == whole.gross


def test_a_price_between_two_steps_is_left_out_and_counted() -> None:
    run = session()
    run.take([tick(1, ns("10:00:01")), tick(2, ns("10:00:02"), 12_347), tick(3, ns("10:00:03"))], 0.0)
    run.release(0.0)
    assert [each for each in calls(run) if each[0] == "tick"] == [("tick", 1), ("tick", 3)]
    assert run.result().remarks == ("1 rows of ru1901 have a number between two steps, and are left out",)


def test_what_cannot_begin_is_refused() -> None:
    with pytest.raises(NoDataError, match="rows of ru1901: expected some, none has come"):
        session().result()
    spec = RunSpec(Seen, Seen.Params(), RunSettings(detail="tick"))
    with pytest.raises(BacktestError, match="detail: expected none on paper"):
        PaperSession([RU1901], calendar(), spec, PaperOptions())
    with pytest.raises(BacktestError, match="price_tick: expected it of X"):
        PaperSession(
            [Instrument("binance", "X")], calendar(), RunSpec(Seen, Seen.Params(), RunSettings()), PaperOptions()
        )
    with pytest.raises(BacktestError, match="hold_s: expected 0 to 3600 seconds, was -1"):
        PaperOptions(hold_s=-1)


class Holds(Seen):
    def on_tick(self, ctx: Context, tick: TickView) -> None:
        super().on_tick(ctx, tick)
        ctx.target(tick.symbol, 1)


def test_a_perpetual_is_held_over_its_funding_whose_rates_do_not_come() -> None:
    instrument = Instrument("binance", "BTC-USDT-PERP", ContractTerms(Decimal(1)), Decimal(5))
    spec = RunSpec(Holds, Holds.Params(), RunSettings(fill=FillMode.QUOTE, gap_policy=IGNORE))
    run = PaperSession([instrument], calendar(), spec, PaperOptions())
    eight = ns("08:00:00")  # 00:00 UTC
    for seq, ts in enumerate((eight - 2_000_000_000, eight - 1_000_000_000, eight + 1_000_000_000), 1):
        row = tick(seq, ts)._replace(venue="binance", symbol="BTC-USDT-PERP", trading_day="20181008")
        run.take([row], float(seq))
        run.release(float(seq))
    result = run.result()
    assert (result.failed, len(result.fills)) == (None, 1)
    assert result.remarks == ("funding of BTC-USDT-PERP is not paid: its rates do not come here",)
